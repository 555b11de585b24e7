"""What depends on training labels becomes numbers: class weights, the number of classes."""

import numpy as np
import pytest
from conftest import CLASSIFICATION, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.metrics import log_loss

from boostloss import CrossEntropy, Focal, Poly1, Poly1Focal

SMOOTHED = [case for case in CLASSIFICATION if case.loss.label_smoothing]


def test_balanced_is_n_over_k_n_k():
    """Class weights of the training labels, sample weights counting."""
    y, weight = [0, 0, 0, 1], [1, 1, 1, 6]
    assert_allclose(CrossEntropy(class_weight="balanced").resolve(y).class_weight, [4 / 6, 4 / 2])
    assert_allclose(Focal(class_weight="balanced").resolve(y, weight).class_weight, [9 / 6, 9 / 12])
    labels = [0, 1, 1, 2, 2, 2]
    assert_allclose(CrossEntropy(class_weight="balanced").resolve(labels).class_weight, [2, 1, 2 / 3])
    smoothed = CrossEntropy(class_weight="balanced", label_smoothing=0.2).resolve(y)
    assert_allclose(smoothed.class_weight, [4 / 6, 4 / 2])


def effective_by_hand(totals, beta):
    """Cui et al. 2019: 1 / effective number, with sum K."""
    inverse = [(1 - beta) / (1 - beta**n) for n in totals]
    return [w * len(totals) / sum(inverse) for w in inverse]


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
def test_effective_weights(beta):
    """From the counts of the classes, from summed sample weights, and without the smoothing of labels."""
    y = [0, 0, 0, 0, 0, 0, 1, 1]
    for kind in (CrossEntropy, Focal, Poly1, Poly1Focal):
        loss = kind(class_weight="effective", beta=beta)
        assert_allclose(loss.resolve(y).class_weight, effective_by_hand([6, 2], beta), rtol=1e-12)
    loss = CrossEntropy(class_weight="effective", beta=beta)
    weight = np.array([1.0, 2, 1, 1, 1, 1, 0.5, 3])
    assert_allclose(loss.resolve(y, weight).class_weight, effective_by_hand([7, 3.5], beta), rtol=1e-12)
    labels = [0, 1, 1, 2, 2, 2]
    assert_allclose(loss.resolve(labels).class_weight, effective_by_hand([1, 2, 3], beta), rtol=1e-12)
    smoothed = CrossEntropy(class_weight="effective", beta=beta, label_smoothing=0.2).resolve(y)
    assert_allclose(smoothed.class_weight, effective_by_hand([6, 2], beta), rtol=1e-12)
    missing = loss.resolve([0, 0, 2, 2, 2, 2], n_classes=4).class_weight
    assert_allclose(missing[::2], effective_by_hand([2, 4], beta), rtol=1e-12)
    assert missing[1::2] == [1, 1]


def test_effective_weights_become_balanced_ones():
    """With beta to 1, apart from a factor; the recovered probabilities do not know of either."""
    y = np.repeat([0, 1, 2], [50, 5, 1])
    effective = CrossEntropy(class_weight="effective", beta=1 - 1e-10).resolve(y).class_weight
    balanced = CrossEntropy(class_weight="balanced").resolve(y).class_weight
    assert_allclose(np.divide(effective, effective[0]), np.divide(balanced, balanced[0]), rtol=1e-7)
    loss = Focal(class_weight="effective").resolve(y)
    start = loss.fit_intercept_only(y)
    assert_allclose(loss.predict_proba(start[None, :])[0], [50 / 56, 5 / 56, 1 / 56], rtol=1e-9)


def test_balanced_start_is_zero():
    """With balanced weights the best constant has no preference."""
    y = np.repeat([0.0, 1.0, 2.0], [50, 5, 1])
    for loss in (CrossEntropy(class_weight="balanced"), Focal(class_weight="balanced")):
        assert_allclose(loss.fit_intercept_only(y), 0, atol=1e-9)
        assert_allclose(loss.fit_intercept_only(y[:55]), 0, atol=1e-9)


