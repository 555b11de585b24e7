"""A rare outcome: ranking, probabilities, decisions
=================================================

A rare outcome: what ten losses do to ranking, to probabilities, and to decisions that have costs.

Data: persons in fatal road accidents (FARS); the outcome, in 1.19 % of the rows, is that the severity of the injury
went unrecorded. Most of these losses are not proper: the sigmoid of their raw predictions is no probability, and
`predict_proba` inverts the loss. That keeps the ranking, and it takes out the distortion by the loss but not the
over-confidence of the trees. Logit adjustment is the cross-entropy with an offset: the same trees, the same ranking.

Where a missed positive costs C times a false alarm, the best decision on true probabilities flags what lies above
1 / (1 + C): no threshold has to be searched.
"""

import copy
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    make_scorer,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV, train_test_split

import boostloss as bl
import datasets

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COST_OF_MISS = 20.0  # a false alarm costs 1
BAYES = 1 / (1 + COST_OF_MISS)
N_FOLDS = 3
N_THRESHOLDS = 200
N_BOOTSTRAP = 50
PRINTED_DIGIT = 1e-4
LIGHTGBM_PARAMS = {"n_estimators": 100, "verbosity": -1, "n_jobs": 1}  # more threads wait for each other on a busy CPU
FIGURE = Path(__file__).parent / "output" / "rare_events.png"
LOSSES = {
    "cross-entropy": bl.CrossEntropy(),
    "pos_weight balanced": bl.CrossEntropy(pos_weight="balanced"),
    "weights effective": bl.CrossEntropy(class_weight="effective"),
    "focal, gamma 2": bl.Focal(gamma=2.0),
    "asymmetric": bl.Asymmetric(),
    "self-adjusting": bl.SelfAdjusting(),
    "LDAM": bl.LDAM(),
    "logit-adjusted": bl.LogitAdjusted(),
    "exponential": bl.Exponential(),
    "Dice": bl.Dice(),
}


@dataclass
class Result:
    """A trained classifier and its rows to be tested."""

    classifier: bl.LossClassifier
    X: object

    @property
    def plain(self):
        """The same trained trees with the plain sigmoid of raw predictions for probabilities."""
        return copy.copy(self.classifier).set_params(calibrate=False)

    @cached_property
    def sigmoid(self):
        return self.plain.predict_proba(self.X)[:, 1]

    @cached_property
    def posterior(self):
        """None for Dice, whose raw predictions determine no probabilities."""
        has_posterior = hasattr(self.classifier, "predict_proba")
        return self.classifier.predict_proba(self.X)[:, 1] if has_posterior else None


def classifier_of(loss):
    return bl.LossClassifier(LGBMClassifier(**LIGHTGBM_PARAMS), loss=loss)


