"""How long do an engine and an objective take from margins to gradients? For training.py.

XGBoost prints what its parts took when a booster goes and `verbosity` is 3: hence a process of its own.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

LOSSES = {"built-in": None, "CrossEntropy": "CrossEntropy", "Focal": "Focal"}
CLOCK = re.compile(r"(GetGradient|BoostOneIter): ([\d.]+)s, (\d+) calls")


def gradient_step_rows(engines, n_rows, n_threads, n_rounds):
    """Engine, objective, milliseconds, ratio to the built-in one in the same repetition, its quartiles."""
    for engine in engines:
        seconds = {"xgboost": _of_xgboost, "lightgbm": _of_lightgbm}[engine](n_rows, n_threads, n_rounds)
        for name, values in seconds.items():
            low, middle, high = np.percentile(np.divide(values, seconds["built-in"]), (25, 50, 75))
            spread = "-" if name == "built-in" else f"{low:.2f} to {high:.2f}"
            yield engine, name, f"{1e3 * np.median(values):.2f}", f"{middle:.2f}", spread


def _sample(n_rows):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (n_rows, 1)).astype(np.float32)
    return X, (rng.random(n_rows) < 0.3 + 0.2 * X[:, 0]).astype(np.float32)


def _of_xgboost(n_rows, n_threads, n_rounds):
    """The mean round outside of the tree's construction, by repetition."""
    program = "import sys, gradient_step; gradient_step.trainings_of_xgboost(*map(int, sys.argv[1:]))"
    command = [sys.executable, "-c", program, *map(str, (n_rows, n_threads, n_rounds))]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path(__file__).parent
    )
    seconds = {name: [] for name in LOSSES}
    for text in done.stdout.split("#training ")[1:]:
        name, round_seconds = text.split()[:2]
        clocks = {part: float(total) / int(calls) for part, total, calls in CLOCK.findall(text)}
        built_in = LOSSES[name] is None
        seconds[name].append(clocks["GetGradient"] if built_in else float(round_seconds) - clocks["BoostOneIter"])
    return seconds


def trainings_of_xgboost(n_rows, n_threads, n_rounds, n_repetitions=11):
    """Print, for every training, a line with its mean round, which XGBoost's own figures follow."""
    import xgboost as xgb

    import boostloss

    X, y = _sample(n_rows)
    data = xgb.QuantileDMatrix(X, y)
    params = {"max_depth": 2, "nthread": n_threads, "objective": "binary:logistic", "base_score": float(y.mean())}
    rng = np.random.default_rng(0)

    class Clock(xgb.callback.TrainingCallback):
        def __init__(self):
            self.seconds = []

        def before_iteration(self, model, epoch, evals_log):
            self.start = time.perf_counter()
            return False

        def after_iteration(self, model, epoch, evals_log):
            self.seconds.append(time.perf_counter() - self.start)
            return False

    for repetition in range(n_repetitions + 1):
        for name in rng.permutation(list(LOSSES)):
            loss, clock = LOSSES[name], Clock()
            obj = None if loss is None else getattr(boostloss, loss)()
            quiet = {"verbosity": 3 if repetition else 0, "disable_default_eval_metric": 1}
            booster = xgb.train({**params, **quiet}, data, n_rounds, obj=obj, callbacks=[clock])
            if repetition:  # the first time kernels are made, in the first round an engine makes what it keeps
                print(f"#training {name} {np.mean(clock.seconds[1:])}", flush=True)
            del booster


def _of_lightgbm(n_rows, n_threads, n_rounds):
    """By round; of the built-in objective less what a round of ours takes beside its objective."""
    import lightgbm as lgb

    import boostloss

    X, y = _sample(n_rows)
    quiet = {"num_leaves": 2, "num_threads": n_threads, "verbose": -1, "metric": "None", "min_data_in_bin": 1}
    data = lgb.Dataset(X, y, params=quiet).construct()
    boosters, starts, own = {}, {}, {name: [] for name in LOSSES}
    rounds = {name: [] for name in LOSSES}

    def step(name):
        loss = None if LOSSES[name] is None else getattr(boostloss, LOSSES[name])()
        boosters[name] = lgb.Booster({**quiet, "objective": "none" if loss else "binary"}, data)

        def objective(scores, data):
            result = loss(scores, data)
            own[name].append(time.perf_counter() - starts[name])
            return result

        def call():
            starts[name] = time.perf_counter()
            boosters[name].update(fobj=objective if loss else None)
            rounds[name].append(time.perf_counter() - starts[name])

        return call

    steps = {name: step(name) for name in LOSSES}
    rng = np.random.default_rng(0)
    for _ in range(n_rounds + 3):
        for name in rng.permutation(list(steps)):
            steps[name]()
    rest = np.median([np.subtract(rounds[name], own[name]) for name in own if own[name]], axis=0)
    return {"built-in": (np.array(rounds["built-in"]) - rest)[3:], **{n: v[3:] for n, v in own.items() if v}}

