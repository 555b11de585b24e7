"""The documentation does what it says: its code runs as printed, and every public name is described."""

import importlib
import inspect
import re
import runpy
import shlex
import tomllib
from pathlib import Path
from types import SimpleNamespace

import documentation_preamble
import matplotlib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import boostloss.formula

ROOT = Path(__file__).parents[1]
GUIDE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", *GUIDE]
FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
END_OF_BLOCK = "\x1e"
RUN_BY_CI = "quickstart", "tests"  # the shell blocks of README.md so marked: .ci/run runs them
# Where an output is that of trees, versions and machines differ; the prose rests on no more
TOLERANCE = {"rel": 0.1, "abs": 0.02}

matplotlib.use("Agg")

public_names = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "public_names.py")))
MODULES = [name for name in public_names.MODULES if name != public_names.WORDS]
NAMES = [(module, name) for module in MODULES for name in public_names.names_of(module)]
# Errors in the sections, parameters that are missing, unknown or in another order, no summary, no Returns, no docstring
COUNTED = {
    *("GL04", "GL05", "GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR05", "PR06", "PR10"),
    *("RT01", "SS01", "SS02"),
}
ARRAY = re.compile(r"\b(array-like|ndarrays?)\b")
WITH_SHAPE = re.compile(r"of shape|, shape|shaped as|of three")
BARE_NUMBER = re.compile(r"(float|int)(, (default=.*|optional))?")


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


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_code_runs_as_printed(page, tmp_path, monkeypatch, capsys):
    """In order, in one namespace, in an empty folder, warnings being errors; what a page shows is what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what LightGBM's estimators go by
    program = tmp_path / "page.py"
    program.write_text(as_program(page), encoding="utf-8")
    given = {name: getattr(documentation_preamble, name) for name in documentation_preamble.__all__}
    with threadpool_limits(1):  # many small trainings, in which threads wait for each other
        runpy.run_path(str(program), given if page.name == "README.md" else None, "__main__")
    *printed, _ = capsys.readouterr().out.split(END_OF_BLOCK)
    for got, promised in zip(printed, outputs(page), strict=True):
        if promised is not None:
            assert_same_output(got, promised)


def test_pages_have_no_other_kinds_of_code():
    """Nothing escapes the tests because of how its block is marked."""
    known = {"python", "bash", "text", "{toctree}"}
    languages = {match["language"] for page in PAGES for match in FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert languages <= known


def test_shell_commands_are_known():
    """Each names a tool that comes with Python or an extra, extras there are, and files there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    marked = re.findall(r"<!-- command: (\w+) -->", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert tuple(marked) == RUN_BY_CI
    for page in PAGES:
        for _, text in blocks(page, "bash"):
            for command in re.split(r"&&|\n", text.strip()):
                words = shlex.split(command)
                tool = Path(words[0]).name
                assert tool in {"python", "python3", "pip", "pytest", "sphinx-build"}, f"{page.name}: {command}"
                for extra in re.findall(r"(?:\.|boostloss)\[([\w,]+)\]", command):
                    assert set(extra.split(",")) <= extras, f"{page.name}: {command}"
                for word in words[1:]:
                    if re.fullmatch(r"(examples|docs|benchmarks|tests)(/[\w./]+)?", word) and "_build" not in word:
                        assert (ROOT / word).exists(), f"{page.name}: {word}"
                if words[1:2] == ["-m"]:
                    assert importlib.util.find_spec(words[2]) is not None, f"{page.name}: {command}"


# ------------------------------------------------------------------------------------------------------- docstrings


def described():
    """Everything public that has a docstring of its own, by its path: classes, functions, members that are listed."""
    things = {}
    for module, name in NAMES:
        thing = getattr(importlib.import_module(module), name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            things[f"{module}.{name}"] = thing
        if inspect.isclass(thing):
            things |= {f"{module}.{name}.{m}": getattr(thing, m) for m in public_names.members_of(thing)}
    return things


DESCRIBED = described()
LOSSES = [path for path in public_names.template_context()["losses"] if DESCRIBED[path] not in public_names.BASES]


@pytest.mark.parametrize("path", list(DESCRIBED))
def test_docstrings_are_valid(path):
    """Every public docstring parses as numpydoc and names exactly the parameters there are."""
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the test extra, and not installed here")
    assert not [problem for problem in validate.validate(path)["errors"] if problem[0] in COUNTED]


def sections(path):
    """The docstring of something public, by section."""
    scrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is in the test extra, and not installed here")
    return scrape.NumpyDocString(inspect.getdoc(DESCRIBED[path]))


@pytest.mark.parametrize("path", list(DESCRIBED))
def test_docstrings_give_shapes_and_domains(path):
    """An array has its shape, and a number that is a parameter its domain, its default or a sentence."""
    doc = sections(path)
    for entry in (*doc["Parameters"], *doc["Returns"], *doc["Attributes"]):
        text = f"{entry.name} : {entry.type}"
        assert not ARRAY.search(text) or WITH_SHAPE.search(text), text
    for entry in doc["Parameters"]:
        assert entry.desc or not BARE_NUMBER.fullmatch(entry.type), entry


@pytest.mark.parametrize("path", LOSSES)
def test_losses_have_formula_and_notes(path):
    """The value stands in the summary; what it reduces to, its convexity and its source in the notes."""
    doc = sections(path)
    assert ":math:" in " ".join(doc["Summary"]) or path == "boostloss.MultiLabel"
    assert doc["Notes"]


def test_words_of_formulas_are_described():
    """Each in the docstring of its module."""
    for word in boostloss.formula.__all__:
        assert f"``{word}(" in boostloss.formula.__doc__
