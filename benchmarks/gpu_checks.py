"""Are the kernels of a CUDA device right, do they leak, and did the engine run there? For gpu.py."""

import functools
import gc
import json
import traceback
from typing import NamedTuple

import numpy as np

import boostloss.xgboost
from boostloss import CrossEntropy, Loss, MultiLabel, Quantile
from boostloss.losses.base import Training
from boostloss.losses.batch import GradientHarmonized, Tversky
from boostloss.objective import Objective
from timed_problems import CLASSES, DEFAULTS, LEVELS, N_LABELS, NEAREST_OF_POSITIVE, NUMBERS, with_fixed_scale
from training_data import N_CLASSES, sample

TOLERANCE = 1e-5  # the tests' own; last bits differ, for the CPU computes powers in double
FAR = 1e4
LEAK = 2**22  # bytes: drivers hand out memory by 2 MiB; a buffer of 100,000 rows that stays has .4 MB each time
OF_A_BATCH = GradientHarmonized, Tversky
HEADER = "loss", "outputs", "gradient", "curvature", "far out", "agrees"
MARK = {True: "yes", False: "**NO**"}
NEW_LINE = "\n"


class Problem(NamedTuple):
    """A loss, labels and raw predictions for it."""

    loss: Loss
    y_true: np.ndarray
    raw: np.ndarray


def problems(n_rows):
    """Every loss with its defaults, and the layouts of several columns."""
    rng = np.random.default_rng(0)
    one, several = (2 * rng.standard_normal(shape, np.float32) for shape in (n_rows, (n_rows, N_CLASSES)))
    labels, classes = rng.random(n_rows) < 0.3, rng.integers(0, N_CLASSES, n_rows)
    residuals = one + rng.standard_t(4, n_rows).astype(np.float32)
    positive = np.exp(one / 2 + 0.5 * rng.standard_normal(n_rows, np.float32))
    for loss in (*CLASSES.values(), CrossEntropy(label_smoothing=0.1)):
        yield Problem(loss, labels, one)
        if not loss.binary_only:
            yield Problem(loss, classes, several)
    for name in NUMBERS:
        yield Problem(DEFAULTS[name], *((positive, one / 2) if name in NEAREST_OF_POSITIVE else (residuals, one)))
    yield Problem(Quantile(quantile=LEVELS), residuals, several[:, : len(LEVELS)].copy())
    yield Problem(MultiLabel(), rng.random((n_rows, N_LABELS)) < 0.3, several[:, :N_LABELS].copy())


def difference(found, expected):
    """The largest relative one, of numbers that are not much smaller than the largest; inf if others are not finite."""
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return np.inf
    found, expected = found[finite].astype(float), expected[finite].astype(float)
    size = np.abs(expected)
    worst = np.max(np.abs(found - expected) / np.maximum(size, 0.1 * size.max(initial=0) + 1e-30), initial=0)
    return float(worst) if np.isfinite(worst) else np.inf


def differences(device, loss, y_true, raw):
    """Of gradient and of curvature, each of them from the device and from the CPU."""
    training = Training(0.1)
    targets = loss._targets(y_true, None, 1 if raw.ndim == 1 else raw.shape[1], np.float32)
    loss = loss._with_numbers(targets)
    of_cpu = np.empty_like(raw), np.empty_like(raw)
    loss._engine_derivatives(targets, raw, training, *of_cpu)
    of_device = device.derivatives(loss, targets, raw, training)
    return [difference(a.copy_to_host(), b) for a, b in zip(of_device, of_cpu, strict=True)]


def far_out(problem):
    """The problem with raw predictions of 1e4 and -1e4 among its rows, and of NaN.

    Logarithms end at 80, for exp(89) leaves float32, which is an error as NaN is. With a statistic of the batch one NaN
    would be in every row, or in no bin.
    """
    loss, y_true, raw = problem
    is_logarithm = getattr(loss, "link", "identity") != "identity"
    far, raw = np.float32(80.0 if is_logarithm else FAR), raw.copy()
    raw[::7], raw[3::7] = far, -far
    if not (is_logarithm or isinstance(loss, OF_A_BATCH)):
        raw[5::7] = np.nan
    return Problem(with_fixed_scale(loss), y_true, raw)


