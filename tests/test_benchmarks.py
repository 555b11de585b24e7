"""Every benchmark runs, on few rows and without a look at its figures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = {"kernels": ("--rows", "2000"), "regression": ("--quick",)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_benchmark_runs(name, tmp_path):
    """In a copy, for it would write over the published table; another package's warnings are its own."""
    for folder in ("benchmarks", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, tmp_path / "benchmarks" / f"{name}.py", *SMALL[name]]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    assert "| boostloss" in done.stdout or "| Quantile(quantile=0.9)" in done.stdout


def test_every_benchmark_is_listed():
    """A new one is run as well."""
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"run", "report"}
    assert names == set(SMALL)
