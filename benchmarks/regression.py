"""Are the defaults of the residual and quantile losses as good as the engines' built-ins on real data?

    python benchmarks/regression.py [--quick] [--cache FILE] [--folds 0 1 ...] [--engines xgboost lightgbm]

One line of JSON per training goes to the cache: a run that is stopped goes on where it was, and a run with another
Python adds the releases of the engines it has. The table is made of all that is there.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from boostloss import AbsoluteError, Huber, LogCosh, Quantile
from boostloss.losses import Loss
from report import machine, publish, table

sys.path.append(str(Path(__file__).parents[1] / "examples"))
import datasets

RATES = (0.3, 0.1, 0.05)
N_FOLDS = 5
N_ROWS = 10_000  # at most, a seeded draw
ROUNDS = (100, 200)
N_STOPPED, PATIENCE, VALIDATION = 1000, 50, 0.2
LEVELS = (0.1, 0.5, 0.9)
UNIT = 1e4, 1e6  # y times the first plus the second

OURS = (*(Quantile(quantile=level) for level in LEVELS), AbsoluteError(), Huber(), LogCosh())
IN_ANOTHER_UNIT = tuple(loss for loss in OURS if not isinstance(loss, AbsoluteError))

# ---------------------------------------------------------------------------------------------------------------- data


def _of_wine(colour):
    return lambda: datasets.wine_quality(colour)


SETS = {
    "casp": datasets.casp,
    "compactiv": datasets.compactiv,
    "puma32h": datasets.puma32h,
    "wine red": _of_wine("red"),
    "wine white": _of_wine("white"),
    "flights": datasets.flights,
}
QUICK_SETS = ("wine red",)


def read(name):
    """X with categories as integers, y, and what must not be torn apart: the day of a flight, else the row."""
    X, y, *group = SETS[name]()
    chosen = np.random.default_rng(0).permutation(len(y))[:N_ROWS]
    codes = X.iloc[chosen].apply(lambda column: column.cat.codes if column.dtype == "category" else column)
    group = pd.factorize(group[0].iloc[chosen])[0] if group else np.arange(len(chosen))
    return codes.to_numpy(np.float32), y.iloc[chosen].to_numpy(np.float64), group


def split(data, fold):
    """Rows for training and for testing, and those for training split once more for early stopping."""
    X, y, group = data
    folds = GroupKFold(N_FOLDS, shuffle=True, random_state=0).split(X, y, group)
    train, test = list(folds)[fold]
    inner = GroupShuffleSplit(1, test_size=VALIDATION, random_state=fold).split(train, groups=group[train])
    fitted, watched = next(inner)
    return train, test, train[fitted], train[watched]


# ------------------------------------------------------------------------------------------------------------- engines


class LightGBM:
    """LightGBM at its defaults, one thread; a model is a loss of ours or the parameters of a built-in."""

    module = "lightgbm"
    default_rate = 0.1
    built_in = {  # noqa: RUF012  # a constant
        **{f"quantile {level}": {"objective": "quantile", "alpha": level, "metric": "quantile"} for level in LEVELS},
        **{name: {"objective": name, "metric": "l1"} for name in ("l1", "huber", "fair")},
    }

    def __init__(self):
        import lightgbm

        self.engine, self.name = lightgbm, f"LightGBM {lightgbm.__version__}"

    def data(self, X, y, reference=None):
        return self.engine.Dataset(X, y, reference=reference, params={"verbosity": -1, "num_threads": 1})

    def fit(self, model, rate, train, n_rounds, watched=None):
        """A booster and its number of rounds."""
        params = {"learning_rate": rate, "num_threads": 1, "verbosity": -1}
        arguments = {"num_boost_round": n_rounds}
        if watched is not None:
            stop = self.engine.early_stopping(PATIENCE, verbose=False)
            arguments |= {"valid_sets": [watched], "callbacks": [stop]}
        if isinstance(model, Loss):
            booster = import_module("boostloss.lightgbm").train(params, train, loss=model, **arguments)
        else:
            booster = self.engine.train(params | model, train, **arguments)
        return booster, booster.best_iteration if watched is not None else n_rounds

    def predict(self, booster, X, n_rounds):
        return booster.predict(X, num_iteration=n_rounds, num_threads=1)


class XGBoost:
    """XGBoost at its defaults, one thread; a model is a loss of ours or the parameters of a built-in."""

    module = "xgboost"
    default_rate = 0.3
    built_in = {  # noqa: RUF012  # a constant
        **{
            f"quantile {level}": {"objective": "reg:quantileerror", "quantile_alpha": level, "eval_metric": "quantile"}
            for level in LEVELS
        },
        "absoluteerror": {"objective": "reg:absoluteerror", "eval_metric": "mae"},
        "pseudohubererror": {"objective": "reg:pseudohubererror", "eval_metric": "mae"},
    }

    def __init__(self):
        import xgboost

        self.engine, self.name = xgboost, f"XGBoost {xgboost.__version__}"

    def data(self, X, y, reference=None):
        return self.engine.QuantileDMatrix(X, y, ref=reference, nthread=1)

    def fit(self, model, rate, train, n_rounds, watched=None):
        """A booster and its number of rounds."""
        params = {"learning_rate": rate, "nthread": 1, "verbosity": 0}
        arguments = {"num_boost_round": n_rounds, "verbose_eval": False}
        if watched is not None:
            arguments |= {"evals": [(watched, "watched")], "early_stopping_rounds": PATIENCE}
        if isinstance(model, Loss):
            booster = import_module("boostloss.xgboost").train(params, train, loss=model, **arguments)
        else:
            booster = self.engine.train(params | model, train, **arguments)
        return booster, booster.best_iteration + 1 if watched is not None else n_rounds

    def predict(self, booster, X, n_rounds):
        return booster.inplace_predict(X, iteration_range=(0, n_rounds))


ENGINES = {engine.module: engine for engine in (XGBoost, LightGBM)}


# -------------------------------------------------------------------------------------------------------------- scores


def scores_of(y_train):
    """Losses by which all models are judged; Huber and log-cosh with one scale, that of the training labels."""
    scale = 1.4826 * np.median(np.abs(y_train - np.median(y_train)))
    scale = scale if scale > 0 else np.std(y_train)  # more than half of the labels are one number
    huber, log_cosh = Huber(delta=1.345 * scale), LogCosh(scale=1.205 * scale)

    def scores(y, prediction):
        r = np.asarray(prediction, np.float64) - y
        pinball = {f"pinball {level}": np.mean(np.maximum((1 - level) * r, -level * r)) for level in LEVELS}
        return {name: float(value) for name, value in pinball.items()} | {
            "absolute": float(np.mean(np.abs(r))),
            "Huber": float(np.mean(huber.loss(y, y + r))),
            "log-cosh": float(np.mean(log_cosh.loss(y, y + r))),
            "below": float(np.mean(r >= 0)),
        }

    return scores


# ----------------------------------------------------------------------------------------------------------- trainings


def records_of(engine, data, fold, rates, ours, done, stopped=True):
    """One record per training that is not `done`: what is trained for 200 rounds, until it stops, in another unit."""
    X, y, _ = data
    train, test, fitted, watched = split(data, fold)
    factor, shift = UNIT
    parts = SimpleNamespace()

    def part(name, rows, labels, reference=None):
        if not hasattr(parts, name):
            setattr(parts, name, engine.data(X[rows], labels[rows], reference))
        return getattr(parts, name)

    def models(chosen):
        return {repr(loss): loss for loss in chosen} | engine.built_in

    def key(model, rate, kind):
        return {"engine": engine.name, "fold": fold, "rate": rate, "kind": kind, "model": model}

    scores, scores_in_unit = scores_of(y[train]), scores_of(factor * y[train] + shift)
    for rate in rates:
        for name, model in models(ours).items():
            record = key(name, rate, "rounds")
            if not done(record):
                booster, _ = engine.fit(model, rate, part("train", train, y), ROUNDS[-1])
                by_round = {str(n): scores(y[test], engine.predict(booster, X[test], n)) for n in ROUNDS}
                yield record | {"scores": by_round}
            record = key(name, rate, "stopped")
            if stopped and not done(record):
                inner = part("fitted", fitted, y)
                booster, n = engine.fit(model, rate, inner, N_STOPPED, part("watched", watched, y, inner))
                stop = scores(y[test], engine.predict(booster, X[test], n))
                yield record | {"n_rounds": n, "scores": {"stopped": stop}}
    rate = engine.default_rate
    for name, model in models(loss for loss in ours if loss in IN_ANOTHER_UNIT).items():
        record = key(name, rate, "unit")
        if not done(record):
            scaled = factor * y + shift
            booster, _ = engine.fit(model, rate, part("scaled", train, scaled), ROUNDS[0])
            prediction = engine.predict(booster, X[test], ROUNDS[0])
            yield record | {"scores": {"unit": scores_in_unit(scaled[test], prediction)}}


def measure(cache, engines, sets, rates, folds, ours=OURS, stopped=True):
    """Do what the cache has not."""
    known = {_identity(json.loads(line)) for line in cache.read_text().splitlines()} if cache.exists() else set()
    for fold in folds:
        for name in sets:
            data = read(name)
            for engine in engines:
                done = partial(_is_known, known, name)
                with cache.open("a") as lines:
                    for record in records_of(engine, data, fold, rates, ours, done, stopped):
                        print(json.dumps({"set": name} | record), file=lines, flush=True)


def _is_known(known, name, record):
    return _identity(record | {"set": name}) in known


def _identity(record):
    return tuple(record[name] for name in ("engine", "set", "fold", "rate", "kind", "model"))


# -------------------------------------------------------------------------------------------------------------- tables


class Results:
    """Scores of the trainings in a cache, by cell: the mean over the folds that have every model."""

    def __init__(self, records):
        self.by_fold = defaultdict(dict)
        for record in records:
            for measure, scores in record["scores"].items():
                cell = record["engine"], measure, record["set"], record["rate"]
                self.by_fold[cell].setdefault(record["fold"], {})[record["model"]] = scores
        self.engines = sorted({cell[0] for cell in self.by_fold})
        self.sets = [name for name in SETS if any(cell[2] == name for cell in self.by_fold)]

    def cells(self, engine, measure, models):
        """Mean scores of these models: {(set, rate): {model: {score: mean}}}."""
        found = {}
        for (name, kind, *cell), folds in self.by_fold.items():
            full = [scores for scores in folds.values() if scores.keys() >= set(models)]
            if (name, kind) == (engine, measure) and full:
                found[tuple(cell)] = {
                    model: {score: np.mean([scores[model][score] for scores in full]) for score in full[0][model]}
                    for model in models
                }
        return found

    def n_folds(self):
        """The least number of folds of a cell."""
        return min(map(len, self.by_fold.values()))

    def ratios(self, engine, measure, loss, score=None):
        """Ours divided by the better built-in, by cell."""
        ours, rivals, score = repr(loss), rivals_of(engine, loss), score or score_of(loss)
        return {
            cell: scores[ours][score] / min(scores[rival][score] for rival in rivals)
            for cell, scores in self.cells(engine, measure, (ours, *rivals)).items()
        }


def score_of(loss):
    """What a loss of ours is judged by."""
    if isinstance(loss, Quantile):
        return f"pinball {loss.quantile}"
    return {AbsoluteError: "absolute", Huber: "Huber", LogCosh: "log-cosh"}[type(loss)]


def rivals_of(engine, loss):
    """The built-ins that estimate the same: for the centre all but the outer quantiles."""
    built_in = ENGINES[engine.partition(" ")[0].lower()].built_in
    level = getattr(loss, "quantile", 0.5)
    if level != 0.5:
        return (f"quantile {level}",)
    return tuple(name for name in built_in if name not in ("quantile 0.1", "quantile 0.9"))


MEASURES = {"100": "100 rounds", "200": "200 rounds", "stopped": "early stopping", "unit": "another unit"}


def geometric_mean(ratios):
    return f"{np.exp(np.mean(np.log(list(ratios)))):.3f}" if ratios else "-"


def in_words(cell):
    name, rate = cell
    return f"{name} at {rate}"


def summary_rows(results):
    """Geometric means of the ratios, the worst cell, the share of cells above 1.02."""
    for loss in OURS:
        for engine in results.engines:
            ratios = {kind: results.ratios(engine, kind, loss) for kind in MEASURES}
            plain = {(*cell, kind): r for kind in ("100", "200", "stopped") for cell, r in ratios[kind].items()}
            if not plain:
                continue
            worst = max(plain, key=plain.get)
            means = (geometric_mean(r.values()) for r in ratios.values())
            bad = np.mean([r > 1.02 for r in plain.values()])
            where = f"{plain[worst]:.2f}: {in_words(worst[:2])}, {MEASURES[worst[2]]}"
            yield repr(loss), score_of(loss), engine, *means, where, f"{bad:.2f}"


def absolute_error_rows(results):
    """Mean absolute error of the losses that are judged by themselves."""
    for loss in (Huber(), LogCosh()):
        for engine in results.engines:
            ratios = (results.ratios(engine, kind, loss, "absolute") for kind in MEASURES)
            yield repr(loss), engine, *(geometric_mean(r.values()) for r in ratios)


def coverage_rows(results):
    """Share of y not above the predicted quantile, mean over the cells, ours and the built-in's."""
    for loss in OURS:
        if not isinstance(loss, Quantile) or loss.quantile == 0.5:
            continue
        for engine in results.engines:
            (rival,) = rivals_of(engine, loss)
            for model, title in ((repr(loss), "boostloss"), (rival, "built-in")):
                cells = (results.cells(engine, kind, (model,)).values() for kind in ("100", "200", "stopped"))
                shares = (np.mean([scores[model]["below"] for scores in cell]) for cell in cells)
                yield f"{loss.quantile}", engine, title, *(f"{share:.3f}" for share in shares)


