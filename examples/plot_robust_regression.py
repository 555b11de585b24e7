"""Robust regression
=================

Arrival delays: where squared error predicts worse than a constant, and what robust losses change.

Data: flights from New York in 2013; the target is the arrival delay in minutes, the features are what the schedule
tells. They say little, and delays have a long right tail: their mean is 12 minutes above their median. Squared error
predicts the mean, so in mean absolute error (MAE) it loses to the constant median. Losses that let far residuals pull
less predict something near the median. The root mean squared error (RMSE) asks for the mean, and ranks otherwise.

Flights of a day share its weather, so rows are split by day: each of five folds of days is tested once, with models
trained on 50,000 rows drawn from the days of the other four. In a random split the models would know the weather of
every day from its other flights. `Quantile()` is not in the table: it is half of `AbsoluteError()`, the trees are the
same. With all rows of the four folds MAE is .1 to .4 lower, and squared error has the smallest RMSE in both engines.

The built-in absolute error needs no loss of ours: both engines replace the leaves by medians, and it is hard to beat.
What is gained is Huber, log-cosh and the losses that level off without a scale to be chosen: a delta that is a number
holds for one unit of y only. A built-in one has a default, LightGBM's 0.9 and XGBoost's 1, in whatever unit y has.
"""

import os
from pathlib import Path

import matplotlib
import numpy as np
from lightgbm import LGBMRegressor
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold
from xgboost import XGBRegressor

import boostloss as bl
import datasets

matplotlib.use("Agg")
import matplotlib.pyplot as plt

N_FOLDS = 5
N_TRAIN = 50_000
PRINTED_DIGIT = 1e-2
LIGHTGBM_PARAMS = {"n_estimators": 100, "verbosity": -1, "n_jobs": 1}  # more threads wait for each other on a busy CPU
XGBOOST_PARAMS = {"n_estimators": 100, "learning_rate": 0.1, "enable_categorical": True, "n_jobs": 1}
SQUARED, ABSOLUTE, HUBER = "squared, built in", "absolute, built in", "Huber, built in"
BUILT_IN = {
    "LightGBM": {
        SQUARED: LGBMRegressor(**LIGHTGBM_PARAMS),
        ABSOLUTE: LGBMRegressor(objective="l1", **LIGHTGBM_PARAMS),
        HUBER: LGBMRegressor(objective="huber", **LIGHTGBM_PARAMS),
    },
    "XGBoost": {
        SQUARED: XGBRegressor(**XGBOOST_PARAMS),
        ABSOLUTE: XGBRegressor(objective="reg:absoluteerror", **XGBOOST_PARAMS),
        HUBER: XGBRegressor(objective="reg:pseudohubererror", **XGBOOST_PARAMS),
    },
}
LOSSES = {
    "Huber()": bl.Huber(),
    "LogCosh()": bl.LogCosh(),
    "AbsoluteError()": bl.AbsoluteError(),
    "Cauchy()": bl.Cauchy(),
    "Tukey()": bl.Tukey(),
}
MEDIAN, MEAN = ("constant", "median"), ("constant", "mean")
UNITS = {"hours": 1 / 60, "minutes": 1.0, "seconds": 60.0}
UNIT_MODELS = (ABSOLUTE, HUBER, "Huber()", "Cauchy()")
COLOURS = {"LightGBM": "#0072b2", "XGBoost": "#d55e00"}  # the colour-blind tell them apart, too
FIGURE = Path(__file__).parent / "output" / "robust_regression.png"


def all_models():
    """Every model by (engine, name), the constants first."""
    models = {(kind, strategy): DummyRegressor(strategy=strategy) for kind, strategy in (MEDIAN, MEAN)}
    for engine, built_in in BUILT_IN.items():
        ours = {name: bl.LossRegressor(built_in[SQUARED], loss=loss) for name, loss in LOSSES.items()}
        models |= {(engine, name): model for name, model in (built_in | ours).items()}
    return models


def day_folds(X, date):
    """Rows to train and rows to test, of different days, for every fold."""
    rng = np.random.default_rng(0)
    folds = GroupKFold(N_FOLDS, shuffle=True, random_state=0).split(X, groups=date)
    return [(np.sort(rng.choice(train, N_TRAIN, replace=False)), test) for train, test in folds]


