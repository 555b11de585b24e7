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
