"""How long does a gradient and a curvature take? boostloss, a plain copy, NumPy, scikit-learn and other packages.

    python benchmarks/kernels.py [--rows N] [--threads T]

All in one process, round by round one after the other, medians; with one thread in CPU time, which a busy machine
disturbs less. Other packages are measured where they are installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss, HuberLoss, PinballLoss

from boostloss import CrossEntropy, Focal, Huber, LogCosh, Quantile
from boostloss.losses.base import Training
from report import machine, median_seconds, publish, table

GAMMA, DELTA, TAU, BANDWIDTH = 2.0, 1.0, 0.9, 0.1
N_CLASSES = (3, 5, 20)
N_ROUNDS, N_PROCESSES = 15, 7
PACKAGES = ("numpy", "numba", "scikit-learn")
PEERS = ("bokbokbok", "gbdtcbl", "imlightgbm")

LOGISTIC = "scikit-learn HalfBinomialLoss, float32"
MULTINOMIAL = "scikit-learn HalfMultinomialLoss, float32"
FORMS = {"float32 C": (np.float32, "C"), "float64 F": (np.float64, "F")}  # what XGBoost and LightGBM hand over


# ----------------------------------------------------------------------------------------------------- NumPy's formulas


def logistic(y, z):
    p = 1 / (1 + np.exp(-z))
    return p - y, p * (1 - p)


def focal(y, z):
    m = np.where(y > 0, z, -z)
    e = np.exp(-np.abs(m))
    q = np.where(m > 0, e, 1) / (1 + e)
    p, log_p = 1 - q, np.minimum(m, 0) - np.log1p(e)
    power = q**GAMMA
    first = power * (GAMMA * p * log_p - q)
    second = GAMMA * p * power * (q * (log_p + 2) - (GAMMA - 1) * p * log_p)
    return np.where(y > 0, first, -first), np.maximum(second - p * first, np.abs(first) / 2)


def huber(y, z):
    r = z - y
    return np.clip(r, -DELTA, DELTA), DELTA / np.maximum(np.abs(r), DELTA)


def log_cosh(y, z):
    r = z - y
    slope = np.tanh(r)
    return slope, np.divide(slope, r, out=np.ones_like(r), where=r != 0)


def smooth_pinball(y, z):
    r = z - y
    s = np.hypot(r, np.asarray(BANDWIDTH, r.dtype))
    return r / (2 * s) + (0.5 - TAU), 0.5 / s


def softmax(y, z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    g = p.copy()
    g[np.arange(len(y)), y] -= 1
    return g, p * (1 - p)


NUMPY = {"logistic": logistic, "focal": focal, "Huber": huber, "log-cosh": log_cosh, "quantile": smooth_pinball}


# ------------------------------------------------------------------------------------------------------- other packages


def _bokbokbok(y, z):
    from bokbokbok.loss_functions.classification import WeightedFocalLoss
    from bokbokbok.loss_functions.regression import LogCoshLoss

    data = SimpleNamespace(get_label=lambda: y)
    losses = {"focal": WeightedFocalLoss(alpha=1.0, gamma=GAMMA), "log-cosh": LogCoshLoss()}
    return {name: lambda loss=loss: loss(z, data) for name, loss in losses.items()}


def _gbdtcbl(y, z):
    from gbdtCBL.binary import FLLoss

    loss = FLLoss(GAMMA)
    return {"focal": lambda: loss(y, z)}


def _gbdtcbl_softmax(y, z):
    from gbdtCBL.xgbmulti import XGBFLMulti

    loss = XGBFLMulti(GAMMA)
    return {"focal": lambda: loss(y, z)}


def _imlightgbm(y, z):
    from imlightgbm.objective import binary_focal_objective

    return {"focal": lambda: binary_focal_objective(y, z, GAMMA)}


def _imlightgbm_softmax(y, z):
    from imlightgbm.objective import multiclass_focal_objective

    return {"focal": lambda: multiclass_focal_objective(y, z, GAMMA, z.shape[1])}


TWO_CLASS_PEERS = {"bokbokbok": _bokbokbok, "gbdtcbl": _gbdtcbl, "imlightgbm": _imlightgbm}
SOFTMAX_PEERS = {"gbdtcbl": _gbdtcbl_softmax, "imlightgbm": _imlightgbm_softmax}


def installed(peers, y, z):
    """Calls of the packages that are there, each tried once: a release may not run with today's NumPy."""
    calls = {}
    for package, make in peers.items():
        try:
            found = make(y, z)
            with np.errstate(all="ignore"):
                for call in found.values():
                    call()
        except Exception as error:
            print(f"({package} left out: {error!r})", file=sys.stderr)
            continue
        calls |= {f"{package} {name}, {z.dtype}": call for name, call in found.items()}
    return calls


