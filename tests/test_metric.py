"""The metric of every loss."""

import numpy as np
import pytest
from conftest import LOSSES, REGRESSION, over
from loss_properties import DTYPES, WEIGHTED
from numpy.testing import assert_allclose
from reference import reference

from boostloss import MAPE, SMAPE, AbsoluteError, CrossEntropy, Focal, Huber, LogCosh, Quantile

LIMIT_IS_METRIC = AbsoluteError, MAPE, SMAPE
LOSS_IS_METRIC = [case for case in LOSSES if not case.is_automatic and not isinstance(case.loss, LIMIT_IS_METRIC)]


@over([*LOSS_IS_METRIC, *[case for case in REGRESSION if isinstance(case.loss, Quantile) and case.is_automatic]])
@DTYPES
@WEIGHTED
def test_metric_is_the_weighted_mean(case, dtype, weighted):
    """sum(w L) / sum(w), lower is better; the pinball loss for quantiles."""
    y, raw, weight = case.sample(dtype=dtype, weighted=weighted)
    value = case.loss.metric(y, raw, weight)
    expected = np.average(reference(case.loss, y.astype(float), raw.astype(float))[0], weights=weight)
    if isinstance(case.loss, Quantile):
        r, tau = raw.astype(float).reshape(len(y), -1) - y[:, None], np.array(case.loss.quantile)
        expected = np.average(np.maximum((1 - tau) * r, -tau * r).mean(axis=1), weights=weight)
    assert_allclose(value, expected, rtol=1e-5 if dtype == np.float32 else 1e-11)
    assert isinstance(value, float)
    name, same, higher_is_better = value
    assert (name, same, higher_is_better) == (case.loss.metric.__name__, float(value), False)


@pytest.mark.parametrize("loss", [Huber(), LogCosh()], ids=repr)
@WEIGHTED
def test_metric_under_an_automatic_scale_is_absolute_error(loss, weighted):
    """A loss whose scale moves from round to round has no comparable value: its metric is the mean absolute error."""
    y, raw, weight = REGRESSION[0].sample(weighted=weighted)
    assert loss.metric.__name__ == "mean_absolute_error"
    assert_allclose(loss.metric(y, raw, weight), np.average(np.abs(raw - y), weights=weight), rtol=1e-13)


@pytest.mark.parametrize("bandwidth", ["auto", 0.1, 100.0])
def test_metric_of_quantiles_is_the_pinball_loss(bandwidth):
    """Whatever the bandwidth."""
    y, raw, weight = REGRESSION[0].sample()
    r = raw - y
    loss = Quantile(quantile=0.9, bandwidth=bandwidth)
    assert loss.metric.__name__ == "pinball"
    assert_allclose(loss.metric(y, raw, weight), np.average(np.where(r > 0, 0.1 * r, -0.9 * r), weights=weight))


def test_names_of_metrics():
    """Classes in snake case, without a parameter."""
    losses = CrossEntropy(), Focal(), Huber(delta=1.0), LogCosh(scale=1.0)
    assert [loss.metric.__name__ for loss in losses] == ["cross_entropy", "focal", "huber", "log_cosh"]
