"""What an object of a loss is: copies, parameters, what they compile, names, containers."""

import copy
import importlib
import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import LOSSES, REGRESSION, SIGMOID, SOFTMAX, over
from numpy.testing import assert_array_equal
from sklearn.base import clone

import boostloss
from boostloss import CrossEntropy, Focal, Huber, LogCosh, Poly1, Poly1Focal, Quantile
from boostloss.kernels import softmax, templates
from boostloss.kernels.cpu import compiled

# ----------------------------------------------------------------------------------------------------------- the object


@over(LOSSES)
def test_copies_compute_the_same(case):
    """clone, pickle, deepcopy, repr and get_params all give a loss with the same parameters and results."""
    y, raw, weight = case.sample()
    expected = case.loss.gradient_hessian(y, raw, weight)
    copies = {
        "clone": clone(case.loss),
        "pickle": pickle.loads(pickle.dumps(case.loss)),
        "deepcopy": copy.deepcopy(case.loss),
        "repr": eval(repr(case.loss), vars(boostloss)),
        "get_params": type(case.loss)(**case.loss.get_params()),
        "set_params": type(case.loss)().set_params(**case.loss.get_params()),
    }
    for name, other in copies.items():
        assert other is not case.loss, name
        assert other.get_params() == case.loss.get_params(), name
        assert_array_equal(other.gradient_hessian(y, raw, weight), expected, err_msg=name)


@over(LOSSES)
def test_an_object_holds_its_parameters_and_nothing_else(case):
    """No state, no cache, no compiled code is left in a loss by anything it does."""
    loss = copy.deepcopy(case.loss)
    before = copy.deepcopy(vars(loss))
    y, raw, weight = case.sample()
    loss.loss(y, raw, weight)
    loss.gradient_hessian(y, raw, weight, curvature="exact")
    loss.fit_intercept_only(y, weight)
    loss.metric(y, raw, weight)
    loss(y, raw, weight)
    loss.predict(raw)
    loss.resolve(y, weight)
    assert vars(loss) == before == loss.get_params()
    assert len(pickle.dumps(loss)) < 1000


def test_parameters_are_keyword_only():
    """A loss is never made from a bare number."""
    for kind in (CrossEntropy, Focal, Poly1, Poly1Focal, Huber, LogCosh, Quantile):
        with pytest.raises(TypeError, match="positional"):
            kind(0.5)


def test_a_parameter_set_later_counts_and_is_checked():
    """Parameters are read and checked when they are used, as in scikit-learn."""
    y, raw, _ = SIGMOID[0].sample()
    loss = Focal(gamma=2.0).set_params(gamma=0.0)
    assert_array_equal(loss.loss(y, raw), Focal(gamma=0.0).loss(y, raw))
    loss.set_params(gamma=-1.0)
    for call in (loss.loss, loss.gradient_hessian, loss.metric, loss):
        with pytest.raises(ValueError, match=r"^gamma == -1.0, must be >= 0\.$"):
            call(y, raw)
    for call in (loss.resolve, loss.fit_intercept_only):
        with pytest.raises(ValueError, match=r"^gamma == -1.0, must be"):
            call(y)
    with pytest.raises(ValueError, match=r"^gamma == -1.0, must be"):
        loss.predict_proba(raw)
    with pytest.raises(ValueError, match=r"^scale == -1.0, must be > 0\.$"):
        LogCosh().set_params(scale=-1.0).resolve(y)
    with pytest.raises(ValueError, match="Invalid parameter 'gama'"):
        loss.set_params(gama=1.0)


def test_default_parameters():
    """What the documentation promises."""
    assert Focal().gamma == 2.0
    assert (Huber().delta, LogCosh().scale, Quantile().bandwidth, Quantile().quantile) == ("auto", "auto", "auto", 0.5)
    assert {loss.curvature for loss in (CrossEntropy(), Focal(), Huber(), LogCosh(), Quantile())} == {"auto"}


def compiled_signatures():
    """Signatures compiled so far, per kernel these losses use."""
    binary = [templates.binary_derivatives, templates.binary_value]
    several = [softmax.softmax_derivatives, softmax.softmax_value]
    residual = [templates.elementwise_derivatives, templates.elementwise_value]
    what = [(template, kind.point, "probability") for kind in (CrossEntropy, Focal) for template in binary + several]
    what += [(template, kind.point, "residual") for kind in (Huber, LogCosh, Quantile) for template in residual]
    layouts = [softmax.layout_of(np.empty((9, 3), order=order)) for order in "CF"]
    kernels = [
        compiled(*one, target, **layout)
        for one in what
        for target in ("simd", "double")
        for layout in ([{"layout": layout} for layout in layouts] if one[0] in several else [{}])
    ]
    return [len(kernel.signatures) for kernel in kernels]


def test_changing_a_parameter_compiles_nothing():
    """Parameters are arguments of a kernel: no value and no type adds a signature."""

    def use(loss, case):
        for dtype in (np.float32, np.float64):
            y, raw, weight = case.sample(dtype=dtype)
            for order in "CF":
                read_only = np.array(raw, order=order)
                read_only.flags.writeable = False
                loss.loss(y, read_only, weight)
                loss.gradient_hessian(y.astype(int), read_only)

    softmax3 = next(case for case in SOFTMAX if case.n_outputs == 3)
    for loss in (CrossEntropy(), Focal()):
        use(loss, SIGMOID[0])
        use(loss, softmax3)
    for loss in (Huber(), LogCosh(), Quantile()):
        use(loss, REGRESSION[0])
    before = compiled_signatures()
    assert min(before) == 1
    for value in (0, 1, 3, 0.7, np.float32(1.3), np.int64(2), np.float64(4)):
        use(Focal(gamma=value, class_weight=[1, value + 1]), SIGMOID[0])
        use(Focal(gamma=[value, 1, 2.5], class_weight={0: value + 1}), softmax3)
        use(CrossEntropy(pos_weight=value + 1), SIGMOID[0])
        use(Huber(delta=value + 1), REGRESSION[0])
        use(LogCosh(scale=value + 1), REGRESSION[0])
        use(Quantile(quantile=0.3, bandwidth=value + 1, curvature="exact"), REGRESSION[0])
    assert compiled_signatures() == before


# ----------------------------------------------------------------------------------------------------- public interface


def test_public_names_are_where_they_say():
    """Every public class is importable from its own module, from the losses and from the package."""
    assert set(boostloss.losses.__all__) < set(boostloss.__all__)
    for name in boostloss.losses.__all__:
        kind = getattr(boostloss, name)
        assert kind is getattr(importlib.import_module(kind.__module__), name) is getattr(boostloss.losses, name)


def test_pandas_gives_the_result_of_numpy():
    """Series and DataFrames are arrays."""
    for case in (SIGMOID[0], SOFTMAX[-1], REGRESSION[0]):
        y, raw, weight = case.sample()
        frame = pd.Series(raw) if raw.ndim == 1 else pd.DataFrame(raw)
        given = pd.Series(y, index=np.arange(len(y)) + 7), frame, pd.Series(weight)
        assert_array_equal(case.loss.loss(*given), case.loss.loss(y, raw, weight))
        assert_array_equal(case.loss.gradient_hessian(*given), case.loss.gradient_hessian(y, raw, weight))
        assert_array_equal(case.loss.predict(frame), case.loss.predict(raw))
        assert case.loss.metric(*given) == case.loss.metric(y, raw, weight)