def residuals(model, X, y, fold):
    """Prediction - y on the test rows, after training."""
    train, test = fold
    return model.fit(X.iloc[train], y[train]).predict(X.iloc[test]) - y[test]


def mean_absolute(r):
    return np.abs(r).mean()


def root_mean_square(r):
    return np.sqrt((r**2).mean())


def by_fold(metric, tested):
    """The metric of every model in every fold."""
    return {key: np.array([metric(r) for r in folds]) for key, folds in tested.items()}


def print_scores(tested, mae, rmse):
    """Print the mean of both errors over the folds, and how MAE and RMSE differ from those of the best constant."""
    print(f"{'':28}{'MAE':>8}{'against the':>14}{'folds':>8}{'RMSE':>10}{'against the':>14}{'median of':>12}")
    print(f"{'engine':10}{'loss':26}{'median':>14}{'better':>8}{'':10}{'mean':>14}{'residuals':>12}")
    for key in tested:
        engine, name = key
        gain, gain_of_square = mae[key] - mae[MEDIAN], (rmse[key] - rmse[MEAN]).mean()
        print(
            f"{engine:10}{name:18}{mae[key].mean():8.2f}{gain.mean():+9.2f} ± {gain.std(ddof=1):.2f}"
            f"{(gain < 0).sum():5} / {N_FOLDS}{rmse[key].mean():9.2f}{gain_of_square:+14.2f}"
            f"{np.median(np.concatenate(tested[key])):12.1f}"
        )
    print(f"In minutes, means over {N_FOLDS} folds of days; ± is the standard deviation over the folds.")


def print_reading(mae, rmse):
    """Say what holds and what does not, from the figures of this run."""
    ours = [key for key in mae if key[1] in LOSSES]
    worse = ["'" + " ".join(key) + "'" for key in mae if key != MEAN and (mae[key] > mae[MEDIAN]).all()]
    always = [key for key in ours if (mae[key] < mae[MEDIAN]).all()]
    not_always = ", ".join("'" + " ".join(key) + "'" for key in ours if key not in always) or "none"
    print(
        f"Worse than the constant median in MAE in every fold: {', '.join(worse) or 'none'}.\n"
        f"Of our {len(ours)} models {len(always)} beat the constant median in every fold; not so: {not_always}."
    )
    for engine in BUILT_IN:
        best, smallest = (
            min((key for key in error if key[0] == engine), key=lambda key, error=error: error[key].mean())
            for error in (mae, rmse)
        )
        ahead = [key[1] for key in ours if key[0] == engine and mae[key].mean() < mae[engine, ABSOLUTE].mean()]
        gap = rmse[engine, SQUARED].mean() - rmse[smallest].mean()
        print(
            f"{engine}: MAE is smallest for {best[1]!r}; ahead of the built-in absolute error: "
            f"{', '.join(ahead) or 'none'}.\n    RMSE is smallest for {smallest[1]!r}"
            + (f"; that of squared error is {gap:.2f} larger." if gap > PRINTED_DIGIT else ".")
        )


def errors_by_unit(models, mae, X, y, fold):
    """MAE in minutes on the first fold, where y comes in another unit; in minutes it is known."""
    return {
        key: [
            mae[key][0] if factor == 1 else mean_absolute(residuals(model, X, y * factor, fold)) / factor
            for factor in UNITS.values()
        ]
        for key, model in models.items()
        if key[1] in UNIT_MODELS
    }


def print_units(by_unit):
    print("\nMAE in minutes on the first fold, with y in" + "".join(f"{unit:>10}" for unit in UNITS))
    for (engine, name), errors in by_unit.items():
        print(f"{engine:10}{name:33}" + "".join(f"{error:10.2f}" for error in errors))
    spread = {key: max(errors) - min(errors) for key, errors in by_unit.items()}
    ours = max(spread[key] for key in spread if key[1] in LOSSES)
    theirs = {engine: spread[engine, HUBER] for engine in BUILT_IN}
    print(
        f"The unit moves ours by at most {ours:.2f} and the built-in Huber by "
        + ", ".join(f"{s:.2f} ({engine})" for engine, s in theirs.items())
        + ".\nXGBoost's is the pseudo-Huber loss."
    )


