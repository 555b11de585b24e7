"""Prediction intervals
====================

Prediction intervals for arrival delays: two quantiles, and what conformal calibration adds to them.

Data: flights from New York in 2013. One model with three outputs predicts the quantiles .05, .5 and .95 of the delay;
between the outer two 90 % of the flights should arrive. Trained quantiles are usually too narrow on new days.
Conformalised quantile regression (CQR; Romano, Patterson & Candes 2019) widens or narrows every interval by one number,
that which would have covered 90 % of a calibration set. MAPIE does that; it can be handed our predictions.

Rows must be exchangeable for the guarantee. Flights of a day share its weather, so days are what is drawn: training,
calibration and test rows are of different days, and the calibration days are spread over the year. Calibrating on other
flights of the training days looks fine and is not: the model knows their weather. The guarantee holds for the average
over days and flights only. By hour a single number covers mornings too often and evenings too seldom; one number for
every part of the day (Mondrian calibration) repairs that. Few days remain few: folds and months still differ.

On data with exchangeable rows (60/20/20 %, ours in LightGBM and XGBoost, mean of 10 to 20 splits) coverage was, raw and
conformal: casp 92.7 and 93.1 -> 90.0 and 90.0 %, compactiv 93.1 and 94.1 -> 90.0 and 90.0, puma32h 92.4 and 92.8 ->
89.8 and 89.8, red wine 78.5 and 83.8 -> 90.2 and 89.3, white wine 86.8 and 88.3 -> 90.3 and 89.9.
"""

import os
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from mapie.regression import ConformalizedQuantileRegressor
from sklearn.model_selection import GroupKFold
from xgboost import XGBRegressor

import boostloss as bl
import datasets

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEVELS = [0.05, 0.5, 0.95]
COVERAGE = 0.9
N_FOLDS = 5
N_ROWS = 40_000  # to train and to calibrate; all rows of the test days are tested
ENGINES = {  # one thread: more wait for each other on a busy CPU
    "LightGBM": LGBMRegressor(n_estimators=100, verbosity=-1, n_jobs=1),
    "XGBoost": XGBRegressor(n_estimators=100, learning_rate=0.1, enable_categorical=True, n_jobs=1),
}
PARTS = {"5-8": 8, "9-12": 12, "13-16": 16, "17-20": 20, "21-23": 23}  # last hour
CONSTANT, RAW, SAME_DAYS = "constant quantiles", "raw", "conformal, training days"
CONFORMAL, BY_PART = "conformal", "conformal by part of the day"
COLOURS = {RAW: "#d55e00", SAME_DAYS: "#cc79a7", CONFORMAL: "#0072b2", BY_PART: "#009e73"}
FIGURE = Path(__file__).parent / "output" / "intervals.png"


class Column:
    """One column of predictions as a trained estimator.

    MAPIE wants a trained estimator for every quantile and gives each of them X. Handing it predictions for X trains and
    predicts once. It would also try an estimator with `n_features_in_` on an array of zeros, which a model of a data
    frame with categories need not take.
    """

    is_fitted = True  # asked for by MAPIE

    def __init__(self, index):
        self.index = index

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, self.index]


def conformal(calibration, y, prediction):
    """Intervals (n, 2) for rows with predicted quantiles `prediction`, calibrated on rows with known y.

    Predicted quantiles ascend. Where the correction narrows them, MAPIE may log "The predictions are ill-sorted": in a
    few rows (none to 4 of 65,000, by tenths of a minute) the interval then ends short of the predicted median. No
    interval is inverted, and the guarantee is about its ends alone, so nothing is to be sorted.
    """
    columns = [Column(0), Column(2), Column(1)]  # MAPIE's order: lower, upper, median
    cqr = ConformalizedQuantileRegressor(columns, confidence_level=COVERAGE, prefit=True)
    return cqr.conformalize(calibration, y).predict_interval(prediction, symmetric_correction=True)[1][:, :, 0]


def conformal_by_group(calibration, y, calibration_group, prediction, group):
    """The same with a calibration of its own for every group."""
    intervals = np.empty((len(prediction), 2))
    for g in np.unique(group):
        known, asked = calibration_group == g, group == g
        intervals[asked] = conformal(calibration[known], y[known], prediction[asked])
    return intervals


