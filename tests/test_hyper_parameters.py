"""The error for hyper-parameters that are not allowed, alone and together."""

import copy

import numpy as np
import pytest
from conftest import over
from few_losses import FEW
from loss_properties import all_of
from numpy.testing import assert_array_equal

from boostloss import (
    LDAM,
    Asymmetric,
    Barron,
    CrossEntropy,
    Focal,
    HardTruncated,
    Hinge,
    Huber,
    LogCosh,
    LogitAdjusted,
    MarginTruncated,
    Perceptron,
    Poly1,
    Poly1Focal,
    QuadraticHinge,
    Quantile,
    SoftTruncated,
)

NUMBER = "must be a number"
WEIGHTS = "must be 'balanced', 'effective', a dict or a sequence"
BAD = [
    *[(kind, {"curvature": bad}, ValueError, f"curvature == {bad!r}, must be one of 'auto', 'exact'.")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal, Huber, LogCosh, Quantile) for bad in ("newton", None, 1.0)],
    *[(kind, {"alpha": bad}, ValueError, f"alpha == {bad!r}, must be in (0, 1).")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal) for bad in (0, 1, -0.5, 4, float("nan"), float("inf"))],
    *[(kind, {"pos_weight": bad}, ValueError, f"pos_weight == {bad!r}, must be > 0.")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal) for bad in (0, -1.0, float("nan"), float("inf"))],
    *[(kind, {"label_smoothing": bad}, ValueError, f"label_smoothing == {bad!r}, must be in [0, 1).")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal) for bad in (-0.1, 1, float("nan"))],
    *[(Focal, {"gamma": bad}, ValueError, f"gamma == {bad!r}, must be >= 0.")
      for bad in (-1, -1e-9, float("nan"), float("inf"))],
    *[(kind, {"epsilon": bad}, ValueError, f"epsilon == {bad!r}, must be >= -1.")
      for kind in (Poly1, Poly1Focal) for bad in (-1.1, -2, float("nan"), float("inf"))],
    *[(kind, {"epsilon": bad}, TypeError, f"epsilon == {bad!r}, {NUMBER} ")
      for kind in (Poly1, Poly1Focal) for bad in (None, "1", True)],
    *[(Huber, {"delta": bad}, ValueError, f"delta == {bad!r}, must be > 0.") for bad in (0, -1.0, float("inf"))],
    *[(LogCosh, {"scale": bad}, ValueError, f"scale == {bad!r}, must be > 0.") for bad in (0, -1.0, float("nan"))],
    *[(Quantile, {"bandwidth": bad}, ValueError, f"bandwidth == {bad!r}, must be > 0.") for bad in (0, -1.0)],
    *[(Quantile, {"quantile": bad}, ValueError, f"quantile == {bad!r}, must be in (0, 1).")
      for bad in (0, 1, -0.5, 1.1, float("nan"))],
    *[(Barron, {"alpha": bad}, ValueError, f"alpha == {bad!r}, must be <= 2.")
      for bad in (2.5, float("nan"), float("inf"), float("-inf"))],
    *[(Barron, {"alpha": bad}, TypeError, f"alpha == {bad!r}, must be a number <= 2.") for bad in ("1", None, True)],
    (Barron, {"scale": "mad"}, ValueError, "scale == 'mad', must be 'auto' or a number > 0."),
    *[(HardTruncated, {"theta": bad}, ValueError, f"theta == {bad!r}, must be in (0.5, 1).")
      for bad in (0.5, 1, 0.2, float("nan"))],
    *[(SoftTruncated, {"theta": bad}, ValueError, f"theta == {bad!r}, must be in (0, 1).") for bad in (0, 1, -1.0)],
    *[(kind, {"k": bad}, ValueError, f"k == {bad!r}, must be > 0.")
      for kind in (SoftTruncated, MarginTruncated) for bad in (0, -1.0, float("inf"))],
    *[(Asymmetric, {name: bad}, ValueError, f"{name} == {bad!r}, must be >= 0.")
      for name in ("gamma_pos", "gamma_neg") for bad in (-1, float("nan"))],
    *[(Asymmetric, {"clip": bad}, ValueError, f"clip == {bad!r}, must be in [0, 1).") for bad in (-0.1, 1)],
    (LogitAdjusted, {"tau": -1.0}, ValueError, "tau == -1.0, must be >= 0."),
    (LogitAdjusted, {"class_prior": [0.5, 0]}, ValueError, "class_prior[1] == 0, must be > 0."),
    (LDAM, {"max_margin": -1.0}, ValueError, "max_margin == -1.0, must be >= 0."),
    (LDAM, {"scale": 0}, ValueError, "scale == 0, must be > 0."),
    (LDAM, {"margins": [0.1, -2]}, ValueError, "margins[1] == -2, must be >= 0."),
    *[(kind, {"bandwidth": bad}, ValueError, f"bandwidth == {bad!r}, must be >= 1e-30.")
      for kind in (Hinge, Perceptron) for bad in (0, 1e-31)],
    *[(QuadraticHinge, {"width": bad}, ValueError, f"width == {bad!r}, must be >= 1e-30.") for bad in (0, 1e-46)],
    (CrossEntropy, {"pos_weight": "auto"}, TypeError, "pos_weight == 'auto', must be a number > 0."),
    (Huber, {"delta": "mad"}, ValueError, "delta == 'mad', must be 'auto' or a number > 0."),
    (LogCosh, {"scale": "mad"}, ValueError, "scale == 'mad', must be 'auto' or a number > 0."),
    (Quantile, {"bandwidth": "mad"}, ValueError, "bandwidth == 'mad', must be 'auto' or a number > 0."),
    *[(Focal, {name: bad}, TypeError, f"{name} == {bad!r}, {NUMBER} ")
      for name in ("gamma", "alpha", "pos_weight", "label_smoothing") for bad in ("2", True, 1j)],
    *[(kind, {name: bad}, TypeError, f"{name} == {bad!r}, {NUMBER} ")
      for kind, name in ((Huber, "delta"), (LogCosh, "scale"), (Quantile, "bandwidth"), (Quantile, "quantile"))
      for bad in (None, True, 1j)],
    (Focal, {"gamma": None}, TypeError, "gamma == None, must be a number >= 0."),
    (Focal, {"gamma": [1.0, -2.0]}, ValueError, "gamma[1] == -2.0, must be >= 0."),
    (Focal, {"gamma": [1.0, "2"]}, TypeError, "gamma[1] == '2', must be a number >= 0."),
    *[(kind, {"class_weight": bad}, ValueError, "class_weight[1] == 0, must be > 0.")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal) for bad in ([1, 0], {1: 0})],
    *[(kind, {"class_weight": "effective", "beta": bad}, ValueError, f"beta == {bad!r}, must be in [0, 1).")
      for kind in (CrossEntropy, Focal, Poly1, Poly1Focal) for bad in (1, -0.1, 2.0, float("nan"))],
    (Focal, {"class_weight": "auto"}, ValueError, f"class_weight == 'auto', {WEIGHTS}."),
    (Focal, {"class_weight": 3.0}, TypeError, f"class_weight == 3.0, {WEIGHTS}."),
    (Focal, {"alpha": 0.2, "pos_weight": 3.0}, ValueError,
     "alpha == 0.2 and pos_weight == 3.0, must not be given together"),
    (CrossEntropy, {"alpha": 0.2, "class_weight": [1, 2]}, ValueError,
     "alpha == 0.2 and class_weight == [1, 2], must not be given together"),
    (CrossEntropy, {"pos_weight": 2.0, "class_weight": "balanced"}, ValueError,
     "pos_weight == 2.0 and class_weight == 'balanced', must not be given together"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "params", "error", "message"), BAD, ids=[f"{kind.__name__}-{params}" for kind, params, _, _ in BAD]
)
def test_bad_hyper_parameters(kind, params, error, message):
    """Name, value and constraint, at construction and where a parameter set later is first used."""
    with pytest.raises(error) as raised:
        kind(**params)
    assert str(raised.value).startswith(message)
    loss = kind().set_params(**params)
    with pytest.raises(error) as raised:
        loss.gradient_hessian([0.0, 1.0], [0.5, 0.5])
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("loss", "n_outputs", "message"),
    [
        (CrossEntropy(alpha=0.2), 3, "alpha == 0.2 with 3 classes, must be used with two."),
        (Focal(pos_weight=2.0), 4, "pos_weight == 2.0 with 4 classes, must be used with two."),
        (Focal(class_weight=[1, 2]), 3, "class_weight has 2 entries, must have 3."),
        (Focal(class_weight=[1, 2, 3]), 1, "class_weight has 3 entries, must have 2."),
        (Focal(class_weight={3: 1.0}), 3, "class_weight has key 3, must have class indices in [0, 3)."),
        (Focal(class_weight={"a": 1.0}), 1, "class_weight has key 'a', must have class indices in [0, 2)."),
        (Focal(class_weight={True: 1.0}), 1, "class_weight has key True, must have class indices in [0, 2)."),
        (Focal(gamma=[1.0, 2.0]), 3, "gamma == [1.0, 2.0] has 2 entries, must have one per class: 3."),
        (Focal(gamma=[1.0, 2.0, 3.0]), 1, "gamma == [1.0, 2.0, 3.0] has 3 entries, must have one per class: 2."),
        (Focal(label_smoothing=0.1), 3, "label_smoothing == 0.1 with 3 classes, must be 0 for Focal."),
        (Huber(), 3, "raw_prediction has 3 columns, must have one for Huber()."),
        (Quantile(), 2, "raw_prediction has 2 columns, must have one for Quantile()."),
    ],
    ids=repr,
)
def test_combinations_that_do_not_fit(loss, n_outputs, message):
    """A loss and a number of classes that contradict each other are an error that names both."""
    y, raw = np.array([0.0, 1.0, 0.0]), np.zeros(3 if n_outputs == 1 else (3, n_outputs))
    for call in (loss.loss, loss.gradient_hessian, loss):
        with pytest.raises(ValueError) as raised:
            call(y, raw)
        assert str(raised.value) == message


