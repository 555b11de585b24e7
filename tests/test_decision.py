"""Decisions of losses of classes, their class weights being costs."""

import numpy as np
import pytest
from conftest import POSTERIOR, over
from numpy.testing import assert_allclose, assert_array_equal
from reference import class_weights

from boostloss import CrossEntropy, Focal, LogitAdjusted


@over([case for case in POSTERIOR if not (isinstance(case.loss, LogitAdjusted) and case.loss.label_smoothing)])
def test_decision_is_the_largest_weighted_posterior(case):
    """predict = argmax_j w_j eta_j: class weights are costs; logit adjustment divides by pi_j^tau, too."""
    raw = case.raw(500)
    weighted = case.loss.predict_proba(raw) * class_weights(case.loss, case.n_classes)
    if isinstance(case.loss, LogitAdjusted):
        weighted /= np.array(case.loss.class_prior) ** case.loss.tau
    decision = case.loss.predict(raw)
    assert decision.shape == (500,)
    assert decision.dtype.kind == "i"
    first, second = np.sort(weighted, axis=1)[:, [-1, -2]].T
    clear = first > second * (1 + 1e-9)
    assert clear.mean() > 0.7
    assert_array_equal(decision[clear], weighted.argmax(axis=1)[clear])


@pytest.mark.parametrize("loss", [CrossEntropy(pos_weight=5.0), CrossEntropy(alpha=0.9)], ids=repr)
def test_decision_of_a_weighted_cross_entropy_is_the_sign(loss):
    """z > 0, as for the engines' scale_pos_weight; where eta is above 1 / (1 + w)."""
    raw = np.array([-3.0, -1e-9, 1e-9, 3.0])
    assert_array_equal(loss.predict(raw), [0, 0, 1, 1])
    weights = class_weights(loss, 2)
    assert_allclose(loss.predict_proba(np.zeros(1))[0, 1], weights[0] / weights.sum())


def test_unweighted_decision_is_half_the_posterior():
    """Without class weights: the more probable class."""
    raw = np.linspace(-5, 5, 401)
    for loss in (CrossEntropy(), Focal(gamma=2.0), Focal(gamma=(0.0, 3.0))):
        assert_array_equal(loss.predict(raw), loss.predict_proba(raw)[:, 1] > 0.5)
