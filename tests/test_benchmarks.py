"""Every benchmark runs, on few rows and without a look at its figures; the README says what they said."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from boostloss import losses
from boostloss._device import has_gpu
from gpu import NO_GPU
from report import ratios
from run import BENCHMARKS, BLOCK, FOLDER, README, with_speed

QUICK = ("--quick",)
SMALL = {"kernels": ("--rows", "2000"), **dict.fromkeys(("gpu", "regression", "scaling", "startup", "training"), QUICK)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_benchmark_runs(name, tmp_path):
    """In a copy, for it would write over the published table; another package's warnings are its own."""
    for folder in ("benchmarks", "examples"):
        shutil.copytree(
            README.parent / folder, tmp_path / folder, ignore=shutil.ignore_patterns("results", "__pycache__")
        )
    path = os.pathsep.join([str(README.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, tmp_path / "benchmarks" / f"{name}.py", *SMALL[name]]
    done = subprocess.run(
        command, check=True, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    if name == "gpu" and not has_gpu():
        assert done.stdout == f"{NO_GPU}\n"
        assert not (tmp_path / "benchmarks" / "results").exists()
        return
    assert done.stdout == (tmp_path / "benchmarks" / "results" / f"{name}.md").read_text()
    assert re.search(r"^\|.*\d", done.stdout, re.MULTILINE)


def test_every_benchmark_is_run():
    """A new one is run as well."""
    assert set(BENCHMARKS) == set(SMALL)


def test_readme_is_assembled():
    """The README's block of speed is what the published summaries make of it."""
    readme = README.read_text()
    assert len(BLOCK.findall(readme)) == 1
    assert "times a plain copy" in BLOCK.findall(readme)[0]
    assert with_speed(readme, FOLDER / "results") == readme


def test_summaries_in_order(tmp_path):
    """Summaries follow each other in one order, and an absent one is left out."""
    for name in ("startup", "kernels"):
        (tmp_path / f"{name}.summary.md").write_text(f"{name} \\1\n")
    readme = "before\n<!-- benchmark: speed -->\nold\n<!-- end -->\nafter\n"
    expected = "before\n<!-- benchmark: speed -->\nkernels \\1\n\nstartup \\1\n<!-- end -->\nafter\n"
    assert with_speed(readme, tmp_path) == expected


def test_every_loss_is_timed():
    """A loss that is exported is in the tables."""
    from timed_problems import (
        BASES,
        k_classes,
        labels_of_a_row,
        levels_of_a_row,
        positive_targets,
        residuals,
        two_classes,
    )

    problems = (two_classes, residuals, positive_targets, labels_of_a_row, levels_of_a_row)
    names = {name.partition(",")[0] for problem in problems for name in problem(9, np.float32, "C")[1]}
    assert names == set(losses.__all__) - BASES
    assert {"CrossEntropy", "Focal", "LDAM"} <= set(k_classes(3, 9, np.float32, "C")[1])


def test_ratios_of_a_clock():
    """A call that takes three times as long as another, by a clock that it moves."""
    now, steps = [0.0], {"one": 1.0, "three": 3.0}
    calls = {name: lambda step=step: now.__setitem__(0, now[0] + step) for name, step in steps.items()}
    timings = ratios(calls, {"three": ("one", "three")}, 5, lambda: now[0])
    assert list(timings) == ["three"]
    assert timings["three"].seconds == 3.0
    assert [tuple(spread) for spread in timings["three"].ratios] == [(3.0, 3.0, 3.0), (1.0, 1.0, 1.0)]
    assert str(timings["three"].ratios[0]) == "3.00 (3.00–3.00)"