def test_soft_labels_of_k_classes_are_for_cross_entropy():
    """A distribution per row: its columns and its sum are checked; focal refuses it."""
    raw, targets = np.zeros((2, 3)), np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    assert np.isfinite(CrossEntropy().loss(targets, raw)).all()
    with pytest.raises(ValueError, match=r"^y_true.shape == \(2, 3\), must be \(2,\) for Focal\(\)\.$"):
        Focal().loss(targets, raw)
    with pytest.raises(ValueError, match=r"^y_true.sum\(axis=1\)\[0\] == 1.1, must be 1\.$"):
        CrossEntropy().loss(targets + np.array([[0.1, 0, 0], [0, 0, 0]]), raw)
    with pytest.raises(ValueError, match=r"^y_true\[1, 1\] == -0.5, must be in \[0, 1\]\.$"):
        CrossEntropy().loss([[0.2, 0.3, 0.5], [1.0, -0.5, 0.5]], raw)
    with pytest.raises(ValueError, match=r"^y_true"):
        CrossEntropy().loss(targets, np.zeros((2, 4)))


def test_curvature_asked_for_by_a_wrong_name():
    """As an argument, too."""
    with pytest.raises(ValueError, match=r"^curvature == 'upper', must be one of 'auto', 'exact'\.$"):
        Focal().gradient_hessian([0], [0.5], curvature="upper")


@over(FEW)
def test_an_error_changes_nothing(case):
    """After a refused call the loss works as before."""
    y, raw, weight = case.sample()
    loss = copy.deepcopy(case.loss)
    expected = all_of(loss, y, raw, weight)
    with pytest.raises(ValueError, match="must be"):
        loss.gradient_hessian(y, np.full_like(raw, np.nan), weight)
    for a, b in zip(all_of(loss, y, raw, weight), expected, strict=True):
        assert_array_equal(a, b)
