"""Quickstart: a rare outcome in both engines
==========================================

Train focal and weighted losses in XGBoost and LightGBM on a rare outcome, and get true probabilities back.

Data: persons in fatal road accidents (FARS); the outcome, in 1.19 % of the rows, is that the severity of the injury
went unrecorded. Focal and weighted losses are not proper: the sigmoid of their margin is not the probability of the
outcome. `predict_proba` inverts the loss and gives that probability.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import matplotlib
import numpy as np
import xgboost as xgb
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve
from sklearn.model_selection import train_test_split

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
import datasets

matplotlib.use("Agg")
import matplotlib.pyplot as plt

N_ROUNDS = 100
N_BINS = 15
PRINTED_DIGIT = 1e-4
XGBOOST_PARAMS = {"eta": 0.1, "max_depth": 6}
LIGHTGBM_PARAMS = {"learning_rate": 0.1, "num_leaves": 31, "verbosity": -1}
FIGURE = Path(__file__).parent / "output" / "quickstart.png"


@dataclass
class Result:
    """Test-set probabilities of one model; a built-in objective has no posterior to recover."""

    engine: str
    name: str
    sigmoid: np.ndarray
    posterior: np.ndarray | None = None


def train_with_xgboost(losses, X_train, y_train, X_test):
    """Yield one result for XGBoost's own logistic objective and one for each loss."""
    dtrain = xgb.DMatrix(X_train, y_train, enable_categorical=True)
    dtest = xgb.DMatrix(X_test, enable_categorical=True)
    booster = xgb.train({**XGBOOST_PARAMS, "objective": "binary:logistic"}, dtrain, N_ROUNDS)
    yield Result("XGBoost", "built-in logistic", booster.predict(dtest))
    for name, loss in losses.items():
        booster = boostloss.xgboost.train(XGBOOST_PARAMS, dtrain, N_ROUNDS, loss=loss)
        yield Result("XGBoost", name, booster.predict(dtest), boostloss.xgboost.predict_proba(booster, dtest)[:, 1])


def train_with_lightgbm(losses, X_train, y_train, X_test):
    """Yield one result for LightGBM's own binary objective and one for each loss."""
    train_set = lgb.Dataset(X_train, y_train)
    booster = lgb.train({**LIGHTGBM_PARAMS, "objective": "binary"}, train_set, N_ROUNDS)
    yield Result("LightGBM", "built-in logistic", booster.predict(X_test))
    for name, loss in losses.items():
        booster = boostloss.lightgbm.train(LIGHTGBM_PARAMS, train_set, N_ROUNDS, loss=loss)
        posterior = boostloss.lightgbm.predict_proba(booster, X_test, loss=loss)[:, 1]
        yield Result("LightGBM", name, booster.predict(X_test), posterior)


def bin_sums(y, p):
    """Number of rows, sum of probabilities and number of positives in each of N_BINS bins of equal width."""
    index = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    return np.bincount(index, minlength=N_BINS), np.bincount(index, p, N_BINS), np.bincount(index, y, N_BINS)


def expected_calibration_error(y, p):
    """Distance between mean probability and share of positives, averaged over the bins by their rows."""
    _, probability, positives = bin_sums(y, p)
    return np.abs(probability - positives).sum() / len(y)


METRICS = {
    "average precision": average_precision_score,
    "log-loss": log_loss,
    "calibration error": expected_calibration_error,
}


def print_table(y, results):
    """Print every metric of the plain sigmoid and of the posterior."""
    print(" " * 30 + "".join(f"{name:>24}" for name in METRICS))
    print(f"{'engine':10}{'loss':20}" + f"{'sigmoid':>12}{'posterior':>12}" * len(METRICS))
    for result in results:
        cells = [
            "-" if p is None else f"{metric(y, p):.4f}"
            for metric in METRICS.values()
            for p in (result.sigmoid, result.posterior)
        ]
        print(f"{result.engine:10}{result.name:20}" + "".join(f"{cell:>12}" for cell in cells))
    print(f"Calibration error: expected calibration error over {N_BINS} bins of equal width.")


def print_reading(y, results):
    """Say what recovery changed, from the figures of this run."""
    change = {
        f"{result.engine}, {result.name}": (log_loss(y, result.sigmoid), log_loss(y, result.posterior))
        for result in results
        if result.posterior is not None
    }
    lowered = sum(after < before - PRINTED_DIGIT for before, after in change.values())
    raised = sum(after > before + PRINTED_DIGIT for before, after in change.values())
    most = max(change, key=lambda name: change[name][0] - change[name][1])
    before, after = change[most]
    print(
        f"Recovery lowered the log-loss of {lowered} and raised that of {raised} of {len(change)} models; "
        f"most for {most}: {before:.4f} -> {after:.4f}."
    )


def save_figure(y, results):
    """Reliability (bins with at least 20 rows) and precision-recall, one row of panels per engine."""
    engines = list(dict.fromkeys(result.engine for result in results))
    fig, axes = plt.subplots(len(engines), 2, figsize=(11, 9), layout="constrained")
    for (reliability, ranking), engine in zip(axes, engines, strict=True):
        reliability.plot([0, 1], [0, 1], color="lightgrey")
        reliability.set(title=f"{engine}: reliability", xlabel="mean probability", ylabel="share of positives")
        ranking.set(title=f"{engine}: precision and recall", xlabel="recall", ylabel="precision")
        for i, result in enumerate(r for r in results if r.engine == engine):
            for kind, line in (("sigmoid", "o--"), ("posterior", "o-")):
                p = getattr(result, kind)
                if p is None:
                    continue
                rows, probability, positives = np.array(bin_sums(y, p))[:, bin_sums(y, p)[0] >= 20]
                label = f"{result.name}, {kind}"
                reliability.plot(probability / rows, positives / rows, line, color=f"C{i}", markersize=3, label=label)
            precision, recall, _ = precision_recall_curve(y, result.sigmoid)
            ranking.plot(recall, precision, color=f"C{i}", label=result.name)
        reliability.legend(fontsize="x-small", handlelength=4)
        ranking.legend(fontsize="x-small")
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, dpi=120)


def main():
    X, y = datasets.fars("unrecorded")
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    print(
        f"FARS: {len(y):,} rows, {y.mean():.2%} positive; {len(y_train):,} to train, "
        f"{len(y_test):,} with {y_test.sum()} positives to test.\n"
    )

    ratio = (y_train == 0).sum() / (y_train == 1).sum()
    losses = {
        "cross-entropy": bl.CrossEntropy(),
        f"positives x {ratio**0.5:.1f}": bl.CrossEntropy(pos_weight=ratio**0.5),
        f"positives x {ratio:.1f}": bl.CrossEntropy(pos_weight=ratio),
        "focal, gamma 2": bl.Focal(gamma=2.0),
    }
    results = [
        *train_with_xgboost(losses, X_train, y_train, X_test),
        *train_with_lightgbm(losses, X_train, y_train, X_test),
    ]
    y_test = y_test.to_numpy()
    print_table(y_test, results)
    print_reading(y_test, results)
    save_figure(y_test, results)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
