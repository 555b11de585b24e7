"""Every example runs as it stands, without a warning, and draws what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = {
    "plot_loss_gallery": ("loss_gallery.png", "loss_gallery_regression.png"),
    "plot_multiclass": ("multiclass.png",),
    "plot_rare_events": ("rare_events.png",),
    "plot_robust_regression": ("robust_regression.png",),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_example_runs(name):
    """In a process of its own, warnings being errors; its pictures are new."""
    pictures = [EXAMPLES / "output" / picture for picture in PICTURES[name]]
    for picture in pictures:
        picture.unlink(missing_ok=True)
    command = [sys.executable, "-W", "error", f"{name}.py"]
    run = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, env=dict(os.environ))
    assert run.returncode == 0, run.stderr
    assert run.stdout
    assert all(picture.stat().st_size > 20_000 for picture in pictures)


def test_every_plot_is_listed():
    """A new example is run as well."""
    assert sorted(path.stem for path in EXAMPLES.glob("plot_*.py")) == sorted(PICTURES)
