"""The error for arrays that are not allowed."""

import numpy as np
import pytest
from conftest import CLASSIFICATION, LOSSES, REGRESSION, over
from few_losses import FEW

from boostloss import Focal


@over(LOSSES)
def test_empty_input_is_refused(case):
    """No rows: nothing to compute."""
    y, raw, _ = case.sample()
    for call in (case.loss.loss, case.loss.gradient_hessian):
        with pytest.raises(ValueError, match=r"must be \(n,\) or \(n, K\) with at least one row"):
            call(y[:0], raw[:0])
    for call in (case.loss.metric, case.loss):
        with pytest.raises(ValueError, match="0 rows, must have at least one"):
            call(y[:0], raw[:0])
    for call in (case.loss.fit_intercept_only, case.loss.resolve):
        with pytest.raises(ValueError, match=r"^y_true has 0 rows, must have at least one\.$"):
            call([])


@over(LOSSES)
def test_wrong_lengths_are_refused(case):
    """Labels, raw predictions and weights have one entry per row; nothing is broadcast."""
    y, raw, weight = case.sample(10)
    for call in (case.loss.loss, case.loss.gradient_hessian, case.loss.metric, case.loss):
        with pytest.raises(ValueError, match=r"(y_true|raw_prediction).*must (have|be) "):
            call(y[:-1], raw)
        with pytest.raises(ValueError, match=r"(y_true|raw_prediction).*must (have|be) "):
            call(y[:1], raw)
        with pytest.raises(ValueError, match=r"^sample_weight.shape == \(9,\), must be \(10,\)\.$"):
            call(y, raw, weight[:-1])
        with pytest.raises(ValueError, match=r"must be"):
            call(y, np.zeros((10, 2, 2)))
        with pytest.raises(ValueError, match=r"^sample_weight.shape"):
            call(y, raw, np.ones((10, 2)))


@over(LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite_are_refused(case, bad, dtype):
    """NaN and infinity, in labels, raw predictions and weights; the message says where."""
    y, raw, weight = case.sample(10, dtype=dtype)
    for call in (case.loss.loss, case.loss.gradient_hessian, case.loss):
        wrong = raw.copy()
        wrong[(4,) if raw.ndim == 1 else (4, 1)] = bad
        where = "4" if raw.ndim == 1 else "4, 1"
        with pytest.raises(ValueError, match=rf"^raw_prediction\[{where}\] == {bad}, must be finite\.$"):
            call(y, wrong)
    for call in (case.loss.loss, case.loss.gradient_hessian, case.loss, case.loss.metric):
        wrong = y.copy()
        wrong[3] = bad
        with pytest.raises(ValueError, match=rf"^y_true\[3\] == {bad}, must be (finite|in \[0, 1\]|an integer in)"):
            call(wrong, raw)
        wrong = weight.copy()
        wrong[3] = bad
        with pytest.raises(ValueError, match=rf"^sample_weight\[3\] == {bad}, must be finite and >= 0\.$"):
            call(y, raw, wrong)
    wrong = raw.copy()
    wrong[0] = bad
    with pytest.raises(ValueError, match="must be finite"):
        case.loss.predict(wrong)


@over(CLASSIFICATION)
def test_domain_of_class_labels(case):
    """Two classes: every number in [0, 1], ends included. K classes: the integers below K."""
    raw = case.raw(3)
    good = [[0, 1, 0.5], [1, 1, 1]] if case.n_outputs == 1 else [[0, 1, case.n_outputs - 1]]
    for labels in good:
        assert np.isfinite(case.loss.loss(labels, raw)).all()
    for bad in (-1, -1e-9, 1 + 1e-9, 2) if case.n_outputs == 1 else (-1, 0.5, case.n_outputs):
        constraint = r"in \[0, 1\]" if case.n_outputs == 1 else rf"an integer in \[0, {case.n_outputs}\)"
        for call in (case.loss.loss, case.loss.gradient_hessian, case.loss, case.loss.metric):
            with pytest.raises(ValueError, match=rf"^y_true\[1\] == {float(bad)}, must be {constraint}\.$"):
                call([0, bad, 1], raw)


@over(REGRESSION)
def test_domain_of_targets(case):
    """Every finite number."""
    for y in ([-100.0, 0.0, 1e-300, 0.1], [1e300, -1e300, 5e-324, 1.0]):
        assert not np.isnan(case.loss.loss(y, np.zeros(4))).any()


@over(LOSSES)
def test_weights_are_not_negative(case):
    """One negative weight, or no positive one, is an error."""
    y, raw, weight = case.sample(10)
    weight[7] = -1e-9
    for call in (case.loss.loss, case.loss.gradient_hessian, case.loss.metric, case.loss):
        with pytest.raises(ValueError, match=r"^sample_weight\[7\] == -1e-09, must be finite and >= 0\.$"):
            call(y, raw, weight)
        with pytest.raises(ValueError, match=r"^sample_weight is zero in every row, must have a positive sum\.$"):
            call(y, raw, np.zeros(10))
    for call in (case.loss.fit_intercept_only, case.loss.resolve):
        with pytest.raises(ValueError, match=r"^sample_weight\[7\]"):
            call(y, weight)


@over(FEW)
@pytest.mark.parametrize("name", ["y_true", "raw_prediction", "sample_weight"])
@pytest.mark.parametrize("bad", ["complex", "text", "objects", "half", "ragged"])
def test_wrong_types_are_refused(case, name, bad):
    """Complex numbers, text, objects that are no numbers, half precision, ragged lists."""
    given = dict(zip(("y_true", "raw_prediction", "sample_weight"), case.sample(4), strict=True))
    array = given[name]
    given[name] = {
        "complex": array.astype(complex),
        "text": array.astype(str),
        "objects": np.array([{} for _ in range(array.size)]).reshape(array.shape),
        "half": array.astype(np.float16),
        "ragged": [[0.0, 1.0], [0.0], [0.0], [0.0]],
    }[bad]
    error = ValueError if bad == "ragged" else TypeError
    for call in (case.loss.loss, case.loss.gradient_hessian, case.loss.metric, case.loss):
        with pytest.raises(error, match=rf"^{name}(\.dtype ==| is ragged)"):
            call(*given.values())


def test_the_objective_names_what_is_missing():
    """Called with something that has no rows."""
    with pytest.raises(TypeError, match=r"^y_true == None, must be an array with one label per row"):
        Focal()(None, np.zeros(3))
