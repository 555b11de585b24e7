"""Several quantiles at once: one loss, one model, predictions that never cross."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from lightgbm import LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import LossRegressor, Quantile
from boostloss._engine import restore
from boostloss.objective import Objective

LEVELS = [0.05, 0.5, 0.95]
ESTIMATORS = {
    "XGBoost": lambda: XGBRegressor(n_estimators=30, max_depth=4, n_jobs=1),
    "XGBoost multi-output trees": lambda: XGBRegressor(
        n_estimators=30, max_depth=4, n_jobs=1, multi_strategy="multi_output_tree"
    ),
    "LightGBM": lambda: LGBMRegressor(n_estimators=30, n_jobs=1, verbose=-1),
}
EVERY_ESTIMATOR = pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)


@pytest.fixture(scope="module")
def task():
    """Features, targets whose spread depends on one of them, and weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    return X, X[:, 0] + np.exp(X[:, 1] / 2) * rng.standard_t(4, 3000), rng.uniform(0.3, 2, 3000)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bandwidth", ["auto", 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_level_is_a_loss_of_its_own(order, dtype, bandwidth, weighted):
    """Values are summed, derivatives stand beside each other, in the memory order of the raw predictions."""
    rng = np.random.default_rng(1)
    y, raw = rng.normal(size=50).astype(dtype), np.asarray(rng.normal(size=(50, 3)), dtype, order=order)
    weight = rng.uniform(0.5, 2, 50).astype(dtype) if weighted else None
    loss = Quantile(quantile=LEVELS, bandwidth=bandwidth)
    single = [Quantile(quantile=level, bandwidth=bandwidth) for level in LEVELS]
    gradient, hessian = loss.gradient_hessian(y, raw, weight)
    for k, one in enumerate(single):
        column = np.ascontiguousarray(raw[:, k])
        for whole, part in zip((gradient, hessian), one.gradient_hessian(y, column, weight), strict=True):
            assert_array_equal(whole[:, k], part)
        for whole, part in zip(loss(y, raw, weight), one(y, column, weight), strict=True):
            assert_array_equal(whole[:, k], part)
        assert loss.fit_intercept_only(y, weight)[k] == one.fit_intercept_only(y, weight)
    columns = list(zip(single, raw.T, strict=True))
    values = [one.loss(y, np.ascontiguousarray(column), weight) for one, column in columns]
    assert_allclose(loss.loss(y, raw, weight), np.sum(values, axis=0), rtol=1e-6)
    metrics = [float(one.metric(y, np.ascontiguousarray(column), weight)) for one, column in columns]
    assert_allclose(float(loss.metric(y, raw, weight)), np.mean(metrics), rtol=1e-6)


@EVERY_ESTIMATOR
def test_predictions_never_cross(make, task):
    """Rows ascend whatever the engine's own predictions do, and sorting does not raise the pinball loss."""
    X, y, weight = task
    loss = Quantile(quantile=np.linspace(0.1, 0.9, 9))
    model = LossRegressor(make(), loss).fit(X[:2000], y[:2000], sample_weight=weight[:2000])
    predicted = model.predict(X[2000:])
    assert predicted.shape == (1000, 9)
    assert (np.diff(predicted, axis=1) >= 0).all()
    raw = model._raw_predictions(X[2000:])
    # Trees for all levels at once share their splits: they crossed in no row here, in one of seventy of 100 rounds
    assert (np.diff(raw, axis=1) < 0).any() or make().get_params().get("multi_strategy")
    assert loss.metric(y[2000:], predicted) <= loss.metric(y[2000:], raw)
    share = (y[2000:, None] < predicted).mean(axis=0)
    assert np.abs(share - loss.quantile).max() < 0.06


@pytest.mark.parametrize("engine", ["XGBoost", "LightGBM"])
def test_trees_per_level_are_those_of_single_models(engine, task):
    """Without trees for all levels at once, K outputs are K models."""
    X, y, weight = task
    make = ESTIMATORS[engine]
    several = LossRegressor(make(), Quantile(quantile=LEVELS)).fit(X, y, sample_weight=weight)
    raw = several._raw_predictions(X)
    for k, level in enumerate(LEVELS):
        one = LossRegressor(make(), Quantile(quantile=level)).fit(X, y, sample_weight=weight)
        assert_allclose(raw[:, k], one.predict(X), rtol=1e-4, atol=1e-4)


