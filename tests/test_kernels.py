"""The disk cache of compiled kernels, binding a formula to a template, and the machine code that comes out."""

import functools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

import boostloss
from boostloss import (
    LDAM,
    MAPE,
    MSLE,
    SMAPE,
    AbsoluteError,
    Asymmetric,
    Barron,
    Cauchy,
    ClassificationLoss,
    CrossEntropy,
    Exponential,
    Fair,
    Focal,
    Gamma,
    Hinge,
    Huber,
    LogCosh,
    MarginTruncated,
    Poisson,
    Poly1Focal,
    PseudoHuber,
    QuadraticHinge,
    Quantile,
    RegressionLoss,
    SelfAdjusting,
    SoftTruncated,
    Tukey,
    Tweedie,
    Welsch,
)
from boostloss.formula import exp, number, power_q, real
from boostloss.kernels import softmax, templates
from boostloss.kernels.cpu import compiled
from machine_code import LIBRARY_CALL, derivatives_kernel, llvm_of, nothing_cached, vectorised_loops

ROOT = Path(boostloss.__file__).parents[1]
ENVIRONMENT = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "BOOSTLOSS_NUM_THREADS")


def run_python(source, *arguments, script=None, root=ROOT, **environment):
    """Run a program in a new interpreter, from stdin or as a script; what it prints is JSON."""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    source = textwrap.dedent(source)
    if script is not None:
        script.write_text(source)
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-" if script is None else script, *arguments],
        input=source if script is None else None,
        capture_output=True,
        text=True,
        env={**clean, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ----------------------------------------------------------------------------------------------------------- disk cache


# A loss of one's own, r^2 / 2 with a gradient of slope SLOPE * bend(1) and an offset; every variant is an edit of it
FORMULA = """
from boostloss import RegressionLoss

SLOPE = {slope}

def bend(r):
    return {bend} * r

class Own(RegressionLoss):
    @staticmethod
    def point(r):
        return 0.5 * r * r, SLOPE * bend(r) + {offset}, 1.0, 1.0
"""
ORIGINAL = {"slope": 1.0, "bend": 1.0, "offset": 0.0}
EDITS = {"a literal": {"offset": 0.5}, "a global constant": {"slope": 3.0}, "a callee": {"bend": 2.0}}
VARIANTS = {"original": ORIGINAL} | {name: {**ORIGINAL, **edit} for name, edit in EDITS.items()}
SOURCES = {name: FORMULA.format(**variant) for name, variant in VARIANTS.items()}

EVALUATE = """
import numpy as np
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled

def evaluate(loss):
    zero, r = np.zeros(5, np.float32), np.arange(5, dtype=np.float32)
    gradient, _ = loss.gradient_hessian(zero, r)
    kernel = compiled(templates.elementwise_derivatives, loss.point, "residual", "simd")
    return sum(kernel.stats.cache_hits.values()), gradient.tolist()
"""
IN_A_NOTEBOOK = (
    EVALUATE
    + FORMULA.format(slope=5.0, bend=1.0, offset=0.0)
    + """
import json, sys, types

def of_cell(source):
    cell = types.ModuleType("cell")
    exec(source, cell.__dict__)
    return evaluate(cell.Own())

sources = json.loads(sys.argv[1])
print(json.dumps({"typed": evaluate(Own())} | {name: of_cell(source) for name, source in sources.items()}))
"""
)
IN_A_MODULE = (
    EVALUATE
    + """
import importlib, json, os, pathlib, sys

path = pathlib.Path(sys.argv[2])
sys.path.insert(0, str(path.parent))
sys.dont_write_bytecode = True

def of_edited_file(source):
    path.write_text(source)
    importlib.invalidate_caches()
    sys.modules.pop(path.stem, None)
    return evaluate(importlib.import_module(path.stem).Own())

print(json.dumps({name: of_edited_file(source) for name, source in json.loads(sys.argv[1]).items()}))
"""
)


def gradients(variants):
    """What each variant's gradient must be at r = 0 .. 4."""
    return {name: [v["slope"] * v["bend"] * r + v["offset"] for r in range(5)] for name, v in variants.items()}


@pytest.fixture(scope="module")
def edited_formulas(tmp_path_factory):
    """Hits and gradients of two processes with one cache folder, each of which meets every variant once."""
    folder = tmp_path_factory.mktemp("edited")
    environment = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    first = run_python(IN_A_NOTEBOOK, json.dumps(SOURCES), PYTHONHASHSEED="1", **environment)
    reversed_sources = json.dumps(dict(reversed(SOURCES.items())))
    script = folder / "script.py"
    second = run_python(
        IN_A_MODULE, reversed_sources, str(folder / "own.py"), script=script, PYTHONHASHSEED="2", **environment
    )
    return first, second


def test_edited_formula_misses(edited_formulas):
    """An edited literal, global constant or callee is a new kernel with the new gradient, in a notebook too."""
    first, _ = edited_formulas
    assert first.pop("typed") == [0, [0.0, 5.0, 10.0, 15.0, 20.0]]
    expected = gradients(VARIANTS)
    assert first == {name: [0, expected[name]] for name in VARIANTS}


def test_second_process_hits(edited_formulas):
    """Another process reads every kernel from disk, from whatever module, whether the edit came first or was undone."""
    _, second = edited_formulas
    expected = gradients(VARIANTS)
    assert second == {name: [1, expected[name]] for name in VARIANTS}


TOGETHER = """
import json, multiprocessing, os, sys
import numba, numpy as np, boostloss as bl

def work(number, barrier, queue):
    random = np.random.default_rng(0)
    y, z = (random.random(999) < 0.3) * 1.0, random.normal(size=999)
    dtype = (np.float32, np.float64)[number % 2]
    barrier.wait()
    try:
        gradient, hessian = bl.CrossEntropy()(y, z.astype(dtype))
        queue.put((gradient.dtype.name, number % 2, gradient.tobytes().hex(), hessian.tobytes().hex()))
    except BaseException as error:
        queue.put(repr(error))

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(8), context.SimpleQueue()
    workers = [context.Process(target=work, args=(number, barrier, queue)) for number in range(8)]
    for worker in workers:
        worker.start()
    print(json.dumps([queue.get() for _ in workers]))
    for worker in workers:
        worker.join()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the workers are forked, so that they start together")
def test_eight_cold_processes_agree(tmp_path):
    """Eight processes compile into one empty folder at once, for raw predictions of both types, and agree bitwise."""
    results = run_python(TOGETHER, script=tmp_path / "together.py", NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert len(results) == 8
    assert len({tuple(result) for result in results}) == 2, results
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == 2


def test_one_signature_per_name(tmp_path, monkeypatch):
    """A name in the disk cache stands for one signature: two processes that store two at once could mix them up."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled.cache_clear()
    for z in (np.zeros(9, np.float32), np.zeros(9)):
        CrossEntropy()(np.eye(1, 9)[0], z)
        CrossEntropy().metric(np.eye(1, 9)[0], z)
    compiled.cache_clear()
    assert list(tmp_path.rglob("*.1.nbc"))
    assert not list(tmp_path.rglob("*.2.nbc"))


READ_ONLY = """
import json
import numpy as np
import boostloss as bl
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled

gradient, _ = bl.CrossEntropy()(np.ones(4), np.zeros(4))
kernel = compiled(templates.binary_derivatives, bl.CrossEntropy.point, "probability", "mixed")
print(json.dumps([bl.__file__, gradient.tolist(), sum(kernel.stats.cache_hits.values())]))
"""


@pytest.mark.parametrize(
    "user_cache", [pytest.param(True, id="user cache", marks=pytest.mark.slow), pytest.param(False, id="no cache")]
)
def test_read_only_installation(tmp_path, user_cache):
    """Where nothing can be written beside the package, the user's cache serves, or none; results are the same."""
    package = tmp_path / "site" / "boostloss"
    shutil.copytree(ROOT / "boostloss", package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package, *[path for path in package.rglob("*") if path.is_dir()]):
        (folder / "__pycache__").touch()  # a file stops root as well, whom permissions do not
    for path in (package, *package.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    cache = tmp_path / "user"
    if not user_cache:
        cache.touch()
    environment = dict.fromkeys(["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"], str(cache))
    for n_hits in (0, 1) if user_cache else (0,):
        file, gradient, hits = run_python(READ_ONLY, root=package.parent, **environment)
        assert Path(file) == package / "__init__.py"
        assert gradient == [-0.5] * 4
        assert hits == n_hits
    assert len(list(cache.rglob("*.nbc"))) == user_cache


# ------------------------------------------------------------------------------------------------------------- formulas


COEFFICIENTS = (0.5, 2.0)


def with_default(r, slope=2.0):
    return slope * r


def closure():
    slope = 2.0

    def point(r):
        return 0.5 * r * r, slope * r, 1.0, 1.0

    return point


def default(r, slope=2.0):
    return 0.5 * r * r, slope * r, 1.0, 1.0


def keyword_default(r, *, slope=2.0):
    return 0.5 * r * r, slope * r, 1.0, 1.0


def nested(r):
    def double(x):
        return 2.0 * x

    return 0.5 * r * r, double(r), 1.0, 1.0


def with_lambda(r):
    return 0.5 * r * r, (lambda x: 2.0 * x)(r), 1.0, 1.0


def with_numpy(r):
    return 0.5 * r * r, np.tanh(r), 1.0, 1.0


def with_sequence(r):
    return 0.5 * r * r, COEFFICIENTS[1] * r, 1.0, 1.0


def with_callee(r):
    return 0.5 * r * r, with_default(r), 1.0, 1.0


def with_pi(r):
    return 0.5 * r * r, math.pi * r, 1.0, 1.0


FORBIDDEN = {
    closure(): "closure.<locals>.point, must have no closure",
    default: "default, must have no closure, default argument",
    keyword_default: "keyword_default, must have no closure, default argument",
    nested: "nested, must have no closure, default argument, nested function",
    with_lambda: "with_lambda, must have no closure, default argument, nested function or lambda",
    with_numpy: "with_numpy uses module 'np'",
    with_sequence: "with_sequence uses 'COEFFICIENTS', which must be a number or a function",
    with_callee: "with_default, must have no closure, default argument",
    with_pi: "with_pi uses math.pi, must have it as a number: 3.141592653589793",
}


@pytest.mark.parametrize("point", FORBIDDEN, ids=lambda point: point.__name__)
def test_forbidden_formula(point):
    """What the cache could not notice, or what would make the loop float64, is an error that names the formula."""
    loss = type("Own", (RegressionLoss,), {"point": staticmethod(point), "slope": 2.0})()
    with pytest.raises(ValueError, match=re.escape(FORBIDDEN[point])):
        loss.gradient_hessian(np.zeros(3), np.ones(3))


RATE = 0.1


def decay(x):
    low, high = 0.25, 0.75
    return low + high * exp(-RATE * x)


class Literals(RegressionLoss):
    """Float literals, alone and in a constant tuple, a global float, and a function that is called."""

    @staticmethod
    def point(r):
        a = abs(r)
        return (0.0, 0.3 * r, 0.1, 1.0 / (1.0 + decay(a))) if a < 0.7 else (1.5 * a, 0.2 * r, 0.1, decay(a) / 3.0)


class PowerAndLog(ClassificationLoss):
    """-q^gamma log p - log(q) / 10: a formula that needs log q besides a power."""

    def __init__(self, *, gamma=2.0):
        self.gamma = gamma

    @staticmethod
    def point(log_p, log_q, p, q, gamma):
        m, g = power_q(q, log_q, gamma), real(gamma)
        first = m * (g * p * log_p - q) + 0.1 * p
        second = g * p * m * (q * (log_p + 2.0) - (g - 1.0) * p * log_p) + 0.1 * p
        return -m * log_p - 0.1 * number(log_q), first, second


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_outputs", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_log_q_beside_a_power(n_outputs, dtype):
    """`number` gives what is joined in the type of the row, in every target: values and gradients by differences."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=50 if n_outputs == 1 else (50, 3))
    labels = rng.integers(0, max(n_outputs, 2), 50)
    loss, own = PowerAndLog(gamma=1.7), labels if n_outputs == 1 else labels[:, None]
    z = np.stack([0 * raw, raw], 1) if n_outputs == 1 else raw
    p = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(50), np.ravel(own)]
    tolerance = 2e-6 if dtype == np.float32 else 1e-12
    expected = -((1 - p) ** 1.7) * np.log(p) - 0.1 * np.log(1 - p)
    np.testing.assert_allclose(loss.loss(labels, raw.astype(dtype)), expected, rtol=tolerance)
    gradient, _ = loss.gradient_hessian(labels, raw)
    step = np.zeros_like(raw)
    step[..., -1 if n_outputs > 1 else slice(None)] = 1e-5
    slope = (loss.loss(labels, raw + step) - loss.loss(labels, raw - step)) / 2e-5
    np.testing.assert_allclose(gradient if n_outputs == 1 else gradient[:, -1], slope, rtol=1e-6, atol=1e-9)


# --------------------------------------------------------------------------------------------------------- machine code


BINARY = {"cross-entropy": CrossEntropy(), "focal": Focal()}
RESIDUAL = {
    "Huber": Huber(delta=1.0),
    "log-cosh": LogCosh(scale=1.0),
    "quantile": Quantile(bandwidth=0.1),
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
    Asymmetric(),
    SoftTruncated(),
    MarginTruncated(),
    LDAM(margins=[0.1, 0.5]),
    Poly1Focal(),
    SelfAdjusting(),
    Exponential(),
    Hinge(),
    QuadraticHinge(),
]
RESIDUALS = [PseudoHuber(delta=1.0), Fair(scale=1.0), Cauchy(scale=1.0), Welsch(scale=1.0), Tukey(scale=1.0)]
RESIDUALS += [Barron(alpha=0.5, scale=1.0), AbsoluteError(bandwidth=1.0), SMAPE(bandwidth=1.0), MSLE()]
RESIDUALS += [MAPE(bandwidth=1.0), Poisson(), Gamma(), Tweedie()]  # of target and raw prediction
QUICK = Asymmetric, LDAM, Hinge, Tukey, Poisson  # a power, parameters per class, branches, two kinds of arguments
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


def test_no_parameter_adds_a_signature():
    """200 values of gamma run through one compiled kernel."""
    z, labels = np.linspace(-3, 3, 30), np.arange(30) % 3
    for gamma in np.linspace(0, 5, 200):
        loss = Focal(gamma=gamma)
        loss.gradient_hessian(labels == 2, z)
        loss.gradient_hessian(labels, np.stack([z, -z, 2 * z], 1))
    of_two = compiled(templates.binary_derivatives, Focal.point, "probability", "double")
    layout = softmax.layout_of(np.empty((30, 3)))
    of_three = compiled(softmax.softmax_derivatives, Focal.point, "probability", "double", layout=layout)
    assert len(of_two.signatures) == len(of_three.signatures) == 1


# --------------------------------------------------------------------------------------------------------------- import


IMPORTS = """
import json, sys
import boostloss, boostloss.xgboost, boostloss.lightgbm, boostloss.formula
heavy = ("numba", "numba.cuda", "xgboost", "lightgbm", "matplotlib", "mpmath")
before = [name for name in heavy if name in sys.modules]
loss = boostloss.Focal()
loss([0.0, 1.0], [0.5, 0.5])
loss.metric([0.0, 1.0], [0.5, 0.5])
print(json.dumps([before, [name for name in heavy if name in sys.modules]]))
"""


def test_import_is_light():
    """`import boostloss` imports no engine, no matplotlib and no Numba; a first call imports Numba without CUDA."""
    at_import, after_a_call = run_python(IMPORTS)
    assert at_import == []
    assert after_a_call == ["numba"]