def part_of_day(X):
    """Index of the part of the day of the scheduled departure."""
    return np.searchsorted(list(PARTS.values()), X["hour"].to_numpy())


def day_folds(X, date):
    """Rows to train, rows of the same days, rows to calibrate and rows to test, for every fold of days."""
    rng = np.random.default_rng(0)
    splits = GroupKFold(N_FOLDS, shuffle=True, random_state=0).split(X, groups=date)
    folds = [rng.permutation(rows) for _, rows in splits]
    for k in range(N_FOLDS):
        test, calibration, *rest = folds[k:] + folds[:k]
        train = rng.permutation(np.concatenate(rest))
        yield train[:N_ROWS], train[N_ROWS : 2 * N_ROWS], calibration[:N_ROWS], test


def intervals_of(model, X, y, fold):
    """Intervals for the test rows, by every way to come to them."""
    train, same_days, calibration, test = fold
    model.fit(X.iloc[train], y[train])
    predicted = {rows: model.predict(X.iloc[index]) for rows, index in zip("sct", fold[1:], strict=True)}
    part = part_of_day(X)
    return {
        CONSTANT: np.tile(np.quantile(y[train], (LEVELS[0], LEVELS[-1])), (len(test), 1)),
        RAW: predicted["t"][:, [0, 2]],
        SAME_DAYS: conformal(predicted["s"], y[same_days], predicted["t"]),
        CONFORMAL: conformal(predicted["c"], y[calibration], predicted["t"]),
        BY_PART: conformal_by_group(predicted["c"], y[calibration], part[calibration], predicted["t"], part[test]),
    }


def interval_score(y, low, high):
    """Width plus 2 / (1 - coverage) times the distance of what lies outside (Gneiting & Raftery 2007); low is good."""
    return high - low + 2 / (1 - COVERAGE) * (np.maximum(low - y, 0) + np.maximum(y - high, 0))


def tested_intervals(estimator, X, y, folds):
    """One row for every test flight and way to an interval."""
    model = bl.LossRegressor(estimator, loss=bl.Quantile(quantile=LEVELS))
    frames = []
    for k, fold in enumerate(folds):
        test = fold[-1]
        for way, interval in intervals_of(model, X, y, fold).items():
            low, high = interval.T
            covered, score = (low <= y[test]) & (y[test] <= high), interval_score(y[test], low, high)
            frame = X.iloc[test][["carrier", "origin", "month", "hour"]]
            frames.append(frame.assign(way=way, fold=k, covered=covered, width=high - low, score=score))
    return pd.concat(frames)


def print_engine(engine, rows):
    """Print coverage and width over all test flights, and the spread of coverage over the folds."""
    by_fold = rows.groupby(["way", "fold"], sort=False)[["covered", "width", "score"]].mean().unstack()
    for way, row in by_fold.iterrows():
        covered = 100 * row["covered"]
        print(
            f"{engine:10}{way:32}{covered.mean():8.1f} ± {covered.std():.1f}{covered.min():9.1f}"
            f"{row['width'].mean():10.1f}{row['score'].mean():10.1f}"
        )


def print_groups(engine, rows):
    """Print the lowest and the highest coverage among groups of at least 1,000 test flights."""
    groups = ("part of day", "carrier", "origin", "month")
    print(f"\n{engine + ', coverage of groups':30}" + "".join(f"{group:>22}" for group in groups))
    parts = np.array(list(PARTS))[part_of_day(rows)]
    for way, rows_of_way in rows.assign(**{"part of day": parts}).groupby("way", sort=False):
        cells = []
        for group in groups:
            covered = rows_of_way.groupby(group, observed=True)["covered"].agg(["mean", "size"])
            covered = 100 * covered.loc[covered["size"] >= 1000, "mean"]
            cells.append(f"{covered.min():.1f} ({covered.idxmin()}) .. {covered.max():.1f}")
        print(f"{way:30}" + "".join(f"{cell:>22}" for cell in cells))


