"""Seven classes, two of them rare
===============================

Seven classes, two of them below one percent: what class weights and focal loss change, and what they do not.

Data: persons in fatal road accidents (FARS); the outcome is the severity of the injury. Class weights move decisions
towards rare classes. They also distort the softmax, as focal loss does; `predict_proba` takes both out again.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import xgboost as xgb
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split

import boostloss as bl
import boostloss.xgboost
import datasets

matplotlib.use("Agg")
import matplotlib.pyplot as plt

N_ROUNDS = 40
PARAMS = {"eta": 0.3, "max_depth": 5}
PRINTED_DIGIT = 1e-3
FIGURE = Path(__file__).parent / "output" / "multiclass.png"
LOSSES = {
    "cross-entropy": bl.CrossEntropy(),
    "balanced": bl.CrossEntropy(class_weight="balanced"),
    "focal, gamma 2": bl.Focal(gamma=2.0),
    "focal, balanced": bl.Focal(gamma=2.0, class_weight="balanced"),
}


@dataclass
class Result:
    """Test-set decisions and probabilities of one loss."""

    decision: np.ndarray
    softmax: np.ndarray
    posterior: np.ndarray

    def recall(self, y):
        """The share of every class that is recognised."""
        return confusion_matrix(y, self.decision, normalize="true").diagonal()


def train(loss, dtrain, dtest):
    """Train with XGBoost; decide with the loss's class weights as costs."""
    booster = boostloss.xgboost.train(PARAMS, dtrain, N_ROUNDS, loss=loss)
    margins = booster.predict(dtest, output_margin=True)
    resolved = loss.resolve(dtrain.get_label())
    return Result(resolved.predict(margins), booster.predict(dtest), boostloss.xgboost.predict_proba(booster, dtest))


def print_recall(names, y, results):
    """Print the recall of every class, the most frequent one first."""
    share = np.bincount(y) / len(y)
    width = max(map(len, names)) + 2
    print(f"{'recall of':{width}}{'share':>8}" + "".join(f"{name:>18}" for name in results))
    recall = {name: result.recall(y) for name, result in results.items()}
    for k in np.argsort(-share):
        print(f"{names[k]:{width}}{share[k]:8.2%}" + "".join(f"{recall[name][k]:18.3f}" for name in results))


def print_scores(y, results):
    """Print accuracy, mean recall, and the log-loss of the plain softmax and of the posterior."""
    print(f"\n{'loss':20}{'accuracy':>12}{'mean recall':>14}{'log-loss: softmax':>20}{'posterior':>12}")
    for name, result in results.items():
        accuracy, balanced = accuracy_score(y, result.decision), balanced_accuracy_score(y, result.decision)
        softmax, posterior = log_loss(y, result.softmax), log_loss(y, result.posterior)
        print(f"{name:20}{accuracy:12.3f}{balanced:14.3f}{softmax:20.4f}{posterior:12.4f}")


def print_reading(names, y, results):
    """Say what the weights bought and cost, and what recovery did, from the figures of this run."""
    plain, weighted = results["cross-entropy"], results["balanced"]
    gain = weighted.recall(y) - plain.recall(y)
    rows = np.bincount(y)
    rare = int(np.argmin(rows))
    caught = [int((result.decision[y == rare] == rare).sum()) for result in (plain, weighted)]
    claimed = int((weighted.decision == rare).sum())
    print(
        f"\nBalanced weights: recall higher for {(gain > PRINTED_DIGIT).sum()} of {len(gain)} classes and lower for "
        f"{(gain < -PRINTED_DIGIT).sum()}, accuracy {accuracy_score(y, plain.decision):.3f} -> "
        f"{accuracy_score(y, weighted.decision):.3f}.\n"
        f"Of {rows[rare]} rows of {names[rare]!r}, the rarest class, {caught[1]} are found instead of {caught[0]}; "
        f"{claimed - caught[1]} of {claimed} rows called so are something else."
    )
    change = {name: log_loss(y, r.posterior) - log_loss(y, r.softmax) for name, r in results.items()}
    posterior = {name: log_loss(y, result.posterior) for name, result in results.items()}
    best, worst = min(posterior, key=posterior.get), max(posterior, key=posterior.get)
    print(
        f"Recovery lowered the log-loss of {sum(c < -PRINTED_DIGIT for c in change.values())} and raised that of "
        f"{sum(c > PRINTED_DIGIT for c in change.values())} of {len(change)} models. The best probabilities are those "
        f"of {best!r} ({posterior[best]:.4f}), the worst those of {worst!r} ({posterior[worst]:.4f})."
    )


def save_figure(names, y, results):
    """One confusion matrix per loss, rows normalised to one."""
    order = np.argsort(-np.bincount(y))
    fig, axes = plt.subplots(2, 2, figsize=(12, 11), layout="constrained", sharex=True, sharey=True)
    for ax, (name, result) in zip(axes.flat, results.items(), strict=True):
        shares = confusion_matrix(y, result.decision, normalize="true")[np.ix_(order, order)]
        image = ax.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        for i, j in np.ndindex(shares.shape):
            colour = "white" if shares[i, j] > 0.5 else "black"
            ax.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", color=colour, fontsize="small")
        mean = balanced_accuracy_score(y, result.decision)
        ax.set_title(f"{name}: mean recall {mean:.3f}, accuracy {accuracy_score(y, result.decision):.3f}")
        ax.set_xticks(range(len(order)), [names[k] for k in order], rotation=30, ha="right")
        ax.set_yticks(range(len(order)), [names[k] for k in order])
    for ax in axes[:, 0]:
        ax.set_ylabel("true class")
    for ax in axes[1]:
        ax.set_xlabel("decision")
    fig.colorbar(image, ax=axes, label="share of the true class", shrink=0.6)
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, dpi=120)


def main():
    X, y = datasets.fars("severity")
    names, y = [name.replace("_", " ") for name in y.cat.categories], y.cat.codes.to_numpy()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    print(f"FARS: {len(y):,} rows, {len(names)} classes; {len(y_train):,} to train, {len(y_test):,} to test.\n")
    dtrain = xgb.DMatrix(X_train, y_train, enable_categorical=True)
    dtest = xgb.DMatrix(X_test, enable_categorical=True)
    results = {name: train(loss, dtrain, dtest) for name, loss in LOSSES.items()}
    print_recall(names, y_test, results)
    print_scores(y_test, results)
    print_reading(names, y_test, results)
    save_figure(names, y_test, results)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
