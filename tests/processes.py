"""Programs in processes of their own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import boostloss

ROOT = Path(boostloss.__file__).parents[1]
ENVIRONMENT = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "BOOSTLOSS_NUM_THREADS")


def run_python(source, *arguments, script=None, root=ROOT, **environment):
    """Run a program in a new interpreter, from stdin or as a script; what it prints is JSON."""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    source = textwrap.dedent(source)
    if script is not None:
        script.write_text(source)
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-" if script is None else script, *arguments],
        input=source if script is None else None,
        capture_output=True,
        text=True,
        env={**clean, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
