"""The machine code that comes out of a formula, and how often it is compiled."""

import functools
import re

import numba
import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features

import boostloss as bl
from boostloss.formula import exp
from boostloss.kernels import intrinsics, softmax, templates
from boostloss.kernels.cpu import compiled
from machine_code import LIBRARY_CALL, derivatives_kernel, llvm_of, nothing_cached, vectorised_loops

RATE = 0.1
HAS_WIDEST = get_host_cpu_features().get("avx512f") and numba.config.CPU_NAME is None  # vectors of 512 bits


def decay(x):
    low, high = 0.25, 0.75
    return low + high * exp(-RATE * x)


class Literals(bl.RegressionLoss):
    """Float literals, alone and in a constant tuple, a global float, and a function that is called."""

    @staticmethod
    def point(r):
        a = abs(r)
        return (0.0, 0.3 * r, 0.1, 1.0 / (1.0 + decay(a))) if a < 0.7 else (1.5 * a, 0.2 * r, 0.1, decay(a) / 3.0)


BINARY = {"cross-entropy": bl.CrossEntropy(), "focal": bl.Focal()}
RESIDUAL = {
    "Huber": bl.Huber(delta=1.0),
    "log-cosh": bl.LogCosh(scale=1.0),
    "quantile": bl.Quantile(bandwidth=0.1),
    "literals": Literals(),
}


@pytest.fixture(scope="module")
def llvm():
    """LLVM's text of a float32 kernel of derivatives, compiled anew: a kernel read from disk has none."""
    rows, labels = np.linspace(-3, 3, 99, dtype=np.float32), np.arange(99) % 3
    columns = np.stack([rows, -rows, 2 * rows], 1)

    @functools.cache
    def text_of(name, n_classes=2):
        loss = (BINARY | RESIDUAL)[name]
        with nothing_cached():
            return llvm_of(derivatives_kernel(loss, *((labels == 2, rows) if n_classes == 2 else (labels, columns))))

    return text_of


@pytest.mark.parametrize("name", ["cross-entropy", *RESIDUAL])
def test_no_double_arithmetic(llvm, name):
    """Plainly written literals get the type of the row: nothing is computed in float64, nothing converted to it."""
    assert re.findall(r"= f(?:add|sub|mul|div|cmp|neg|pext)\b[^\n]*\bdouble\b", llvm(name)) == []


@pytest.mark.parametrize("name", [*BINARY, *RESIDUAL])
def test_hot_loop_is_vectorised(llvm, name):
    """Several rows at a time, and no call per row to the C library."""
    assert vectorised_loops(llvm(name)) >= 1
    assert not re.search(LIBRARY_CALL, llvm(name))


TWO_CLASSES = [
    bl.Asymmetric(),
    bl.SoftTruncated(),
    bl.MarginTruncated(),
    bl.LDAM(margins=[0.1, 0.5]),
    bl.Poly1Focal(),
    bl.SelfAdjusting(),
    bl.Exponential(),
    bl.Hinge(),
    bl.QuadraticHinge(),
]
RESIDUALS = [bl.PseudoHuber(delta=1.0), bl.Fair(scale=1.0), bl.Cauchy(scale=1.0), bl.Welsch(scale=1.0)]
RESIDUALS += [bl.Tukey(scale=1.0)]
RESIDUALS += [bl.Barron(alpha=0.5, scale=1.0), bl.AbsoluteError(bandwidth=1.0), bl.SMAPE(bandwidth=1.0), bl.MSLE()]
RESIDUALS += [bl.MAPE(bandwidth=1.0), bl.Poisson(), bl.Gamma(), bl.Tweedie()]  # of target and raw prediction
# A power, parameters per class, branches, two kinds of arguments
QUICK = bl.Asymmetric, bl.LDAM, bl.Hinge, bl.Tukey, bl.Poisson
VECTORISED = [
    pytest.param(loss, id=repr(loss), marks=() if isinstance(loss, QUICK) else pytest.mark.slow)
    for loss in TWO_CLASSES + RESIDUALS
]


@pytest.mark.parametrize("loss", VECTORISED)
def test_other_losses_are_vectorised(loss):
    """Logarithms, powers and hinges alike: no branch, no call per row."""
    rows, is_residual = np.linspace(-3, 3, 99, dtype=np.float32), loss in RESIDUALS
    with nothing_cached():
        text = llvm_of(derivatives_kernel(loss, np.arange(99) % 2 + is_residual, rows))
    assert vectorised_loops(text) >= 1
    assert not re.search(LIBRARY_CALL, text)


@pytest.mark.parametrize("name", ["cross-entropy", pytest.param("focal", marks=pytest.mark.slow)])
def test_every_loop_of_softmax_is_vectorised(llvm, name):
    """exp of the differences and their sum, the formula, the derivatives of all classes and those of the own one."""
    assert vectorised_loops(llvm(name, n_classes=3)) >= 4


@pytest.mark.parametrize(("name", "n_classes"), [("cross-entropy", 2), ("Huber", 2), ("cross-entropy", 3)])
def test_vectors_are_the_widest(llvm, name, n_classes):
    """Of 16 float32 where the processor has them; LLVM's own choice for Intel is 8."""
    text = llvm(name, n_classes)
    assert intrinsics.WIDEST in text
    assert re.search(r"= f(?:mul|add) [^\n]*<16 x float>", text) or not HAS_WIDEST


def test_vectors_of_rounded_rows_are_the_widest():
    """Of float32 results from float64 raw predictions, and of a sum, which is in float64."""
    labels, raw = np.arange(99) % 2, np.linspace(-3, 3, 99)
    with nothing_cached():
        bl.CrossEntropy()(labels, raw)
        bl.Huber()(labels, raw)
        of_two = compiled(templates.binary_derivatives, bl.CrossEntropy.point, "probability", "mixed")
        scale = compiled(templates.root_sums, bl.Huber._deviation, "residual", "mixed", "sum")
        texts = llvm_of(of_two), llvm_of(scale)
    assert re.search(r"= fmul [^\n]*<16 x float>", texts[0]) or not HAS_WIDEST
    assert re.search(r"= fadd [^\n]*<8 x double>", texts[1]) or not HAS_WIDEST


def test_no_parameter_adds_a_signature():
    """200 values of gamma run through one compiled kernel."""
    z, labels = np.linspace(-3, 3, 30), np.arange(30) % 3
    for gamma in np.linspace(0, 5, 200):
        loss = bl.Focal(gamma=gamma)
        loss.gradient_hessian(labels == 2, z)
        loss.gradient_hessian(labels, np.stack([z, -z, 2 * z], 1))
    of_two = compiled(templates.binary_derivatives, bl.Focal.point, "probability", "double")
    layout = softmax.layout_of(np.empty((30, 3)))
    of_three = compiled(softmax.softmax_derivatives, bl.Focal.point, "probability", "double", layout=layout)
    assert len(of_two.signatures) == len(of_three.signatures) == 1
