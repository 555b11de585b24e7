"""Curves of a loss."""

import pytest

import boostloss as bl

matplotlib = pytest.importorskip("matplotlib", reason="the plot extra is not installed")
matplotlib.use("Agg")


@pytest.mark.parametrize("loss", [bl.Focal(gamma=2.0), bl.Huber(delta=1.0), bl.Quantile()], ids=repr)
def test_curves_are_those_of_the_loss(loss):
    """The lines drawn are value, gradient and curvature, the second derivative beside the latter."""
    from matplotlib import pyplot

    from boostloss.plot import curves

    axes = curves(loss, span=3)
    x, value = axes[0].lines[0].get_data()
    y_true = [isinstance(loss, bl.ClassificationLoss)] * len(x)
    assert (value == loss.loss(y_true, x)).all()
    gradient, curvature = loss.gradient_hessian(y_true, x)
    assert (axes[1].lines[0].get_ydata() == gradient).all()
    assert (axes[2].lines[0].get_ydata() == curvature).all()
    assert (axes[2].lines[1].get_ydata() == loss.gradient_hessian(y_true, x, curvature="exact")[1]).all()
    pyplot.close("all")


@pytest.mark.parametrize("loss", [bl.Dice(), bl.GradientHarmonized(), bl.MultiLabel()], ids=repr)
def test_what_has_no_curve_is_refused(loss):
    """A row's value there depends on other rows or columns."""
    from boostloss.plot import curves

    with pytest.raises(ValueError, match="has no curve"):
        curves(loss)


@pytest.mark.parametrize("loss", [bl.LDAM(), bl.LogitAdjusted(), bl.Focal(class_weight="balanced")], ids=repr)
def test_training_labels_are_asked_for(loss):
    """The labels of a picture are made up: nothing may be worked out from them."""
    from matplotlib import pyplot

    from boostloss.plot import curves

    with pytest.raises(ValueError, match="depends on the training labels"):
        curves(loss)
    curves(loss.resolve([0, 0, 0, 1]))
    pyplot.close("all")