def print_reading(tested):
    """Say what calibration changed, from the figures of this run."""
    for engine, rows in tested.items():
        covered = 100 * rows.groupby("way")["covered"].mean()
        part = 100 * rows.groupby(["way", part_of_day(rows)])["covered"].mean().unstack()
        spread = part.max(axis=1) - part.min(axis=1)
        print(
            f"{engine}: of {100 * COVERAGE:.0f} % raw intervals cover {covered[RAW]:.1f}, calibrated on training days "
            f"{covered[SAME_DAYS]:.1f}, on other days {covered[CONFORMAL]:.1f}.\n    Between parts of the day coverage "
            f"differs by up to {spread[CONFORMAL]:.1f} points, by {spread[BY_PART]:.1f} if each is calibrated alone."
        )


def draw_by(ax, rows, group, label):
    """Coverage by group."""
    for way, colour in COLOURS.items():
        covered = 100 * rows[rows["way"] == way].groupby(group)["covered"].mean()
        ax.plot(covered.index, covered, "o-", color=colour, markersize=4, linewidth=1.2, label=way)
    ax.axhline(100 * COVERAGE, color="0.5", linewidth=1)
    ax.set(xlabel=label, ylabel="flights covered, %", xticks=range(rows[group].min(), rows[group].max() + 1, 2))


def draw_folds(ax, tested):
    """Coverage of every fold of days."""
    ticks = []
    for i, (engine, rows) in enumerate(tested.items()):
        by_fold = 100 * rows.groupby(["way", "fold"])["covered"].mean().unstack()
        for j, (way, colour) in enumerate(COLOURS.items()):
            at = 5 * i + j
            ax.plot(np.full(N_FOLDS, at), by_fold.loc[way], "o", color=colour, alpha=0.5, markersize=5)
            ax.plot([at - 0.3, at + 0.3], [by_fold.loc[way].mean()] * 2, color=colour, linewidth=2.5)
        ticks.append((5 * i + 1.5, engine))
    ax.axhline(100 * COVERAGE, color="0.5", linewidth=1)
    ax.set_xticks(*zip(*ticks, strict=True))
    ax.set(title="coverage of every fold of days; bars: means", ylabel="flights covered, %")


def draw_width(ax, rows):
    """Mean width by hour."""
    for way in (RAW, CONFORMAL, BY_PART):
        width = rows[rows["way"] == way].groupby("hour")["width"].mean()
        ax.plot(width.index, width, "o-", color=COLOURS[way], markersize=4, linewidth=1.2)
    constant = rows.loc[rows["way"] == CONSTANT, "width"].mean()
    ax.axhline(constant, color="0.5", linewidth=1)
    ax.text(5, constant, "constant quantiles", va="bottom", color="0.4")
    ax.set(title="LightGBM: mean width", xlabel="hour of the scheduled departure", ylabel="minutes", ylim=(0, None))
    ax.set_xticks(range(5, 24, 2))


def save_figure(tested):
    fig, axes = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
    rows = tested["LightGBM"]
    draw_folds(axes[0, 0], tested)
    draw_by(axes[0, 1], rows, "hour", "hour of the scheduled departure")
    axes[0, 1].set_title("LightGBM: coverage by hour")
    axes[0, 1].legend(fontsize="small")
    draw_width(axes[1, 0], rows)
    draw_by(axes[1, 1], rows, "month", "month")
    axes[1, 1].set_title("LightGBM: coverage by month")
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, dpi=110)


def main():
    X, y, date = datasets.flights()
    y, folds = y.to_numpy(float), list(day_folds(X, date))
    print(
        f"Flights: {len(y):,} rows of {date.nunique()} days; {N_ROWS:,} to train, {N_ROWS:,} of other days to\n"
        "calibrate, all of a fifth of the days to test, five times.\n"
    )
    print(f"{'':42}{'covered, %':>14}{'lowest':>9}{'width,':>9}{'interval':>10}")
    print(f"{'engine':10}{'interval':32}{f'{N_FOLDS} folds of days':>16}{'fold':>7}{'minutes':>9}{'score':>10}")
    tested = {}
    for engine, estimator in ENGINES.items():
        tested[engine] = tested_intervals(estimator, X, y, folds)
        print_engine(engine, tested[engine])
    for engine, rows in tested.items():
        print_groups(engine, rows)
    print()
    print_reading(tested)
    save_figure(tested)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