def draw_gains(ax, error, reference, title):
    """A bar for the mean difference to the best constant, a dot for every fold; to the left is better."""
    names = [*BUILT_IN["LightGBM"], *LOSSES]
    for i, (engine, colour) in enumerate(COLOURS.items()):
        gains = np.array([error[engine, name] - error[reference] for name in names])
        at = np.arange(len(names)) + 0.4 * i - 0.2
        ax.barh(at, gains.mean(axis=1), height=0.36, color=colour, alpha=0.6, label=engine)
        ax.plot(gains, at[:, None] + np.zeros(N_FOLDS), ".", color=colour, markersize=5)
    ax.axvline(0, color="0.3", linewidth=1)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(title=title, xlabel="minutes; left of 0 is better; dots: folds")
    ax.legend(fontsize="small", loc="lower left" if reference == MEAN else "upper right")


def draw_residuals(ax, tested, engine):
    """How often a residual is how large: squared error predicts too much for most flights."""
    bins = np.arange(-120, 81, 4.0)
    keys = MEDIAN, (engine, SQUARED), (engine, "Huber()"), (engine, "Tukey()")
    for key, colour in zip(keys, ("0.5", "#d55e00", "#0072b2", "#009e73"), strict=True):
        r = np.concatenate(tested[key])
        label = f"{' '.join(key) if key == MEDIAN else key[1]}; median {np.median(r):+.0f}"
        share, _ = np.histogram(r, bins)
        ax.stairs(100 * share / len(r), bins, color=colour, label=label, linewidth=1.4)
    ax.axvline(0, color="0.7", linewidth=1)
    ax.set(title=f"residuals in {engine}", xlabel="prediction - delay, minutes", ylabel="% of flights per 4 minutes")
    ax.legend(fontsize="small", loc="upper left")


def draw_units(ax, by_unit, median):
    """The same model, with y in three units."""
    styles = {ABSOLUTE: (":", "s"), HUBER: ("--", "D"), "Huber()": ("-", "o"), "Cauchy()": ("-", "^")}
    for (engine, name), errors in by_unit.items():
        line, marker = styles[name]
        ax.plot(list(UNITS), errors, line, marker=marker, color=COLOURS[engine], label=f"{engine}, {name}")
    ax.axhline(median, color="0.5", linewidth=1)
    ax.text(0, median, "constant median", va="bottom", color="0.4")
    ax.set(title="first fold, y in another unit", xlabel="unit of y in training", ylabel="MAE, minutes")
    ax.legend(fontsize="small")


def save_figure(tested, mae, rmse, by_unit):
    fig, axes = plt.subplots(2, 2, figsize=(13, 10), layout="constrained")
    draw_gains(axes[0, 0], mae, MEDIAN, "MAE against that of the constant median")
    draw_gains(axes[0, 1], rmse, MEAN, "RMSE against that of the constant mean")
    draw_residuals(axes[1, 0], tested, "LightGBM")
    draw_units(axes[1, 1], by_unit, mae[MEDIAN][0])
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, dpi=110)


def main():
    X, y, date = datasets.flights()
    y = y.to_numpy(float)
    models, folds = all_models(), day_folds(X, date)
    print(
        f"Flights: {len(y):,} rows of {date.nunique()} days; {N_TRAIN:,} to train and {len(y) // N_FOLDS:,} to test in "
        f"each of {N_FOLDS} folds.\n"
        f"Delay: median {np.median(y):.0f}, mean {y.mean():.1f}, largest {y.max():.0f} minutes.\n"
    )
    tested = {key: [residuals(model, X, y, fold) for fold in folds] for key, model in models.items()}
    mae, rmse = by_fold(mean_absolute, tested), by_fold(root_mean_square, tested)
    print_scores(tested, mae, rmse)
    print_reading(mae, rmse)
    by_unit = errors_by_unit(models, mae, X, y, folds[0])
    print_units(by_unit)
    save_figure(tested, mae, rmse, by_unit)
    print(f"Figure: {os.path.relpath(FIGURE)}")


if __name__ == "__main__":
    main()
