"""Displays of losses and of trainings."""

import lightgbm
import numpy as np
import pytest
import xgboost
from scipy.special import expit

import boostloss as bl

matplotlib = pytest.importorskip("matplotlib", reason="the plot extra is not installed")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402  # after the choice of a backend without a screen

from boostloss.plot import LossDisplay, TrainingDisplay, plot_training  # noqa: E402  # after it as well


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


# --------------------------------------------------------------------------------------------------------------- losses


LABELS = {
    bl.Focal(gamma=2.0): 1.0,
    bl.Huber(delta=1.0): 0.0,
    bl.Quantile(): 0.0,
    bl.MSLE(): 0.0,
    bl.SMAPE(bandwidth=0.1): 1.0,
    bl.Poisson(): 1.0,
    bl.Tweedie(): 1.0,
}


@pytest.mark.parametrize(("loss", "label"), LABELS.items(), ids=repr)
def test_curves_are_those_of_the_loss(loss, label):
    """The lines drawn are value, gradient, second derivative and curvature, and the posterior where there is one."""
    display = LossDisplay.from_loss(loss, span=3)
    curves = {ax.get_title(): line for ax, line in zip(display.axes_, display.lines_, strict=True)}
    x = curves["value"].get_xdata()
    y_true = [label] * len(x)
    gradient, curvature = loss.gradient_hessian(y_true, x)
    expected = {"value": loss.loss(y_true, x), "gradient": gradient, "curvature": curvature}
    expected["Hessian"] = loss.gradient_hessian(y_true, x, curvature="exact")[1]
    if isinstance(loss, bl.Focal):
        expected["posterior of class 1"] = loss.predict_proba(x)[:, 1]
    assert curves.keys() == expected.keys()
    for title, line in curves.items():
        np.testing.assert_array_equal(line.get_ydata(), expected[title])
    assert (x[0], x[-1]) == (-3, 3)
    assert {line.get_label() for line in display.lines_} == {repr(loss)}
    assert display.figure_ is display.axes_[0].figure


def test_the_label_can_be_chosen():
    """Negatives of an asymmetric loss have another curve; a regression loss of the prediction too."""
    loss = bl.Asymmetric()
    display = LossDisplay.from_loss(loss, y_true=0)
    np.testing.assert_array_equal(display.lines["value"], loss.loss(np.zeros_like(display.x), display.x))
    display = LossDisplay.from_loss(bl.MAPE(bandwidth=0.3), y_true=4)
    expected = bl.MAPE(bandwidth=0.3).loss(np.full_like(display.x, 4), 4 + display.x)
    np.testing.assert_array_equal(display.lines["value"], expected)
    assert abs(expected[display.x == 0]).max() == 0


def test_displays_share_axes():
    """A second loss in the panels of the first; also one without posterior in those of one with it."""
    display = LossDisplay.from_loss(bl.Focal(), name="focal")
    other = LossDisplay.from_loss(bl.Hinge(), ax=display.axes_, color="red")
    assert other.figure_ is display.figure_
    assert other.axes_.tolist() == display.axes_[:4].tolist()
    assert [line.get_color() for line in other.lines_] == ["red"] * 4
    labels = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert labels == ["focal", "Hinge()"]
    [sigmoid] = [line for line in display.axes_[4].lines if line.get_label() == "sigmoid"]
    np.testing.assert_array_equal(sigmoid.get_ydata(), expit(display.x))
    again = display.plot()
    assert again is display
    assert display.figure_ is not other.figure_


@pytest.mark.parametrize("ax", [np.array([1, 2, 3, 4, 5]), "axes", [None] * 5])
def test_axes_of_another_kind(ax):
    """One matplotlib axes per panel."""
    with pytest.raises(ValueError, match=r"must be None or 5 matplotlib axes"):
        LossDisplay.from_loss(bl.Focal(), ax=ax)
    with pytest.raises(ValueError, match=r"must be None or 5 matplotlib axes"):
        LossDisplay.from_loss(bl.Focal(), ax=pyplot.figure().subplots(1, 3))


NO_CURVE = [bl.Dice(), bl.GradientHarmonized(), bl.MultiLabel(), bl.Quantile(quantile=[0.1, 0.9])]


