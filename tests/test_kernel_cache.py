"""The disk cache of compiled kernels."""

import functools
import json
import os
import shutil
from pathlib import Path

import lightgbm as lgb
import numba
import numpy as np
import pytest
from processes import ROOT, run_python

from boostloss import CrossEntropy, RegressionLoss
from boostloss.kernels import intrinsics, scalar
from boostloss.kernels.cpu import compiled, digest

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


def uses_an_intrinsic():
    widest_vectors()  # noqa: F821  # bound below


def test_edited_intrinsic_misses(monkeypatch):
    """What is read by a function inside of it counts."""
    monkeypatch.setitem(globals(), "widest_vectors", intrinsics.widest_vectors)
    before = digest(uses_an_intrinsic)
    assert digest(uses_an_intrinsic) == before
    monkeypatch.setattr(intrinsics, "WIDEST", '"prefer-vector-width"="256"')
    assert digest(uses_an_intrinsic) != before


def slope(r):
    return r


def doubled(r):
    return 2.0 * r


def tripled(r):
    return 3.0 * r


wrapper = functools.wraps(slope)(doubled)


def uses_a_wrapper(r):
    return wrapper(r)


def test_edited_wrapper_misses(monkeypatch):
    """Of a function that `functools.wraps` has marked its own code counts, not only what it wraps."""
    digests = set()
    for function in (doubled, tripled):
        monkeypatch.setitem(globals(), "wrapper", functools.wraps(slope)(function))
        digests.add(digest(uses_a_wrapper))
    assert len(digests) == 2


def bits_of(r):
    return 3.0 * r


class NamedAsOurs(RegressionLoss):
    """A loss that calls a function of its own by a name that kernels use as well."""

    @staticmethod
    def point(r):
        return 0.5 * r * r, bits_of(r), 1.0, 1.0


def test_names_of_intrinsics_are_free():
    assert scalar.bits_of is not bits_of
    gradient, _ = NamedAsOurs().gradient_hessian(np.zeros(3), np.ones(3, np.float32))
    assert gradient.tolist() == [3, 3, 3]


def test_one_signature_per_name(tmp_path, monkeypatch):
    """A name in the disk cache stands for one signature: two processes that store two at once could mix them up."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled.cache_clear()
    labels, weight = np.arange(9) % 3, np.ones(9)
    data = lgb.Dataset(np.zeros((9, 1)), labels, weight=weight).construct()
    for dtype in (np.float32, np.float64):
        CrossEntropy()(np.eye(1, 9)[0], np.zeros(9, dtype))
        CrossEntropy().metric(np.eye(1, 9)[0], np.zeros(9, dtype))
        CrossEntropy().metric(labels, np.zeros((9, 3), dtype), weight)
        CrossEntropy().metric(np.zeros((9, 3), dtype, order="F"), data)
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
