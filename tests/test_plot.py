"""Curves of a loss."""

import pytest

import boostloss as bl

matplotlib = pytest.importorskip("matplotlib", reason="the plot extra is not installed")
matplotlib.use("Agg")


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
    """The lines drawn are value, gradient and curvature, the second derivative beside the latter."""
    from matplotlib import pyplot

    from boostloss.plot import curves

    axes = curves(loss, span=3)
    x, value = axes[0].lines[0].get_data()
    y_true = [label] * len(x)
    assert (value == loss.loss(y_true, x)).all()
    gradient, curvature = loss.gradient_hessian(y_true, x)
    assert (axes[1].lines[0].get_ydata() == gradient).all()
    assert (axes[2].lines[0].get_ydata() == curvature).all()
    assert (axes[2].lines[1].get_ydata() == loss.gradient_hessian(y_true, x, curvature="exact")[1]).all()
    pyplot.close("all")


def test_curves_of_relative_errors():
    """The residual of a target of 1 is its relative error."""
    from matplotlib import pyplot

    from boostloss.plot import curves

    loss = bl.MAPE(bandwidth=0.3)
    x, value = curves(loss)[0].lines[0].get_data()
    assert (value == loss.loss([1.0] * len(x), 1 + x)).all()
    assert abs(value[x == 0]).max() == 0
    pyplot.close("all")


NO_CURVE = [bl.Dice(), bl.GradientHarmonized(), bl.MultiLabel(), bl.Quantile(quantile=[0.1, 0.9])]


@pytest.mark.parametrize("loss", NO_CURVE, ids=repr)
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
