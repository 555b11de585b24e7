"""A rare outcome: what ten losses do to ranking, to probabilities, and to decisions that have costs.

Data: persons in fatal road accidents (FARS); the outcome, in 1.19 % of the rows, is that the severity of the injury
went unrecorded. Most of these losses are not proper: the sigmoid of their raw predictions is no probability, and
`predict_proba` inverts the loss. Where a missed positive costs C times a false alarm, the best decision on true
probabilities flags what lies above 1 / (1 + C): no threshold has to be searched.
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
N_BOOTSTRAP = 50
PRINTED_DIGIT = 1e-4
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


def classifier_of(loss, *, calibrate=True):
    return bl.LossClassifier(LGBMClassifier(n_estimators=100, verbosity=-1), loss=loss, calibrate=calibrate)


# ------------------------------------------------------------------------------------------ ranking and probabilities


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


def bootstrapped_difference(y, p, q):
    """Standard error of how much higher the average precision of p is than that of q, over samples of test rows."""
    rng = np.random.default_rng(0)
    samples = [rng.integers(len(y), size=len(y)) for _ in range(N_BOOTSTRAP)]
    return np.std([average_precision_score(y[s], p[s]) - average_precision_score(y[s], q[s]) for s in samples])


def print_reading(y, results):
    """Say what recovery and the choice of the loss changed, from the figures of this run."""
    recovered = {name: result for name, result in results.items() if result.posterior is not None}
    change = {name: log_loss(y, r.posterior) - log_loss(y, r.sigmoid) for name, r in recovered.items()}
    raised = [name for name, c in change.items() if c > PRINTED_DIGIT]
    print(
        f"Recovery lowered the log-loss of {sum(c < -PRINTED_DIGIT for c in change.values())} of {len(change)} losses "
        f"and raised that of {len(raised)}{f' ({chr(44).join(raised)})' if raised else ''}."
    )
    precision = {name: average_precision_score(y, result.sigmoid) for name, result in results.items()}
    moved = max(abs(average_precision_score(y, r.posterior) - precision[name]) for name, r in recovered.items())
    best = max(precision, key=precision.get)
    gain = precision[best] - precision["cross-entropy"]
    error = bootstrapped_difference(y, results[best].sigmoid, results["cross-entropy"].sigmoid)
    posterior = {name: log_loss(y, result.posterior) for name, result in recovered.items()}
    print(
        f"Recovery keeps the ranking: it moves no average precision by more than {moved:.1g}. The highest, of {best!r}, "
        f"is {gain:.3f} above that of cross-entropy,\nwith a standard error of {error:.3f} from the choice of test rows "
        f"alone, and it is the best of {len(results)}. Log-loss of the posterior: {min(posterior.values()):.4f} to "
        f"{max(posterior.values()):.4f}, cross-entropy {posterior['cross-entropy']:.4f}."
    )


# ----------------------------------------------------------------------------------------------------------- decisions


def costs(y, decision):
    """Cost of every row."""
    return np.where(y == 1, COST_OF_MISS * (decision == 0), decision == 1)


def mean_cost(y, decision):
    return costs(y, decision).mean()


def fixed(classifier, threshold):
    """A trained classifier with another threshold; nothing is trained."""
    return FixedThresholdClassifier(classifier, threshold=threshold, response_method="predict_proba")


def tuned(loss, X, y):
    """Train with a threshold of the plain sigmoid that scikit-learn tunes by cross-validation."""
    scorer = make_scorer(mean_cost, greater_is_better=False)
    classifier = classifier_of(loss, calibrate=False)
    return TunedThresholdClassifierCV(classifier, scoring=scorer, cv=N_FOLDS, thresholds=200).fit(X, y)


def deciders(results, X_train, y_train):
    """Yield what decides, its threshold, and a name."""
    plain, focal = results["cross-entropy"], results["focal, gamma 2"]
    for threshold in (0.5, BAYES):
        yield "cross-entropy, posterior", threshold, fixed(plain.classifier, threshold)
        yield "focal, posterior", threshold, fixed(focal.classifier, threshold)
        yield "focal, plain sigmoid", threshold, fixed(focal.plain, threshold)
    weighted = classifier_of(bl.CrossEntropy(pos_weight=COST_OF_MISS)).fit(X_train, y_train)
    yield f"pos_weight={COST_OF_MISS:g}, its own predict", None, weighted
    for name in ("cross-entropy", "focal, gamma 2", "Dice"):
        classifier = tuned(LOSSES[name], X_train, y_train)
        yield f"{name}, sigmoid, tuned", classifier.best_threshold_, classifier


def print_decisions(y, X, chosen):
    """Print what every decider flags, finds and costs."""
    print(f"\nA missed positive costs {COST_OF_MISS:g}, a false alarm 1: the Bayes threshold is {BAYES:.4f}.")
    print(f"{'decision by':32}{'threshold':>11}{'flagged':>10}{'recall':>9}{'precision':>11}{'cost per 1,000 rows':>24}")
    print(f"{'nobody is flagged':32}{'-':>11}{0:10.2%}{0:9.3f}{'-':>11}{1000 * COST_OF_MISS * y.mean():16.1f}")
    for name, threshold, classifier in chosen:
        decision = classifier.predict(X)
        cost = costs(y, decision)
        error = 1000 * cost.std() / np.sqrt(len(y))
        shown = "-" if threshold is None else f"{threshold:.4f}"
        print(
            f"{name:32}{shown:>11}{decision.mean():10.2%}{decision[y == 1].mean():9.3f}{y[decision == 1].mean():11.3f}"
            f"{1000 * cost.mean():16.1f} ± {error:.1f}"
        )


# -------------------------------------------------------------------------------------------------------------- figure


def draw_reliability(ax, y, results, kind):
    """Share of positives against mean probability; bins without positives have no place on a logarithmic axis."""
    ax.plot([1e-6, 1], [1e-6, 1], color="0.7", linewidth=1)
    for i, (name, result) in enumerate(results.items()):
        p = getattr(result, kind)
        if p is not None:
            probability, share, _ = bin_means(y, p)
            shown = (share > 0) & (probability > 0)
            ax.plot(probability[shown], share[shown], "o-", color=f"C{i}", markersize=3, linewidth=1.2, label=name)
    ax.set(xscale="log", yscale="log", xlim=(1e-5, 1.2), ylim=(1e-4, 1.2))
    ax.set(title=f"reliability: {kind}", xlabel="mean probability", ylabel="share of positives")


def draw_ranking(ax, y, results):
    for i, (name, result) in enumerate(results.items()):
        precision, recall, _ = precision_recall_curve(y, result.sigmoid)
        ax.plot(recall, precision, color=f"C{i}", linewidth=1.2, label=name)
    ax.set(title="precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
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
    ax.text(1.2e-4, 1000 * COST_OF_MISS * pi, "nobody is flagged", va="bottom", color="0.4")
    ax.set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(40, 1100))
    ax.set(title="cost of a threshold", xlabel="threshold", ylabel="cost per 1,000 rows")
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
    print_decisions(y_test, X_test, deciders(results, X_train, y_train))
    save_figure(y_test, results)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