def attempted(title, numbers, n_numbers):
    """A row of a table, and whether it is good; an error in place of numbers is a row as well, and the rest goes on."""
    try:
        *found, good = numbers()
    except Exception as error:
        traceback.print_exc()
        return (*title, *["-"] * n_numbers, f"**{type(error).__name__}: {str(error).partition(NEW_LINE)[0]}**"), False
    return (*title, *found, MARK[good]), good


def agreement_row(device, problem):
    """A row of the table, and whether device and CPU agree."""

    def numbers():
        found = [*differences(device, *problem), max(differences(device, *far_out(problem)))]
        return *(f"{number:.1e}" for number in found), max(found) <= TOLERANCE

    name = repr(problem.loss) if len(repr(problem.loss)) < 40 else type(problem.loss).__name__
    n_outputs = 1 if problem.raw.ndim == 1 else problem.raw.shape[1]
    return attempted((name, n_outputs), numbers, 3)


def used_bytes():
    """Memory of the present device that is not free, of all processes; what Numba frees later is freed before."""
    from numba import cuda

    gc.collect()
    context = cuda.current_context()
    context.memory_manager.deallocations.clear()
    free, total = context.get_memory_info()
    return total - free


def growth(step, n_steps, used):
    """By how many bytes memory grew over these steps, after a tenth of them as a beginning."""
    for _ in range(max(n_steps // 10, 1)):
        step()
    before = used()
    for _ in range(n_steps):
        step()
    return used() - before


def memory_rows(device_name, used=used_bytes, n_rounds=1000, n_data_sets=50, n_rows=100_000):
    """Rounds of one training, and data sets that end; each a row, and whether memory stayed as it was."""
    import xgboost

    X, y = sample("binary", n_rows)
    raw, dtrain = np.zeros(n_rows, np.float32), xgboost.DMatrix(X[:, :1], y)
    objective = Objective(GradientHarmonized(), device=device_name)  # which makes arrays in every round
    cases = {
        f"{n_rounds:,} rounds of one data set": (lambda: objective(raw, dtrain), n_rounds),
        f"{n_data_sets:,} data sets, one after the other": (
            lambda: objective(raw, xgboost.DMatrix(X[:, :1], y)),
            n_data_sets,
        ),
    }
    for name, (step, n_steps) in cases.items():
        grown = growth(step, n_steps, used)
        yield (name, f"{grown / 2**20:.2f}", MARK[grown <= LEAK]), grown <= LEAK


def device_of(booster):
    """What a booster was trained on: XGBoost would fall back to the CPU with no more than a warning."""
    return json.loads(booster.save_config())["learner"]["generic_param"]["device"]


def route_rows(device_name, routes, n_rows=200_000, n_rounds=50):
    """Of every route the device that the engine names, and raw predictions beside those of the first route.

    Gradients of CPU and device differ in their last bits, so that trees may differ where two splits gain alike.
    """
    import xgboost

    X, y = sample("binary", n_rows)
    margins = []

    def numbers(arguments):
        dtrain = xgboost.QuantileDMatrix(X, y)
        params = {"device": device_name, "max_depth": 6}
        booster = boostloss.xgboost.train(params, dtrain, n_rounds, loss=CrossEntropy(), **arguments)
        margins.append(booster.predict(dtrain, output_margin=True))
        apart, alike = np.abs(margins[-1] - margins[0]), float(np.corrcoef(margins[-1], margins[0])[0, 1])
        where = device_of(booster)
        good = where.partition(":")[0] == device_name.partition(":")[0] and alike > 0.999
        return where, f"{(apart > 1e-3).mean():.2%}", f"{apart.max():.1e}", f"{alike:.6f}", good

    for name, arguments in routes(X).items():
        yield attempted((name,), functools.partial(numbers, arguments), 4)
