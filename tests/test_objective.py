"""The objective and the metric of a loss, of arrays and of the data sets of both engines."""

import pickle
import threading

import numpy as np
import pytest
import xgboost as xgb
from conftest import LOSSES, REGRESSION, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from objective_tasks import DATA, N_ROWS, TASKS, dataset, dmatrix, engine_like, features

from boostloss import (
    MAPE,
    MSLE,
    SMAPE,
    AbsoluteError,
    CrossEntropy,
    Expectile,
    Focal,
    Gamma,
    Huber,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)
from boostloss.objective import Metric, Objective


def expected_derivatives(case, y, raw, weight, step):
    """gradient_hessian; for residual losses divided by the mean curvature, and the gradient by the step as well."""
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight)
    if case.is_classification or isinstance(case.loss, Gamma | Poisson | Tweedie):
        return gradient, hessian
    mean = hessian.sum(axis=0) / (len(y) if weight is None else weight.sum())
    return gradient / (step * mean), hessian / mean


def step_of(loss, rate=None):
    """The step of residual losses: min(1, 1.6 sqrt(rate)); without a rate .7 for quantiles, else 1; exact: 1."""
    if loss.curvature == "exact" or isinstance(loss, Expectile | MSLE | SquaredError):
        return 1.0
    if rate is None:
        return 0.7 if isinstance(loss, AbsoluteError | MAPE | Quantile | SMAPE) else 1.0
    return min(1.0, 1.6 * np.sqrt(rate))


# --------------------------------------------------------------------------------------------------------------- arrays


@over(LOSSES)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_array_form(case, weighted):
    """(y_true, y_pred, sample_weight): derivatives in float32; those of residual losses with a mean curvature of 1."""
    y, raw, weight = case.sample(weighted=weighted)
    expected = expected_derivatives(case, y, raw, weight, step_of(case.loss))
    for a, b in zip(case.loss(y, raw, weight), expected, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=3e-6, atol=3e-6 * np.abs(b).max())
    if not case.is_classification and not isinstance(case.loss, Gamma | Poisson | Tweedie):
        weights = np.ones(len(y)) if weight is None else weight
        assert_allclose(case.loss(y, raw, weight)[1].sum(axis=0), weights.sum(), rtol=1e-5)


@over(REGRESSION)
@pytest.mark.parametrize("rate", [None, 0.01, 0.1, 0.3, 1.0])
def test_step_of_residual_losses(case, rate):
    """The learning rate changes the gradient by the step min(1, 1.6 sqrt(rate)), and never the curvature."""
    y, raw, weight = case.sample()
    expected = expected_derivatives(case, y, raw, weight, step_of(case.loss, rate))
    for a, b in zip(Objective(case.loss, learning_rate=rate)(y, raw, weight), expected, strict=True):
        assert_allclose(a, b, rtol=3e-6, atol=3e-6 * np.abs(b).max())


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_step_of_outer_quantiles_shortens(quantile, rate):
    """By hypot(1, (1 - 2 tau) t / 5), t the rate times the rounds of this training before; never the curvature."""
    case = Case(Quantile(quantile=quantile))
    y, raw, _ = case.sample()
    objective, data = Objective(case.loss, learning_rate=rate), dmatrix(case)
    of_arrays = [objective(y, raw) for _ in range(4)]
    of_data = [[a.copy() for a in objective(np.zeros(N_ROWS), data)] for _ in range(4)]
    for (first, first_hessian), *later in (of_arrays, of_data):
        for n, (gradient, hessian) in enumerate(later, 1):
            shorter = np.hypot(1, (1 - 2 * quantile) * n * rate / 5)
            assert_allclose(gradient * shorter, first, rtol=1e-5)
            assert_array_equal(hessian, first_hessian)


def test_steps_do_not_shorten_without_a_learning_rate():
    """Nor with the exact curvature, and another training begins anew."""
    case = Case(Quantile(quantile=0.9))
    y, raw, _ = case.sample()
    exact = Quantile(quantile=0.9, curvature="exact")
    for objective in (case.loss, Objective(case.loss), Objective(exact, learning_rate=0.3)):
        assert_array_equal(objective(y, raw)[0], objective(y, raw)[0])
    begun, again = (Objective(case.loss, learning_rate=0.3) for _ in range(2))
    first = begun(y, raw)[0]
    assert (np.abs(begun(y, raw)[0]) < np.abs(first)).all()
    assert_array_equal(again(y, raw)[0], first)


# ------------------------------------------------------------------------------------------------------------ data sets


@over(LOSSES)
@DATA
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_data_set_form_equals_array_form(case, make, weighted):
    """(y_pred, data set) takes labels and weights from the data set."""
    data = make(case, weighted=weighted)
    _, y, weight = features(case)
    raw = engine_like(case.raw(N_ROWS), data)
    for a, b in zip(case.loss(raw, data), case.loss(y, raw, weight if weighted else None), strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=2e-6, atol=1e-6)
        assert a.flags.f_contiguous == raw.flags.f_contiguous
        assert a.flags.c_contiguous == raw.flags.c_contiguous


