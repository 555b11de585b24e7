"""What does a custom objective cost in a training? boostloss against the engines' own objectives.

    python benchmarks/training.py [--quick] [--engines xgboost lightgbm] [--largest ROWS] [--repetitions N]

Whole trainings on the same data in random order, a few rounds each, again and again; a ratio is that of the median
rounds of one repetition, so that a machine whose speed drifts slows both. A second training under the built-in
objective shows what such a ratio is worth.
"""

import argparse
import gc
import os
import sys
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import xgboost as xgb

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
from gradient_step import gradient_step_rows
from report import machine, publish, table
from stopwatch import Stopwatch, xgboost_stopwatch
from training_data import N_CLASSES, N_COLUMNS, sample

AGAIN = "built-in again"
PACKAGES = ("numpy", "numba", "xgboost", "lightgbm")
LABELS = {"binary": "two classes", "multiclass": f"{N_CLASSES} classes", "regression": "squared error"}
BUILT_IN = {
    "xgboost": {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"},
    "lightgbm": {"binary": "binary", "multiclass": "multiclass", "regression": "regression"},
}
TREES = {"xgboost": {"max_depth": 6}, "lightgbm": {"num_leaves": 63, "verbose": -1, "metric": "None"}}


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    engine: str
    task: str
    n_rows: int
    n_threads: int


def cases(engines, n_cpus):
    """Sizes, and one thread where there are more."""
    for engine in engines:
        for n_rows in (100_000, 1_000_000, 10_000_000):
            yield Case(engine, "binary", n_rows, n_cpus)
        if n_cpus > 1:
            yield Case(engine, "binary", 1_000_000, 1)
        for task, n_rows in (("multiclass", 200_000), ("multiclass", 1_000_000), ("regression", 1_000_000)):
            yield Case(engine, task, n_rows, n_cpus)


def task_of(case):
    """Features, labels, our loss, and what tells an engine of several classes."""
    outputs = {"num_class": N_CLASSES} if case.task == "multiclass" else {}
    return *sample(case.task, case.n_rows), getattr(bl, LOSSES[case.task])(), outputs


def xgboost_trainings(case):
    """Trainings by name, each on the same quantised data."""
    X, y, loss, outputs = task_of(case)
    name = LOSSES[case.task]
    data = xgb.QuantileDMatrix(X, y)
    del X
    params = {**TREES["xgboost"], "nthread": case.n_threads}
    built_in = {**params, **outputs, "objective": BUILT_IN["xgboost"][case.task]}

    def train(n_rounds, train=xgb.train, params=built_in, **arguments):
        watch = xgboost_stopwatch()
        train(params, data, n_rounds, callbacks=[watch], **arguments)
        return watch.median_round()

    def plain(n_rounds):
        link = boostloss.xgboost.params(loss, y)
        return train(n_rounds, params={**params, **link, "disable_default_eval_metric": 1}, obj=loss)

    def whole(n_rounds):
        return train(n_rounds, boostloss.xgboost.train, params, loss=loss)

    return {"built-in": train, AGAIN: train, f"obj={name}()": plain, f"train, {name}": whole}


def lightgbm_trainings(case):
    """Trainings by name, each on the same binned data."""
    X, y, loss, outputs = task_of(case)
    name = LOSSES[case.task]
    params = {**TREES["lightgbm"], "num_threads": case.n_threads}
    data = lgb.Dataset(X, y, params=params).construct()
    del X
    built_in = {**params, **outputs, "objective": BUILT_IN["lightgbm"][case.task]}

    def train(n_rounds, train=lgb.train, params=built_in, **arguments):
        watch = Stopwatch()
        train(params, data, n_rounds, callbacks=[watch], **arguments)
        return watch.median_round()

    def plain(n_rounds):
        return train(n_rounds, params={**params, **outputs, "objective": loss})

    def whole(n_rounds):
        return train(n_rounds, boostloss.lightgbm.train, params, loss=loss)

    return {"built-in": train, AGAIN: train, f"objective={name}()": plain, f"train, {name}": whole}


TRAININGS = {"xgboost": xgboost_trainings, "lightgbm": lightgbm_trainings}


LOSSES = {"binary": "CrossEntropy", "multiclass": "CrossEntropy", "regression": "SquaredError"}


def entries(case):
    """Of the margins."""
    return case.n_rows * (N_CLASSES if case.task == "multiclass" else 1)


def repetitions(case):
    """How often, and rounds each: about as long for any size."""
    work = entries(case)
    return (15, 12) if work <= 1_000_000 else (7, 7) if work <= 5_000_000 else (4, 6)


def case_rows(case, n_repetitions, n_rounds):
    """A row of the table for every training."""
    os.environ["BOOSTLOSS_NUM_THREADS"] = str(case.n_threads)
    trainings = TRAININGS[case.engine](case)
    rng = np.random.default_rng(0)
    seconds = {name: [] for name in trainings}
    for training in trainings.values():
        training(3)  # kernels are made, memory is claimed
    for _ in range(n_repetitions):
        for name in rng.permutation(list(trainings)):
            seconds[name].append(trainings[name](n_rounds))
            gc.collect()
    threads = f"{case.n_threads} thread{'s' if case.n_threads > 1 else ''}"
    where = case.engine, LABELS[case.task], f"{case.n_rows:,}", threads
    for name, values in seconds.items():
        low, middle, high = np.percentile(np.divide(values, seconds["built-in"]), (25, 50, 75))
        of_ratio = ("1", "-") if name == "built-in" else (f"{middle:.3f}", f"{low:.3f} to {high:.3f}")
        yield (*where, name, f"{1e3 * np.median(values):.1f}", *of_ratio)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rows and repetitions: whether it runs")
    parser.add_argument("--engines", nargs="+", default=["xgboost", "lightgbm"], choices=list(TRAININGS))
    parser.add_argument("--largest", type=int, default=10_000_000, help="rows; times columns of margins")
    parser.add_argument("--repetitions", type=int, default=15, help="at most")
    options = parser.parse_args()
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows = []
    for case in cases(options.engines, n_cpus):
        if entries(case) > options.largest:
            continue
        if options.quick:
            case = Case(case.engine, case.task, case.n_rows // 1000, case.n_threads)
        n_repetitions, n_rounds = repetitions(case)
        n_repetitions = min(n_repetitions, options.repetitions)
        rows += case_rows(case, *((1, 4) if options.quick else (n_repetitions, n_rounds)))
        print(*rows[-4:], sep="\n", file=sys.stderr, flush=True)
    header = "engine", "task", "rows", "threads", "training", "ms per round", "ratio", "quartiles"
    n_rows = 20_000 if options.quick else 1_000_000
    steps = gradient_step_rows(options.engines, n_rows, n_cpus, 3 if options.quick else 30)
    sections = [
        "# Training",
        f"Measured on {machine(*PACKAGES)}.",
        f"## A round\n\n{N_COLUMNS} columns; trees of depth 6 (XGBoost) or 63 leaves (LightGBM); at most "
        f"{options.repetitions} repetitions. The ratio is to the built-in objective. `train` is that of "
        "`boostloss.xgboost` or `boostloss.lightgbm`.",
        table(header, rows),
        f"## The objective's part of a round\n\n{n_rows:,} rows, two classes: from the engine's margins to gradients "
        "in the engine's own layout, all copies included, in milliseconds; XGBoost by its own clocks, LightGBM by "
        "trees of two leaves on one column.",
        table(("engine", "objective", "ms", "ratio", "quartiles"), steps),
    ]
    noise = {row[:4]: row[6:7] for row in rows if row[4] == AGAIN}
    ours = [row for row in rows if row[4].startswith("train, ") and row[2] == "1,000,000"]
    summary = [row[:4] + row[6:] + noise[row[:4]] for row in ours]
    text = "A round of training against the engine's own objective ([how](benchmarks/results/training.md)):\n\n"
    text += table((*header[:4], *header[6:], "built-in against itself"), summary)
    publish("training", "\n\n".join(sections), text)


if __name__ == "__main__":
    main()
