"""What goes in and comes out: types, shapes and memory layouts."""

import numpy as np
import pytest
from conftest import LOSSES, over
from few_losses import FEW
from loss_properties import all_of
from numpy.testing import assert_allclose, assert_array_equal


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