def breakdown_rows(results, position, values):
    """Geometric means over 100 and 200 rounds and early stopping by set (position 0) or by rate (1)."""
    for value in values:
        for engine in results.engines:
            row = []
            for loss in OURS:
                kinds = (results.ratios(engine, kind, loss).items() for kind in ("100", "200", "stopped"))
                row.append(geometric_mean([r for cells in kinds for cell, r in cells if cell[position] == value]))
            yield value, engine, *row


def report(results):
    """The published text."""
    titles = [repr(loss) for loss in OURS]
    measures = tuple(MEASURES.values())
    n_folds = results.n_folds()
    return "\n\n".join(
        [
            "# Defaults of the residual and quantile losses on real data",
            f"Measured on {machine('numpy', 'scikit-learn')}; {', '.join(results.engines)}.\n"
            f"{', '.join(results.sets)}; at most {N_ROWS:,} rows of each, {n_folds} of {N_FOLDS} folds (flights split "
            "by day), categories as integers, engine defaults but for the learning rate, one thread.\n\n"
            "A ratio is the held-out loss of ours divided by that of the best built-in of the same engine in the same "
            "cell: set, learning rate and measure, losses averaged over the folds. Built-ins: LightGBM quantile, l1, "
            "huber, fair; XGBoost reg:quantileerror, reg:absoluteerror, reg:pseudohubererror; for the levels 0.1 and "
            f"0.9 the quantile objective. Early stopping: {PATIENCE} rounds of patience, at most {N_STOPPED}, on "
            f"{VALIDATION:.0%} of the training rows; quantiles watch the pinball loss, all others the absolute error. "
            f"Another unit: {UNIT[0]:g} y + {UNIT[1]:g}, {ROUNDS[0]} rounds at the engine's default learning rate. "
            "Huber is judged by the Huber loss with delta = 1.345 * 1.4826 MAD of the labels about their median (the "
            "standard deviation in place of 1.4826 MAD where MAD is 0), log-cosh by that with 1.205 in place of 1.345.",
            "## Ratios to the better built-in\n\nGeometric means over sets and learning rates; worst cell and share of "
            "cells above 1.02 without those in another unit.",
            table(("loss", "judged by", "engine", *measures, "worst cell", "> 1.02"), summary_rows(results)),
            "## Mean absolute error of Huber and log-cosh, as ratios",
            table(("loss", "engine", *measures), absolute_error_rows(results)),
            "## Coverage: share of y not above the predicted quantile",
            table(("level", "engine", "model", *measures[:3]), coverage_rows(results)),
            "## By set\n\nGeometric means of 100 and 200 rounds and early stopping, each loss by its own measure.",
            table(("set", "engine", *titles), breakdown_rows(results, 0, results.sets)),
            "## By learning rate",
            table(("rate", "engine", *titles), breakdown_rows(results, 1, RATES)),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one small set, one rate, one fold: whether it runs")
    parser.add_argument("--cache", type=Path, help="JSON lines of trainings: read first, then added to")
    parser.add_argument("--folds", type=int, nargs="+", default=range(N_FOLDS))
    installed = [name for name in ENGINES if find_spec(name)]
    parser.add_argument("--engines", nargs="*", choices=installed, default=installed, help="none: only the table")
    options = parser.parse_args()
    engines = [ENGINES[name]() for name in options.engines]
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder, "trainings.jsonl")
        if options.quick:
            measure(cache, engines, QUICK_SETS, RATES[:1], (0,))
        else:
            measure(cache, engines, SETS, RATES, options.folds)
        text = report(Results(map(json.loads, cache.read_text().splitlines())))
    publish("regression", text)


if __name__ == "__main__":
    main()
