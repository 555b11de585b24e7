"""Every example runs as it stands, without a warning, and draws what it promises."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = {
    "plot_intervals": ("intervals.png",),
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


@pytest.fixture
def intervals(monkeypatch):
    """The example of prediction intervals as a module."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("plot_intervals")


@pytest.mark.slow
def test_conformal_intervals_are_those_of_the_formula(intervals):
    """max(lower - y, y - upper): its order statistic of rank ceil(.9 (n + 1)) is added on both sides."""
    rng = np.random.default_rng(0)
    y, known, asked = rng.normal(size=399), np.sort(rng.normal(size=(399, 3))), np.sort(rng.normal(size=(7, 3)))
    scores = np.sort(np.maximum(known[:, 0] - y, y - known[:, 2]))
    margin = scores[360 - 1]  # ceil(.9 * 400)
    expected = np.column_stack([asked[:, 0] - margin, asked[:, 2] + margin])
    np.testing.assert_allclose(intervals.conformal(known, y, asked), expected, rtol=1e-13)


@pytest.mark.slow
def test_groups_are_calibrated_alone(intervals):
    """A group's intervals are those it has without the other groups."""
    rng = np.random.default_rng(1)
    y, known, asked = rng.normal(size=600), np.sort(rng.normal(size=(600, 3))), np.sort(rng.normal(size=(50, 3)))
    group, group_asked = rng.integers(3, size=600), rng.integers(3, size=50)
    y[group == 2] *= 10.0
    got = intervals.conformal_by_group(known, y, group, asked, group_asked)
    for g in range(3):
        alone = intervals.conformal(known[group == g], y[group == g], asked[group_asked == g])
        np.testing.assert_array_equal(got[group_asked == g], alone)
    assert np.diff(got[group_asked == 2]).min() > np.diff(got[group_asked == 0]).max()


@pytest.mark.slow
def test_days_are_not_shared(intervals):
    """Test days and calibration days are no training days, and every row is tested once."""
    X, _, date = intervals.datasets.flights()
    folds = list(intervals.day_folds(X, date))
    for train, same_days, calibration, test in folds:
        days = [set(date.iloc[rows]) for rows in (train, calibration, test)]
        assert len(set.union(*days)) == sum(map(len, days))
        assert set(date.iloc[same_days]) <= days[0]
        assert not set(train) & set(same_days)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold[-1] for fold in folds])), np.arange(len(X)))


@pytest.mark.slow
def test_interval_score(intervals):
    """The width, and 20 times the distance of what lies outside an interval of 90 %."""
    score = intervals.interval_score(np.array([0.0, -1.5, 3.0]), np.full(3, -1.0), np.full(3, 1.0))
    np.testing.assert_allclose(score, [2.0, 2.0 + 10.0, 2.0 + 40.0])