def test_engines_train_and_save(task, tmp_path):
    """train, the plain objective, early stopping, saved models and an engine's own predict."""
    X, y, weight = task
    loss = Quantile(quantile=LEVELS)
    history = {}
    dtrain, dvalid = xgb.DMatrix(X[:2000], y[:2000], weight=weight[:2000]), xgb.DMatrix(X[2000:], y[2000:])
    booster = boostloss.xgboost.train(
        {"max_depth": 3, "nthread": 1}, dtrain, 200, loss=loss, evals=[(dvalid, "valid")], evals_result=history,
        early_stopping_rounds=5, verbose_eval=False,
    )  # fmt: skip
    assert booster.best_iteration < 199
    last = loss.metric(y[2000:], booster.predict(dvalid, output_margin=True))
    assert_allclose(history["valid"]["pinball"][-1], last, rtol=1e-5)
    booster.save_model(tmp_path / "m.ubj")
    loaded = xgb.Booster(model_file=tmp_path / "m.ubj")
    assert_array_equal(loaded.predict(dvalid), booster.predict(dvalid))
    assert loaded.predict(dvalid).shape == (1000, 3)

    params = boostloss.xgboost.params(loss, y[:2000], weight[:2000])
    settings = {"max_depth": 3, "nthread": 1, "disable_default_eval_metric": 1}
    plain = xgb.train({**settings, **params}, dtrain, 5, obj=Objective(loss, learning_rate=0.3))
    ours = boostloss.xgboost.train({"max_depth": 3, "nthread": 1}, dtrain, 5, loss=loss)
    assert_allclose(plain.predict(dvalid), ours.predict(dvalid), rtol=1e-5)

    train_set = lgb.Dataset(X[:2000], y[:2000], weight=weight[:2000], free_raw_data=False)
    booster = boostloss.lightgbm.train(
        {"verbose": -1, "num_threads": 1}, train_set, 200, loss=loss,
        valid_sets=[lgb.Dataset(X[2000:], y[2000:], reference=train_set)],
        callbacks=[lgb.early_stopping(5, verbose=False)],
    )  # fmt: skip
    assert 0 < booster.best_iteration < 200
    last = loss.metric(y[2000:], booster.predict(X[2000:]))
    assert_allclose(booster.best_score["valid_0"]["pinball"], last, rtol=1e-6)
    booster.save_model(tmp_path / "m.txt")
    loaded = lgb.Booster(model_file=tmp_path / "m.txt")
    assert_array_equal(loaded.predict(X), booster.predict(X, num_iteration=booster.best_iteration))


@EVERY_ESTIMATOR
def test_at_home_in_scikit_learn(make, task):
    """Pipelines, clones, searches over levels and bandwidths with the pinball loss as the score."""
    X, y, _ = task

    def score(model, X, y):
        return -float(model[-1].loss.metric(y, model.predict(X)))

    model = make_pipeline(StandardScaler(), LossRegressor(make().set_params(n_estimators=3), Quantile(quantile=LEVELS)))
    search = GridSearchCV(model, {"lossregressor__loss__bandwidth": ["auto", 0.1]}, scoring=score, cv=2).fit(X, y)
    assert np.isfinite(search.best_score_)
    copied = clone(search.best_estimator_)
    assert copied[-1].loss.quantile == LEVELS
    assert search.predict(X).shape == (3000, 3)


@pytest.mark.parametrize("quantile", [[0.9], (0.9,), np.array([0.9])])
def test_a_sequence_of_one_has_one_column(quantile, task):
    """One level in a sequence gives (n, 1), a number (n,)."""
    X, y, _ = task
    several = LossRegressor(XGBRegressor(n_estimators=3), Quantile(quantile=quantile)).fit(X, y)
    one = LossRegressor(XGBRegressor(n_estimators=3), Quantile(quantile=0.9)).fit(X, y)
    assert_array_equal(several.predict(X), one.predict(X)[:, None])


@pytest.mark.parametrize(
    ("quantile", "message"),
    [
        ([0.9, 0.1], r"quantile == \[0\.9, 0\.1\], must be a number or ascending numbers\."),
        ([0.1, 0.1], r"quantile == \[0\.1, 0\.1\], must be a number or ascending numbers\."),
        ([], r"quantile == \[\], must be a number or ascending numbers\."),
        ([0.1, 1.0], r"quantile\[1\] == 1\.0, must be in \(0, 1\)\."),
        ([[0.1, 0.5]], r"quantile\[0\] == \[0\.1, 0\.5\], must be a number in \(0, 1\)\."),
    ],
)
def test_levels_that_are_none(quantile, message):
    """Levels ascend in (0, 1)."""
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Quantile(quantile=quantile)


class LogQuantile(Quantile):
    """A user's: the same formula of logarithms."""

    link = "log"


def test_subclasses_keep_their_formula_and_link(task):
    """Levels of a sequence are losses of the subclass."""
    y = np.exp(task[1] / 3)
    several, one = LogQuantile(quantile=[0.2, 0.7]), LogQuantile(quantile=0.7)
    assert several.fit_intercept_only(y)[1] == one.fit_intercept_only(y)
    raw = np.column_stack([np.full(len(y), 0.3), np.full(len(y), -0.2)])
    assert_array_equal(several.gradient_hessian(y, raw)[0][:, 1], one.gradient_hessian(y, raw[:, 1].copy())[0])
    assert_array_equal(several.predict(raw[:1]), np.exp([[-0.2, 0.3]]))