@pytest.mark.parametrize("loss", NO_CURVE, ids=repr)
def test_what_has_no_curve_is_refused(loss):
    """A row's value there depends on other rows or columns."""
    with pytest.raises(ValueError, match="has no curve"):
        LossDisplay.from_loss(loss)


@pytest.mark.parametrize("loss", [bl.LDAM(), bl.LogitAdjusted(), bl.Focal(class_weight="balanced")], ids=repr)
def test_training_labels_are_asked_for(loss):
    """The labels of a picture are made up: nothing may be worked out from them."""
    with pytest.raises(ValueError, match="depends on the training labels"):
        LossDisplay.from_loss(loss)
    LossDisplay.from_loss(loss.resolve([0, 0, 0, 1]))


def test_other_arguments_are_checked():
    """With name, value and constraint."""
    with pytest.raises(TypeError, match="loss == 'focal', must be a Loss"):
        LossDisplay.from_loss("focal")
    with pytest.raises(ValueError, match="span == 0, must be > 0"):
        LossDisplay.from_loss(bl.Focal(), span=0)
    with pytest.raises(ValueError, match=r"y_true\[0\] == 2.0, must be in \[0, 1\]"):
        LossDisplay.from_loss(bl.Focal(), y_true=2)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    """The package imports, the picture says what is missing."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"matplotlib is not installed: pip install 'boostloss\[plot\]'"):
        LossDisplay.from_loss(bl.Focal())


# ------------------------------------------------------------------------------------------------------------ trainings


VALUES = {"train": {"auc": [0.6, 0.7, 0.8], "focal": [3.0, 2.0, 1.0]}, "valid": {"focal": [3.0, 2.5, 2.6]}}


def test_recorded_values_are_drawn():
    """A panel per metric, a line per data set that has it."""
    display = plot_training(VALUES)
    assert isinstance(display, TrainingDisplay)
    assert [ax.get_ylabel() for ax in display.axes_] == ["auc", "focal"]
    assert list(display.lines_) == [("train", "auc"), ("train", "focal"), ("valid", "focal")]
    np.testing.assert_array_equal(display.lines_["valid", "focal"].get_xydata().T, [[1, 2, 3], [3.0, 2.5, 2.6]])
    assert display.best_lines_ == []
    one = plot_training(VALUES, metric="auc", ax=display.axes_[0], color="red")
    assert list(one.lines_) == [("train", "auc")]
    assert one.figure_ is display.figure_


@pytest.mark.parametrize(
    ("training", "metric", "error", "words"),
    [
        ({}, None, ValueError, "training has no values of a metric, must have been given an eval_set"),
        ({"valid": {}}, None, ValueError, "training has no values of a metric"),
        (VALUES, "rmse", ValueError, r"metric == 'rmse', must be one of \['auc', 'focal'\]"),
        ({"auc": [1, 2]}, None, TypeError, r"training has the keys \['auc'\], must have a dict of metrics"),
        (3, None, TypeError, "training == 3, must be a fitted estimator or a dict"),
        (bl.Focal(), None, TypeError, r"training == Focal\(\), must be a fitted estimator or a dict"),
    ],
)
def test_what_is_no_training(training, metric, error, words):
    """What it must be, in one line."""
    with pytest.raises(error, match=words):
        plot_training(training, metric=metric)


ENGINES = [
    (xgboost.XGBRegressor(n_estimators=40, early_stopping_rounds=3, n_jobs=1), {"verbose": False}),
    (
        lightgbm.LGBMRegressor(n_estimators=40, n_jobs=1, verbosity=-1),
        {"callbacks": [lightgbm.early_stopping(3, verbose=False)]},
    ),
]


@pytest.mark.parametrize(("estimator", "arguments"), ENGINES, ids=["xgboost", "lightgbm"])
def test_estimators_are_drawn(estimator, arguments):
    """An engine's own: its values, and the round at which it stopped."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), rng.normal(size=300)
    model = bl.LossRegressor(estimator).fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], **arguments)
    display = plot_training(model.estimator_)
    [line] = display.lines_.values()
    best = 1 + np.argmin(line.get_ydata())
    assert [mark.get_xdata()[0] for mark in display.best_lines_] == [best]
    assert best < len(line.get_ydata()) < 40
