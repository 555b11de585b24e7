"""Labels between the classes, and label smoothing."""

import numpy as np
import pytest
from conftest import SIGMOID, Case, over
from loss_properties import all_of
from numpy.testing import assert_allclose

from boostloss import CrossEntropy, Focal, Hinge


@over(
    [case for case in SIGMOID if not case.loss.label_smoothing],
    is_quick=lambda case: isinstance(case.loss, CrossEntropy | Focal | Hinge),  # of p with and without a power, of m
)
def test_soft_labels_are_two_weighted_rows(case):
    """y in [0, 1] is y of a positive row and 1 - y of a negative one: value, gradient, curvature and start."""
    _, raw, weight = case.sample()
    y = np.random.default_rng(8).uniform(size=len(raw))
    parts = all_of(case.loss, y, raw, weight)
    positive, negative = (all_of(case.loss, np.full_like(y, label), raw) for label in (1.0, 0.0))
    for part, one, zero in zip(parts, positive, negative, strict=True):
        assert_allclose(part, weight * (y * one + (1 - y) * zero), rtol=1e-11, atol=1e-14)
    rows = np.repeat([1.0, 0.0], len(y))
    start = case.loss.fit_intercept_only(rows, np.concatenate([weight * y, weight * (1 - y)]))
    assert_allclose(case.loss.fit_intercept_only(y, weight), start, rtol=1e-9)


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(class_weight=[1.0, 5.0, 0.2])], ids=repr)
def test_distributions_are_weighted_rows(loss):
    """A distribution over K classes is K weighted rows: value and gradient, and the start."""
    _, raw, weight = Case(loss, 3).sample()
    targets = np.random.default_rng(8).dirichlet([0.5, 1, 2], len(raw))
    value, gradient, _ = all_of(loss, targets, raw, weight)
    rows = [all_of(loss, np.full(len(raw), k), raw, weight * targets[:, k]) for k in range(3)]
    assert_allclose(value, sum(row[0] for row in rows), rtol=1e-12)
    assert_allclose(gradient, sum(row[1] for row in rows), rtol=1e-9, atol=1e-13)
    start = loss.fit_intercept_only(np.repeat(np.arange(3), len(raw)), np.concatenate(weight * targets.T))
    assert_allclose(loss.fit_intercept_only(targets, weight), start, atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_label_smoothing_is_a_soft_label(n_classes):
    """(1 - epsilon) y + epsilon / K."""
    case = Case(CrossEntropy(), 1 if n_classes == 2 else n_classes)
    y, raw, weight = case.sample()
    one_hot = y if n_classes == 2 else np.eye(n_classes)[y.astype(int)]
    soft = 0.8 * one_hot + 0.2 / n_classes
    smoothed = all_of(CrossEntropy(label_smoothing=0.2), y, raw, weight)
    for a, b in zip(smoothed, all_of(CrossEntropy(), soft, raw, weight), strict=True):
        assert_allclose(a, b, rtol=1e-12)