@over(TASKS)
@DATA
def test_changed_labels_and_weights_are_noticed(case, make):
    """Set on the same data set, other labels and weights count from the next call on."""
    data = make(case)
    _, y, weight = features(case)
    raw = engine_like(case.raw(N_ROWS), data)
    case.loss(raw, data)
    case.loss.metric(raw, data)
    y, weight = np.roll(y, 1), np.roll(weight, 3)
    for change in ({"label": y}, {"weight": weight}):
        for name, values in change.items():
            getattr(data, f"set_{name}")(values)
        arguments = data.get_label(), raw, data.get_weight()
        for a, b in zip(case.loss(raw, data), case.loss(*arguments), strict=True):
            assert_allclose(a, b, rtol=2e-6, atol=1e-6)
        assert_allclose(case.loss.metric(raw, data)[1], case.loss.metric(*arguments), rtol=1e-5)
    assert_allclose(data.get_label(), y, rtol=1e-6)


@over(TASKS)
@DATA
def test_two_data_sets_in_turn(case, make):
    """Data sets of equal length are told apart."""
    first, second = make(case, 0), make(case, 1)
    raw, objective, metric = engine_like(case.raw(N_ROWS), first), Objective(case.loss), case.loss.metric
    for _ in range(3):
        for data, seed in ((first, 0), (second, 1)):
            _, y, weight = features(case, seed)
            assert_allclose(objective(raw, data)[0], case.loss(y, raw, weight)[0], rtol=2e-6, atol=1e-6)
            assert_allclose(metric(raw, data)[1], case.loss.metric(y, raw, weight), rtol=1e-5)


@DATA
def test_two_losses_on_one_data_set(make):
    """What is known of a data set under one loss is not taken for another's."""
    case = Case(CrossEntropy())
    data, raw = make(case), case.raw(N_ROWS)
    _, y, weight = features(case)
    losses = CrossEntropy(), CrossEntropy(label_smoothing=0.1), Focal(), CrossEntropy(label_smoothing=0.3), Huber()
    for loss in losses * 2:
        assert_allclose(loss(engine_like(raw, data), data)[0], loss(y, raw, weight)[0], rtol=1e-5, atol=1e-5)


@over(TASKS)
@DATA
def test_buffers_are_reused_for_a_data_set_only(case, make):
    """An engine is done with the arrays before its next round; a caller with arrays gets fresh ones."""
    data, other = make(case), make(case, 1)
    raw = engine_like(case.raw(N_ROWS), data)
    assert all(np.shares_memory(a, b) for a, b in zip(case.loss(raw, data), case.loss(raw, data), strict=True))
    assert not np.shares_memory(case.loss(raw, data)[0], case.loss(raw, other)[0])
    assert not np.shares_memory(*case.loss(raw, data))
    found = []
    thread = threading.Thread(target=lambda: found.append(case.loss(raw, data)[0]))
    thread.start()
    thread.join()
    assert not np.shares_memory(found[0], case.loss(raw, data)[0])
    assert_array_equal(found[0], case.loss(raw, data)[0])


@over(TASKS)
@DATA
def test_read_only_predictions(case, make):
    """An engine's buffer may be neither written nor kept."""
    data = make(case)
    raw = engine_like(case.raw(N_ROWS), data)
    expected = [a.copy() for a in case.loss(raw, data)]
    raw.flags.writeable = False
    before = raw.copy()
    for a, b in zip(case.loss(raw, data), expected, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(raw, before)


@over(TASKS)
@DATA
def test_bad_data_sets_are_refused(case, make):
    """No labels, labels outside the domain, predictions of another length or that are not finite."""
    X, _, _ = features(case)
    data = make(case)
    with pytest.raises(ValueError, match=r"^raw_prediction.shape == \(399"):
        case.loss(case.raw(N_ROWS - 1), data)
    raw = engine_like(case.raw(N_ROWS), data)
    raw[(5, 0)[: raw.ndim]] = np.nan
    with pytest.raises(ValueError, match=r"^raw_prediction\[5.*\] == nan, must be finite\.$"):
        case.loss(raw, data)
    if case.is_classification:
        data.set_label(np.full(N_ROWS, -1.0))
        with pytest.raises(ValueError, match=r"^y_true\[0\] == -1.0, must be "):
            case.loss(case.raw(N_ROWS), data)
    if make is dmatrix:  # LightGBM labels a data set without labels with zeros
        with pytest.raises(ValueError, match=r"^data has no label, must have one per row\.$"):
            case.loss(case.raw(N_ROWS), xgb.DMatrix(X))


# ----------------------------------------------------------------------------------------------------------- the metric


@over(TASKS)
def test_metric_in_all_its_forms(case):
    """A number for arrays, (name, value) for a DMatrix, (name, value, False) for a Dataset; margins in all of them."""
    _, y, weight = features(case)
    raw = case.raw(N_ROWS)
    value = case.loss.metric(y, raw, weight)
    name = case.loss.metric.__name__
    assert case.loss.metric(raw.astype(np.float32), dmatrix(case)) == (name, pytest.approx(value, rel=1e-5))
    assert case.loss.metric(np.asfortranarray(raw), dataset(case)) == (name, pytest.approx(value, rel=1e-5), False)
    assert tuple(value) == (name, float(value), False)
    assert pickle.loads(pickle.dumps(value)) == value


def test_objective_and_metric_are_plain_objects():
    """They pickle, and say what they are."""
    metric, objective = Focal().metric, Objective(Focal(), learning_rate=0.1)
    assert repr(metric) == "Focal().metric"
    assert repr(objective) == "Objective(Focal())"
    y, raw = np.array([0.0, 1.0]), np.array([0.5, -0.5])
    assert pickle.loads(pickle.dumps(metric))(y, raw) == metric(y, raw) == Metric(Focal())(y, raw)
    assert_array_equal(pickle.loads(pickle.dumps(objective))(y, raw), objective(y, raw))
