"""What goes in and comes out: types, shapes and memory layouts, and the error for everything that is not allowed."""

import copy

import numpy as np
import pytest
from conftest import CLASSIFICATION, LOSSES, REGRESSION, SIGMOID, SOFTMAX, over
from numpy.testing import assert_allclose, assert_array_equal

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

KINDS = (CrossEntropy, 1), (Focal, 1), (CrossEntropy, 3), (Focal, 5), (Huber, 1), (LogCosh, 1), (Quantile, 1)
FEW = [
    *[next(case for case in LOSSES if (type(case.loss), case.n_outputs) == kind) for kind in KINDS],
    next(case for case in SIGMOID if case.loss.label_smoothing),
    next(case for case in SOFTMAX if case.loss.label_smoothing),
]


def all_of(loss, y, raw, weight=None):
    return loss.loss(y, raw, weight), *loss.gradient_hessian(y, raw, weight)


def strided(array):
    return np.repeat(array, 2, axis=0)[::2]


def reversed_twice(array):
    return np.ascontiguousarray(array[::-1])[::-1]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


def unaligned(array):
    buffer = np.empty(array.nbytes + 1, np.uint8)
    out = buffer[1:].view(array.dtype).reshape(array.shape)
    out[...] = array
    return out


def inside(array):
    """A column, or columns, of a wider array."""
    wide = np.zeros((len(array), 7), array.dtype)
    if array.ndim == 1:
        wide[:, 3] = array
        return wide[:, 3]
    wide[:, 1 : 1 + array.shape[1]] = array
    return wide[:, 1 : 1 + array.shape[1]]


LAYOUTS = [np.asfortranarray, strided, reversed_twice, read_only, big_endian, unaligned, inside]


@over(FEW)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_memory_layout_does_not_matter(case, dtype, layout):
    """C or Fortran order, strided, reversed, read-only, big-endian, unaligned, a part of another array: one result."""
    given = case.sample(dtype=dtype)
    changed = [layout(a) for a in given]
    before = [a.copy() for a in changed]
    for a, b in zip(all_of(case.loss, *changed), all_of(case.loss, *given), strict=True):
        assert_allclose(a, b, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
        assert a.shape == b.shape
        assert a.dtype == dtype
        assert a.dtype.isnative
    for a, b in zip(changed, before, strict=True):
        assert_array_equal(a, b)


@over(FEW)
def test_memory_mapped_arrays(case, tmp_path):
    """Files opened read-only give the same bits."""
    given = case.sample()
    mapped = []
    for i, array in enumerate(given):
        np.save(tmp_path / f"{i}.npy", array)
        mapped.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
    for a, b in zip(all_of(case.loss, *mapped), all_of(case.loss, *given), strict=True):
        assert_array_equal(a, b)
    assert case.loss.metric(*mapped) == case.loss.metric(*given)
    assert_array_equal(case.loss(*mapped), case.loss(*given))


@over(FEW)
def test_lists_and_integers(case):
    """Lists are arrays, integers and booleans numbers; both compute in float64."""
    y, raw, weight = case.sample()
    expected = all_of(case.loss, y, raw, weight)
    for a, b in zip(all_of(case.loss, y.tolist(), raw.tolist(), weight.tolist()), expected, strict=True):
        assert_array_equal(a, b)
    y, raw, weight = (np.round(a).astype(int) for a in (np.minimum(y, 1), raw, weight + 1))
    y = np.maximum(y, 0)
    results = all_of(case.loss, y, raw, weight)
    for labels in (y.astype(bool), y.astype(np.uint8), y.astype(object)):
        for a, b in zip(all_of(case.loss, labels, raw.astype(np.int8), weight.astype(float)), results, strict=True):
            assert a.dtype == np.float64
            assert_array_equal(a, b)


@over(LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_of_the_results(case, dtype):
    """Everything has the type of the raw predictions, whatever that of labels and weights; the objective float32."""
    y, raw, weight = case.sample(dtype=dtype)
    other = np.float32 if dtype == np.float64 else np.float64
    for labels, weights in ((y, weight), (y.astype(other), weight), (y.astype(other), weight.astype(other))):
        value, gradient, hessian = all_of(case.loss, labels, raw, weights)
        assert value.dtype == gradient.dtype == hessian.dtype == dtype
        assert value.shape == y.shape
        assert gradient.shape == hessian.shape == raw.shape
        gradient, hessian = case.loss(labels, raw, weights)
        assert gradient.dtype == hessian.dtype == np.float32
        assert gradient.shape == hessian.shape == raw.shape


@over([case for case in LOSSES if case.n_outputs == 1])
def test_one_column_is_a_vector(case):
    """(n, 1) counts as (n,), for labels, raw predictions and weights; results take the shape of the raw predictions."""
    y, raw, weight = case.sample()
    value, gradient, hessian = all_of(case.loss, y, raw, weight)
    v, g, h = all_of(case.loss, y[:, None], raw[:, None], weight[:, None])
    assert_array_equal(v, value)
    assert_array_equal(g, gradient[:, None])
    assert_array_equal(h, hessian[:, None])
    assert case.loss.metric(y[:, None], raw[:, None]) == case.loss.metric(y, raw)
    assert case.loss.fit_intercept_only(y[:, None]) == case.loss.fit_intercept_only(y)
    assert_array_equal(case.loss.predict(raw[:, None]), case.loss.predict(raw))
    if case.has_posterior:
        assert_array_equal(case.loss.predict_proba(raw[:, None]), case.loss.predict_proba(raw))


@over(LOSSES)
def test_results_are_fresh_arrays(case):
    """No two calls share memory, with each other or with what was given."""
    given = case.sample()
    before = [a.copy() for a in given]
    first = [*all_of(case.loss, *given), *case.loss(*given), case.loss.predict(given[1])]
    kept = [a.copy() for a in first]
    second = [*all_of(case.loss, *given), *case.loss(*given), case.loss.predict(given[1])]
    for i, a in enumerate(first[:-1]):
        assert not any(np.shares_memory(a, b) for b in [*first[i + 1 :], *second, *given])
    for array in second[:-1]:
        array.fill(77)
    for a, b in zip(first + list(given), kept + before, strict=True):
        assert_array_equal(a, b)


# ---------------------------------------------------------------------------------------------------------- bad arrays


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


# ------------------------------------------------------------------------------------------------ bad hyper-parameters


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
