"""How long until boostloss is imported, and until a first fit has its kernels?

    python benchmarks/startup.py [--quick]

Every figure is of processes of its own. Cold: an empty cache on disk; warm: the cache of the process before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from report import machine, publish, table

PACKAGES = ("numpy", "numba", "scikit-learn", "xgboost")
N_AT_ONCE = 8

IMPORT = "import json, sys, time; start = time.perf_counter(); {}; print(json.dumps(time.perf_counter() - start))"
IMPORTS = {"numba, scikit-learn": "import numba, sklearn", "boostloss": "import boostloss"}

# Seconds in which Numba compiles or loads, and of the call as a whole; Numba's own start comes before
FIT = """
import json, sys, time
import numba, numpy as np, xgboost as xgb
import boostloss as bl, boostloss.xgboost
from numba.core import event

numba.njit(lambda x: x + 1)(1.0)
loss, n_classes = getattr(bl, sys.argv[1])(), int(sys.argv[2])
rng = np.random.default_rng(0)
y = rng.integers(0, n_classes, 1000) if n_classes else rng.gamma(2, size=1000)
X = xgb.DMatrix(rng.normal(size=(1000, 2)), y)
params = {"max_depth": 1, "nthread": 1}
xgb.train(params, X, 1)
recorder = event.TimingListener()
start = time.perf_counter()
with event.install_listener("numba:compile", recorder):
    booster = boostloss.xgboost.train(params, X, 1, loss=loss)
seconds = time.perf_counter() - start
print(json.dumps([recorder.duration if recorder.done else 0.0, seconds, float(booster.predict(X).sum())]))
"""
FITS = {
    "two classes, CrossEntropy": ("CrossEntropy", 2),
    "two classes, Focal": ("Focal", 2),
    "5 classes, CrossEntropy": ("CrossEntropy", 5),
    "5 classes, Focal": ("Focal", 5),
    "regression, Huber": ("Huber", 0),
    "regression, LogCosh": ("LogCosh", 0),
    "regression, Quantile": ("Quantile", 0),
    "regression, Tweedie": ("Tweedie", 0),
}


def run(program, *arguments, cache=None):
    """What a program prints, which is JSON."""
    environment = os.environ if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)


def import_rows(n_processes):
    """Package, milliseconds, ratio."""
    seconds = {name: [] for name in IMPORTS}
    for _ in range(n_processes + 1):
        for name, statement in IMPORTS.items():
            seconds[name].append(run(IMPORT.format(statement)))
    reference, *_ = seconds.values()
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values[1:], reference[1:], strict=True))
        yield name, f"{1e3 * statistics.median(values[1:]):.0f}", f"{ratio:.2f}"


def fit_rows(n_processes, fits):
    """Fit, and what compiling or loading kernels takes of it."""
    for title, arguments in fits.items():
        cold, warm = [], []
        for _ in range(n_processes):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(run(FIT, *arguments, cache=cache)[0])
                warm.append(run(FIT, *arguments, cache=cache)[1])
        yield title, f"{statistics.median(cold):.2f}", f"{1e3 * statistics.median(warm):.0f}"


def at_once(arguments):
    """Seconds of the slowest of eight processes that start at once on an empty cache, and whether they agree."""
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(N_AT_ONCE) as pool:
        jobs = [pool.submit(run, FIT, *arguments, cache=cache) for _ in range(N_AT_ONCE)]
        results = [job.result() for job in jobs]
        results.append(run(FIT, *arguments, cache=cache))
    return max(seconds for _, seconds, _ in results), len({total for *_, total in results}) == 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one process each: whether it runs")
    options = parser.parse_args()
    fits = dict(list(FITS.items())[:1]) if options.quick else FITS
    n_processes = 1 if options.quick else 3
    imports = list(import_rows(1 if options.quick else 9))
    fits = list(fit_rows(n_processes, fits))
    seconds, agree = at_once(FITS["two classes, Focal"])
    header = "fit", "compiling, cold (s)", "whole first round, warm (ms)"
    sections = [
        "# Start",
        f"Measured on {machine(*PACKAGES)}. Medians.",
        "## Import",
        table(("package", "ms", "ratio"), imports),
        "## First fit\n\nOne round of `boostloss.xgboost.train` on 1,000 rows, imports and Numba's own start before "
        "it.",
        table(header, fits),
        f"{N_AT_ONCE} processes that start at once on an empty cache, two classes, Focal: the slowest round takes "
        f"{seconds:.1f} s; their models are {'the same' if agree else 'NOT the same'}.",
    ]
    text = (
        f"Import: {imports[1][2]} of the time of numba and scikit-learn. Seconds of compiling in a first fit ever, by "
        "loss, afterwards from the cache on disk ([how](benchmarks/results/startup.md)): "
    )
    publish("startup", "\n\n".join(sections), text + ", ".join(f"{title} {cold}" for title, cold, _ in fits) + ".")


if __name__ == "__main__":
    main()