# ----------------------------------------------------------------------------------------------------- what is measured


def of_boostloss(loss, y, z, sample_weight=None, *, engine=False):
    """A loss on checked labels, into buffers, as in a round of boosting; `engine` with what only an engine gets."""
    targets = loss._targets(y, sample_weight, 1 if z.ndim == 1 else z.shape[1], np.float32)
    gradient, hessian = np.empty_like(z, np.float32), np.empty_like(z, np.float32)
    if engine:
        return lambda: loss._engine_derivatives(targets, z, Training(), gradient, hessian)
    return lambda: loss._derivatives(targets, z, None, gradient, hessian)


def of_scikit_learn(loss, y, z, n_threads):
    """One of scikit-learn's losses, into buffers."""
    y = y.astype(z.dtype)
    gradient, hessian = np.empty(z.shape, z.dtype), np.empty(z.shape, z.dtype)
    return lambda: loss.gradient_hessian(
        y_true=y, raw_prediction=z, gradient_out=gradient, hessian_out=hessian, n_threads=n_threads
    )


def copy_kernel(z):
    """Read once and write twice: what memory alone takes."""
    from numba import njit

    @njit(nogil=True)
    def copy(z, first, second):
        for i in range(z.shape[0]):
            first[i], second[i] = z[i], z[i]

    buffers = np.empty_like(z), np.empty_like(z)
    return lambda: copy(z, *buffers)


def one_column_calls(n_rows, n_threads):
    """Two classes and residuals."""
    rng = np.random.default_rng(0)
    z64, weight = 2 * rng.normal(size=n_rows), rng.uniform(0.5, 2, n_rows)
    labels = (rng.random(n_rows) < 0.3).astype(np.float32)
    numbers = (z64 + rng.standard_t(4, n_rows)).astype(np.float32)
    classes = {"cross-entropy": CrossEntropy(), "focal": Focal(gamma=GAMMA)}
    fixed = {
        "Huber": Huber(delta=DELTA),
        "log-cosh": LogCosh(scale=DELTA),
        "quantile": Quantile(quantile=TAU, bandwidth=BANDWIDTH),
    }
    automatic = {"Huber": Huber(), "log-cosh": LogCosh(), "quantile": Quantile(quantile=TAU)}
    calls = {"plain copy, float32": copy_kernel(z64.astype(np.float32))}
    for dtype in (np.float32, np.float64):
        z, name = z64.astype(dtype), np.dtype(dtype).name
        references = {"HalfBinomialLoss": (HalfBinomialLoss(), labels)}
        references |= {
            "HuberLoss": (HuberLoss(delta=DELTA), numbers),
            "PinballLoss": (PinballLoss(quantile=TAU), numbers),
        }
        for title, (loss, y) in references.items():
            calls[f"scikit-learn {title}, {name}"] = of_scikit_learn(loss, y, z, n_threads)
        for title, function in NUMPY.items():
            y = (labels if title in ("logistic", "focal") else numbers).astype(dtype)
            calls[f"NumPy {title}, {name}"] = lambda function=function, y=y, z=z: function(y, z)
        for title, loss in classes.items():
            calls[f"boostloss {title}, {name}"] = of_boostloss(loss, labels, z)
            calls[f"boostloss {title}, weights, {name}"] = of_boostloss(loss, labels, z, weight)
        for title, loss in fixed.items():
            calls[f"boostloss {title}, {name}"] = of_boostloss(loss, numbers, z)
        for title, loss in automatic.items():
            calls[f"boostloss {title}, auto scale, {name}"] = of_boostloss(loss, numbers, z)
            calls[f"boostloss {title}, auto scale, rescaled, {name}"] = of_boostloss(loss, numbers, z, engine=True)
        calls |= installed(TWO_CLASS_PEERS, labels.astype(dtype), z)
    return calls