@pytest.mark.parametrize("make", [XGBRegressor, LGBMRegressor])
def test_score_is_that_of_the_pinball_loss(make, task):
    """The mean of scikit-learn's D^2 pinball scores; searches need no scorer."""
    X, y, weight = task
    model = LossRegressor(make(n_estimators=20, n_jobs=1), Quantile(quantile=LEVELS)).fit(X, y)
    predicted = model.predict(X)
    scores = [d2_pinball_score(y, predicted[:, k], alpha=q, sample_weight=weight) for k, q in enumerate(LEVELS)]
    assert_allclose(model.score(X, y, weight), np.mean(scores))
    one = LossRegressor(make(n_estimators=20, n_jobs=1), Quantile()).fit(X, y)
    assert_allclose(one.score(X, y, weight), r2_score(y, one.predict(X), sample_weight=weight))


def test_a_booster_in_training_is_kept(task):
    """LightGBM has no objective for several quantiles: raw scores are predictions."""
    X, y, _ = task
    data = lgb.Dataset(X, y, free_raw_data=False)
    settings = {"verbose": -1, "num_threads": 1}
    kept = boostloss.lightgbm.train(settings, data, 5, loss=Quantile(quantile=LEVELS), keep_training_booster=True)
    done = boostloss.lightgbm.train(settings, lgb.Dataset(X, y), 5, loss=Quantile(quantile=LEVELS))
    assert_allclose(kept.predict(X), done.predict(X), rtol=1e-9)


@pytest.mark.parametrize("engine", ["xgboost", "lightgbm"])
def test_continued_training_goes_on_where_it_was(engine, task):
    """5 rounds and 5 more are 10, the shortening of steps included."""
    X, y, _ = task
    loss, settings = Quantile(quantile=LEVELS), {"nthread": 1, "verbosity": 0 if engine == "xgboost" else -1}
    if engine == "xgboost":
        data = xgb.DMatrix(X, y)
        first = boostloss.xgboost.train(settings, data, 5, loss=loss)
        both = boostloss.xgboost.train(settings, data, 5, loss=loss, xgb_model=first)
        whole = boostloss.xgboost.train(settings, data, 10, loss=loss)
        assert_allclose(both.predict(data), whole.predict(data), rtol=1e-5)
    else:
        first = boostloss.lightgbm.train(settings, lgb.Dataset(X, y, free_raw_data=False), 5, loss=loss)
        both = boostloss.lightgbm.train(
            settings, lgb.Dataset(X, y, free_raw_data=False), 5, loss=loss, init_model=first
        )  # fmt: skip
        whole = boostloss.lightgbm.train(settings, lgb.Dataset(X, y), 10, loss=loss)
        assert_allclose(both.predict(X), whole.predict(X), rtol=1e-5)


def test_levels_of_a_series(task, tmp_path):
    """Levels of any array, which the saved model has as an array."""
    X, y, _ = task
    loss = Quantile(quantile=pd.Series([0.1, 0.9]))
    booster = boostloss.xgboost.train({"nthread": 1}, xgb.DMatrix(X, y), 2, loss=loss)
    assert list(restore(booster.attr("boostloss")).quantile) == [0.1, 0.9]


def test_wrong_numbers_of_columns(task):
    """Raw predictions have one column per level, and an engine is not told another number of outputs."""
    X, y, _ = task
    loss = Quantile(quantile=LEVELS)
    with pytest.raises(ValueError, match="raw_prediction has 2 columns, must have 3"):
        loss.gradient_hessian(y, np.zeros((3000, 2)))
    with pytest.raises(ValueError, match="raw_prediction has 1 columns, must have 3"):
        loss.predict(np.zeros(5))
    with pytest.raises(ValueError, match="num_class == 4 contradicts"):
        boostloss.lightgbm.train({"num_class": 4}, lgb.Dataset(X, y), loss=loss)
    with pytest.raises(ValueError, match=r"estimator\.num_target == 4 contradicts"):
        LossRegressor(XGBRegressor(num_target=4), loss).fit(X, y)
    with pytest.raises(ValueError, match="renew_leaves == True contradicts"):
        boostloss.lightgbm.train({}, lgb.Dataset(X, y), loss=loss, renew_leaves=True)


@EVERY_ESTIMATOR
@pytest.mark.parametrize(("a", "b"), [(1e4, 1e6), (-1.0, 0.0)])
def test_unit_of_the_target(make, a, b, task):
    """y -> a y + b moves predictions along; a < 0 mirrors the levels."""
    X, y, _ = task
    levels = np.array(LEVELS) if a > 0 else 1 - np.array(LEVELS)[::-1]
    plain = LossRegressor(make(), Quantile(quantile=levels)).fit(X, y).predict(X)
    moved = LossRegressor(make(), Quantile(quantile=LEVELS)).fit(X, a * y + b).predict(X)
    expected = a * plain + b if a > 0 else (a * plain + b)[:, ::-1]
    assert np.median(np.abs(moved - expected)) < 0.01 * abs(a) * y.std()
