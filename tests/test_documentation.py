"""The documentation does what it says: its code runs as printed, and what it names is there."""

import re
import runpy
import tomllib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
README, CI, PREAMBLE = ROOT / "README.md", ROOT / ".ci" / "run", Path(__file__).with_name("documentation_preamble.py")
PAGES = [README, ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
END_OF_BLOCK = "\x1e"
# Formulas of one's own, which nothing else compiles, take a third of the time of all pages; README.md has one as well
RUN = [
    pytest.param(page, id=str(page.relative_to(ROOT)), marks=pytest.mark.slow if page.stem == "own_losses" else ())
    for page in PAGES
]
MARKED = re.compile(r"<!-- command: (\w+) -->\n```bash\n")
EXTRAS = re.compile(r"(?:\.|boostloss)\[([a-z,]+)\]")
FILES = re.compile(r"\b(?:examples|benchmarks)/[\w/]+\.(?:py|md)\b")
# Where an output is that of trees, versions and machines differ; the prose rests on no more
TOLERANCE = {"rel": 0.1, "abs": 0.02}

matplotlib.use("Agg")


def blocks(page, language):
    """The fenced blocks of a page in a language, as (number of the first line, text)."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match["language"] == language:
            yield text.count("\n", 0, match.start()) + 2, match["text"]


def as_program(page):
    """A page's Python as one program, every line at its place, that marks the end of each block on stdout."""
    lines = [""] * (page.read_text(encoding="utf-8").count("\n") + 1)
    for first, text in blocks(page, "python"):
        code = text.splitlines()
        lines[first - 1 : first - 1 + len(code)] = code
        lines[first - 1 + len(code)] = f"print({END_OF_BLOCK!r}, end='')"
    return "\n".join(lines)


def outputs(page):
    """For every block of Python what the page says that it prints, or None."""
    matches = list(FENCE.finditer(page.read_text(encoding="utf-8")))
    for match, after in zip(matches, [*matches[1:], None], strict=True):
        if match["language"] == "python":
            yield after["text"] if after is not None and after["language"] == "text" else None


def assert_same_output(printed, promised):
    """Words are equal, and numbers nearly."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", promised).split(), f"printed:\n{printed}"
    got, expected = (np.array(NUMBER.findall(text), float) for text in (printed, promised))
    assert got == pytest.approx(expected, **TOLERANCE), f"printed:\n{printed}"


@pytest.mark.parametrize("page", RUN)
def test_code_runs_as_printed(page, tmp_path, monkeypatch, capsys):
    """In order, in one namespace, in an empty folder, warnings being errors; what a page shows is what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what LightGBM's estimators go by
    program = tmp_path / "page.py"
    program.write_text(as_program(page), encoding="utf-8")
    given = runpy.run_path(str(PREAMBLE)) if page == README else {}
    given = {name: value for name, value in given.items() if not name.startswith("_")}
    with threadpool_limits(1):  # many small trainings, in which threads wait for each other
        runpy.run_path(str(program), given, "__main__")
    *printed, _ = capsys.readouterr().out.split(END_OF_BLOCK)
    for got, promised in zip(printed, outputs(page), strict=True):
        if promised is not None:
            assert_same_output(got, promised)


def test_pages_have_no_other_kinds_of_code():
    """Nothing escapes the tests because of how its block is marked."""
    languages = {match["language"] for page in PAGES for match in FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert languages == {"python", "bash", "text", "{toctree}"}


def test_shell_blocks_are_run_by_ci():
    """Those of README.md are marked with a name that .ci/run runs, and there are no others."""
    if not CI.exists():
        pytest.skip("a source distribution has no .ci/run")
    marked = MARKED.findall(README.read_text(encoding="utf-8"))
    assert marked == ["quickstart", "tests"]
    assert sum(1 for page in PAGES for _ in blocks(page, "bash")) == len(marked)
    assert all(f"run_readme_command {name}\n" in CI.read_text(encoding="utf-8") for name in marked)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_extras_and_files_in_the_text_exist(page):
    """What a reader is told to install or to run is there."""
    text = page.read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {extra for group in EXTRAS.findall(text) for extra in group.split(",")}
    assert named <= set(extras)
    assert all((ROOT / name).exists() for name in FILES.findall(text))