def bin_means(y, p):
    """Mean probability and share of positives in bins by rank, and the rows of each bin.

    The lowest half of the rows, the next quarter, the next eighth, .. : the less frequent, the finer.
    """
    n = len(p)
    ends = [n - n // 2**k for k in range(1, 9)]
    order = np.argsort(p, kind="stable")
    bins = np.split(order, ends)
    return np.array([(p[rows].mean(), y[rows].mean(), len(rows)) for rows in bins]).T


def expected_calibration_error(y, p):
    """Distance between mean probability and share of positives, averaged over the bins by their rows."""
    probability, share, rows = bin_means(y, p)
    return np.average(np.abs(probability - share), weights=rows)


def print_scores(y, results):
    """Print how every loss ranks, and log-loss and calibration error of its sigmoid and of its posterior."""
    print(f"{'':20}{'average':>10}{'ROC':>9}{'log-loss':>22}{'calibration error':>24}")
    print(f"{'loss':20}{'precision':>10}{'AUC':>9}" + f"{'sigmoid':>12}{'posterior':>12}" * 2)
    for name, result in results.items():
        cells = [
            "-" if p is None else f"{metric(y, p):.4f}"
            for metric in (log_loss, expected_calibration_error)
            for p in (result.sigmoid, result.posterior)
        ]
        ranking = f"{average_precision_score(y, result.sigmoid):10.4f}{roc_auc_score(y, result.sigmoid):9.4f}"
        print(f"{name:20}{ranking}" + "".join(f"{cell:>12}" for cell in cells))


def bootstrapped_error(y, p, q):
    """Standard error of how much higher the average precision of p is than that of q, over samples of test rows."""
    rng = np.random.default_rng(0)
    samples = [rng.integers(len(y), size=len(y)) for _ in range(N_BOOTSTRAP)]
    return np.std([average_precision_score(y[s], p[s]) - average_precision_score(y[s], q[s]) for s in samples])


def print_reading(y, results):
    """Say what recovery and the choice of the loss changed, from the figures of this run."""
    recovered = {name: result for name, result in results.items() if result.posterior is not None}
    change = {name: log_loss(y, r.posterior) - log_loss(y, r.sigmoid) for name, r in recovered.items()}
    raised = [name for name, c in change.items() if c > PRINTED_DIGIT]
    precision = {name: average_precision_score(y, result.sigmoid) for name, result in results.items()}
    moved = max(abs(average_precision_score(y, r.posterior) - precision[name]) for name, r in recovered.items())
    best = max(precision, key=precision.get)
    gain = precision[best] - precision["cross-entropy"]
    error = bootstrapped_error(y, results[best].sigmoid, results["cross-entropy"].sigmoid)
    print(
        f"Recovery lowered the log-loss of {sum(c < -PRINTED_DIGIT for c in change.values())} of {len(change)} losses "
        f"and raised that of {len(raised)}: {', '.join(raised) or 'none'}.\n"
        f"It cannot change the ranking: the average precision moved by at most {moved:.4f}. The highest, of "
        f"{best!r},\nis {gain:.4f} above that of cross-entropy; the choice of the test rows alone has a "
        f"standard error of {error:.4f},\nand the best of {len(results)} looks better than it is."
    )


def costs(y, decision):
    """Cost of every row."""
    return np.where(y == 1, COST_OF_MISS * (decision == 0), decision == 1)


def mean_cost(y, decision):
    return costs(y, decision).mean()


def fixed(classifier, threshold):
    """A trained classifier with another threshold; nothing is trained."""
    return FixedThresholdClassifier(classifier, threshold=threshold, response_method="predict_proba")


def tuned(loss, X, y):
    """Train with a threshold of the raw prediction that scikit-learn tunes by cross-validation."""
    return TunedThresholdClassifierCV(
        classifier_of(loss),
        scoring=make_scorer(mean_cost, greater_is_better=False),
        response_method="decision_function",
        thresholds=N_THRESHOLDS,
        cv=N_FOLDS,
    ).fit(X, y)


def decide(results, X_train, y_train, X_test):
    """Return the decisions on the test rows, and the threshold, by every way to come to them."""
    entropy, focal = results["cross-entropy"], results["focal, gamma 2"]
    weighted = classifier_of(bl.CrossEntropy(pos_weight=COST_OF_MISS)).fit(X_train, y_train)
    ways = {
        "cross-entropy": (0.5, fixed(entropy.classifier, 0.5)),
        "cross-entropy, Bayes": (BAYES, fixed(entropy.classifier, BAYES)),
        "focal, plain sigmoid, Bayes": (BAYES, fixed(focal.plain, BAYES)),
        "focal, posterior, Bayes": (BAYES, fixed(focal.classifier, BAYES)),
        f"trained with pos_weight={COST_OF_MISS:g}": (None, weighted),
    }
    for name in ("cross-entropy", "focal, gamma 2", "Dice"):
        classifier = tuned(LOSSES[name], X_train, y_train)
        ways[f"{name}, tuned on z"] = classifier.best_threshold_, classifier
    return {name: (threshold, classifier.predict(X_test)) for name, (threshold, classifier) in ways.items()}


def print_decisions(y, decisions):
    """Print what every decision flags, finds and costs, with standard errors from the choice of the test rows."""
    print(f"\nA missed positive costs {COST_OF_MISS:g}, a false alarm 1: the Bayes threshold is {BAYES:.4f}.")
    print(f"{'decision':30}{'threshold':>11}{'flagged':>10}{'recall':>9}{'precision':>11}{'cost per 1,000 rows':>22}")
    print(f"{'nobody is flagged':30}{'-':>11}{0:10.2%}{0:9.3f}{'-':>11}{1000 * COST_OF_MISS * y.mean():14.1f}")
    for name, (threshold, decision) in decisions.items():
        shown = "-" if threshold is None else f"{threshold:.4f}"
        cost, error = per_thousand(costs(y, decision))
        print(
            f"{name:30}{shown:>11}{decision.mean():10.2%}{decision[y == 1].mean():9.3f}{y[decision == 1].mean():11.3f}"
            f"{cost:14.1f} ± {error:.1f}"
        )
    known = costs(y, decisions["cross-entropy, Bayes"][1])
    for name in ("cross-entropy, tuned on z", "focal, posterior, Bayes", "focal, plain sigmoid, Bayes"):
        cost, error = per_thousand(costs(y, decisions[name][1]) - known)
        print(f"{name!r} costs {cost:+.1f} ± {error:.1f} against 'cross-entropy, Bayes', row by row.")


def per_thousand(x):
    """Sum over 1,000 rows and its standard error."""
    return 1000 * x.mean(), 1000 * x.std() / np.sqrt(len(x))


def draw_reliability(ax, y, results, kind):
    """Share of positives against mean probability; a bin without positives has no place on a logarithmic axis."""
    ax.plot([1e-5, 1], [1e-5, 1], color="0.7", linewidth=1)
    for i, (name, result) in enumerate(results.items()):
        p = getattr(result, kind)
        if p is not None:
            probability, share, _ = bin_means(y, p)
            shown = (share > 0) & (probability > 0)
            ax.plot(probability[shown], share[shown], "o-", color=f"C{i}", markersize=3, linewidth=1.2, label=name)
    ax.set(xscale="log", yscale="log", xlim=(1e-5, 1.3), ylim=(1e-4, 1.3))
    ax.set(title=f"reliability of the {kind}", xlabel="mean probability", ylabel="share of positives")
    ax.legend(fontsize="small", loc="upper left")


def draw_ranking(ax, y, results):
    for i, (name, result) in enumerate(results.items()):
        precision, recall, _ = precision_recall_curve(y, result.sigmoid)
        ax.plot(recall, precision, color=f"C{i}", linewidth=1.2, label=name)
    ax.set(title="precision and recall, upper half", xlabel="recall", ylabel="precision", xlim=(0.5, 1), ylim=(0, 0.9))
    ax.legend(fontsize="small", loc="lower left")


def draw_costs(ax, y, results):
    """Cost on the test rows of every threshold; the Bayes threshold is marked."""
    pi = y.mean()
    for name, kind, style in (
        ("cross-entropy", "posterior", "-"),
        ("focal, gamma 2", "posterior", "-"),
        ("focal, gamma 2", "sigmoid", "--"),
    ):
        p = getattr(results[name], kind)
        alarms, hits, thresholds = roc_curve(y, p)
        cost = 1000 * ((1 - pi) * alarms + COST_OF_MISS * pi * (1 - hits))
        colour = f"C{list(results).index(name)}"
        ax.plot(thresholds[1:], cost[1:], style, color=colour, label=f"{name}, {kind}")
        ax.plot(BAYES, 1000 * mean_cost(y, p >= BAYES), "o", color=colour)
    ax.axvline(BAYES, color="0.5", linewidth=1)
    ax.text(BAYES * 1.1, 0.02, "Bayes threshold", transform=ax.get_xaxis_transform(), color="0.4")
    ax.axhline(1000 * COST_OF_MISS * pi, color="0.7", linewidth=1)
    ax.text(4e-3, 1000 * COST_OF_MISS * pi, "nobody is flagged", va="bottom", color="0.4")
    ax.set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(40, 1100))
    ax.set(title="cost of a threshold; dots: Bayes", xlabel="threshold", ylabel="cost per 1,000 rows")
    ax.legend(fontsize="small")


def save_figure(y, results):
    fig, axes = plt.subplots(2, 2, figsize=(13, 11), layout="constrained")
    draw_reliability(axes[0, 0], y, results, "sigmoid")
    draw_reliability(axes[0, 1], y, results, "posterior")
    draw_ranking(axes[1, 0], y, results)
    draw_costs(axes[1, 1], y, results)
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, dpi=110)


def main():
    X, y = datasets.fars("unrecorded")
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    y_test = y_test.to_numpy()
    print(
        f"FARS: {len(y):,} rows, {y.mean():.2%} positive; {len(y_train):,} to train, "
        f"{len(y_test):,} with {y_test.sum()} positives to test.\n"
    )
    results = {name: Result(classifier_of(loss).fit(X_train, y_train), X_test) for name, loss in LOSSES.items()}
    print_scores(y_test, results)
    print_reading(y_test, results)
    print_decisions(y_test, decide(results, X_train, y_train, X_test))
    save_figure(y_test, results)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