def test_resolve_leaves_the_loss_alone():
    """It returns a copy, which says how many classes there are; numbers stay as they are."""
    loss = Focal(gamma=1.0, class_weight="balanced")
    resolved = loss.resolve([0, 1, 1])
    assert loss.get_params()["class_weight"] == "balanced"
    assert not hasattr(loss, "n_classes_")
    assert resolved.n_classes_ == 2
    assert resolved.gamma == 1.0
    assert CrossEntropy(class_weight={0: 2.0}).resolve([0, 1, 2]).class_weight == {0: 2.0}
    assert CrossEntropy().resolve([0, 0, 0]).n_classes_ == 2
    assert CrossEntropy().resolve([0, 1], n_classes=5).n_classes_ == 5
    assert CrossEntropy().resolve(np.eye(4)).n_classes_ == 4


def test_resolve_with_a_class_missing():
    """A class without rows has the weight 1, and is not counted in K."""
    resolved = CrossEntropy(class_weight="balanced").resolve([0, 0, 2, 2, 2, 2], n_classes=4)
    assert_allclose(resolved.class_weight, [6 / 4, 1, 6 / 8, 1])
    assert resolved.n_classes_ == 4


def test_resolve_checks_the_labels():
    """Labels outside the given number of classes are an error."""
    with pytest.raises(ValueError, match=r"^y_true\[2\] == 3.0, must be an integer in \[0, 3\)\.$"):
        CrossEntropy().resolve([0, 1, 3], n_classes=3)
    with pytest.raises(ValueError, match=r"^pos_weight == 2.0 with 3 classes, must be used with two\.$"):
        CrossEntropy(pos_weight=2.0).resolve([0, 1, 2])


def test_what_needs_training_labels_says_so():
    """Probabilities and decisions of an unresolved loss are an error that names resolve."""
    loss = CrossEntropy(class_weight="balanced")
    for call in (loss.predict_proba, loss.predict):
        with pytest.raises(ValueError, match=r"class_weight == 'balanced' depends on the training labels.*resolve"):
            call(np.zeros(3))
    assert_allclose(loss.resolve([0, 0, 1]).predict_proba(np.zeros(1)), [[2 / 3, 1 / 3]], rtol=1e-14)


def test_evaluation_uses_the_training_weights():
    """The metric of a resolved loss keeps its weights on other labels; that of an unresolved one is an error."""
    loss = CrossEntropy(class_weight="balanced")
    resolved = loss.resolve([0, 0, 0, 1])
    y, raw = np.array([1.0, 1.0, 0.0]), np.array([0.3, -1.0, 0.2])
    weights = np.array([2, 2, 2 / 3])
    assert_allclose(resolved.metric(y, raw), (weights * CrossEntropy().loss(y, raw)).sum() / 3)
    with pytest.raises(ValueError, match="depends on the training labels"):
        loss.metric(y, raw)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metric_of_cross_entropy_is_the_log_loss_of_scikit_learn(n_classes):
    """With sample weights."""
    case = Case(CrossEntropy(), 1 if n_classes == 2 else n_classes)
    y, raw, weight = case.sample()
    proba = softmax(np.stack([0 * raw, raw], 1) if n_classes == 2 else raw, axis=1)
    assert_allclose(CrossEntropy().metric(y, raw, weight), log_loss(y, proba, sample_weight=weight), rtol=1e-11)


@over(SMOOTHED)
def test_smoothing_is_taken_out_of_the_posterior(case):
    """Raw predictions that no unsmoothed label distribution asks for become certain, never more than that."""
    K = case.n_classes
    for k in range(K):
        raw = np.full((1, K), -20.0)
        raw[0, k] = 20.0
        eta = case.loss.predict_proba(raw if case.n_outputs > 1 else raw[:, 1])
        assert_array_equal(eta, np.eye(K)[[k]])