def softmax_calls(n_rows, n_classes, n_threads):
    """K classes."""
    rng = np.random.default_rng(0)
    z64, y = rng.normal(size=(n_rows, n_classes)), rng.integers(0, n_classes, n_rows)
    z32, weight = z64.astype(np.float32), rng.uniform(0.5, 2, n_rows)
    reference = HalfMultinomialLoss(n_classes=n_classes)
    calls = {
        MULTINOMIAL: of_scikit_learn(reference, y, z32, n_threads),
        "scikit-learn HalfMultinomialLoss, float64": of_scikit_learn(reference, y, z64, n_threads),
        "NumPy softmax, float32": lambda: softmax(y, z32),
    }
    for form, (dtype, order) in FORMS.items():
        z = np.asarray(z64, dtype, order=order)
        for title, loss in {"cross-entropy": CrossEntropy(), "focal": Focal(gamma=GAMMA)}.items():
            calls[f"boostloss {title}, {form}"] = of_boostloss(loss, y, z)
        calls[f"boostloss focal, weights, {form}"] = of_boostloss(Focal(gamma=GAMMA), y, z, weight)
        smoothed = CrossEntropy(label_smoothing=0.1)
        calls[f"boostloss cross-entropy, soft labels, {form}"] = of_boostloss(smoothed, y, z)
    return calls | installed(SOFTMAX_PEERS, y, z32)


def timing_rows(calls, reference, n_rows, clock):
    """Name, numbers in, ns per row, ratio to the reference."""
    with np.errstate(all="ignore"):
        seconds = median_seconds(calls, N_ROUNDS, clock)
    for name, value in seconds.items():
        title, _, form = name.rpartition(", ")
        yield title, form, f"{1e9 * value / n_rows:.2f}", f"{value / seconds[reference]:.2f}"


# ----------------------------------------------------------------------------------------------------------- warm start


WARM_START = """
import json, sys, time
import numpy as np, numba
import boostloss as bl
numba.njit(lambda x: x + 1)(1.0)
n_classes, losses = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
y, z = rng.integers(0, n_classes, 1000), rng.normal(size=(1000, n_classes)).astype(np.float32)
z = z if n_classes > 2 else z[:, 0]
loss = eval(losses, vars(bl))
seconds = [time.perf_counter()]
for call in (loss, loss.metric):
    call(y, z)
    seconds.append(time.perf_counter())
print(json.dumps([1e3 * (b - a) for a, b in zip(seconds, seconds[1:])]))
"""
FITS = {
    "two classes, cross-entropy": (2, "CrossEntropy()"),
    "two classes, focal": (2, "Focal()"),
    "3 classes, focal": (3, "Focal()"),
    "regression, Huber": (2, "Huber()"),
    "regression, quantile": (2, "Quantile()"),
}


def warm_start_rows():
    """Milliseconds until objective and metric have their kernels, in a process that finds them on disk."""
    for title, arguments in FITS.items():
        command = [sys.executable, "-c", WARM_START, json.dumps(arguments)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(N_PROCESSES)]
        objective, metric = (
            statistics.median(values) for values in zip(*runs[1:], strict=True)
        )  # the first may compile
        yield title, f"{objective:.0f}", f"{metric:.0f}", f"{objective + metric:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of one-column losses; a fifth of it for K classes")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["BOOSTLOSS_NUM_THREADS"] = str(options.threads)
    n_rows, n_multiclass_rows = options.rows, max(options.rows // 5, 1)

    clock = time.process_time if options.threads == 1 else time.perf_counter
    how = "CPU time of one thread" if options.threads == 1 else f"{options.threads} threads"
    header = "kernel", "raw predictions", "ns per row", "ratio"
    sections = [
        "# Gradient and curvature",
        f"Measured on {machine(*PACKAGES)}.\n"
        f"{how}; medians of {N_ROUNDS} interleaved rounds. Ratios hold within a table.",
        f"## One column, {n_rows:,} rows\n\nThe ratio is to {LOGISTIC}. Rescaled: divided by the mean curvature, as "
        "engines get it.",
        table(header, timing_rows(one_column_calls(n_rows, options.threads), LOGISTIC, n_rows, clock)),
    ]
    for n_classes in N_CLASSES:
        calls = softmax_calls(n_multiclass_rows, n_classes, options.threads)
        sections += [
            f"## {n_classes} classes, {n_multiclass_rows:,} rows\n\nThe ratio is to {MULTINOMIAL}.",
            table(header, timing_rows(calls, MULTINOMIAL, n_multiclass_rows, clock)),
        ]
    sections += [
        "## Warm start\n\nMilliseconds until a new process has its kernels from the disk cache, one call on 1,000 rows "
        f"included; medians of {N_PROCESSES - 1} processes. Numba's own start comes before and is not in it.",
        table(("fit", "derivatives, ms", "metric, ms", "both, ms"), warm_start_rows()),
    ]
    publish("kernels", "\n\n".join(sections))


if __name__ == "__main__":
    main()
