"""A loss given to the engines' own train functions and estimators as it is."""

import warnings

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import Case, over
from numpy.testing import assert_allclose
from objective_tasks import N_ROWS, N_TREES, TASKS, features
from sklearn.base import clone

from boostloss import LogCosh

XGB = {"max_depth": 3, "nthread": 1, "verbosity": 1}
LGB = {"num_leaves": 7, "num_threads": 1, "verbosity": 1, "min_data_in_leaf": 5}


def own_start(case):
    """XGBoost's parameters for a margin of 0 at the start, as LightGBM has it."""
    if not case.is_classification:
        return {"objective": "reg:squarederror", "base_score": 0.0}
    if case.n_outputs == 1:
        return {"objective": "binary:logistic", "base_score": 0.5}
    return {"objective": "multi:softprob", "num_class": case.n_outputs, "base_score": [0.0] * case.n_outputs}


def margins_of(case, booster, X):
    if isinstance(booster, xgb.Booster):
        return booster.predict(xgb.DMatrix(X), output_margin=True)
    return booster.predict(X, raw_score=True)


def boosted(case, X, y, weight, engine):
    """The same training by hand: a booster that is handed the gradients round by round."""
    if engine == "xgboost":
        data = xgb.DMatrix(X, y, weight=weight)
        booster = xgb.Booster({**XGB, **own_start(case)}, [data])
        for i in range(N_TREES):
            raw = booster.predict(data, output_margin=True, training=True)
            gradient, hessian = case.loss(y, raw, weight)
            booster.boost(data, iteration=i, grad=gradient, hess=hessian)
        return booster
    data = lgb.Dataset(X, y, weight=weight)
    booster = lgb.Booster({**LGB, "verbosity": -1, "objective": "none", "num_class": case.n_outputs}, data)
    for _ in range(N_TREES):
        booster.update(fobj=lambda raw, _: case.loss(y, raw, weight))
    return booster


def assert_trained_as_by_hand(case, booster, engine, log):
    """Margins are those of `boosted`, and the metric in the log is that of margins, which falls."""
    X, y, weight = features(case)
    raw = margins_of(case, booster, X)
    tolerance = {"xgboost": {"rtol": 1e-5, "atol": 1e-6}, "lightgbm": {"rtol": 1e-6, "atol": 1e-9}}[engine]
    assert_allclose(raw, margins_of(case, boosted(case, X, y, weight, engine), X), **tolerance)
    values = log[case.loss.metric.__name__]
    assert_allclose(values[-1], case.loss.metric(y, raw, weight), rtol=1e-5)
    assert values[-1] < values[0]


@pytest.fixture
def silent(capfd):
    """Nothing an engine prints may speak of a parameter it does not know."""
    yield
    printed = "".join(capfd.readouterr()).lower()
    for word in ("unknown", "not used", "objective__", "unused", "not recognized"):
        assert word not in printed


@over(TASKS)
@pytest.mark.usefixtures("silent")
def test_xgboost_train_takes_a_loss(case):
    """xgb.train(obj=loss, custom_metric=loss.metric): labels, weights and margins of the right data, no warning."""
    X, y, weight = features(case)
    data, log = xgb.DMatrix(X, y, weight=weight), {}
    params = {**XGB, **own_start(case), "disable_default_eval_metric": 1}
    booster = xgb.train(params, data, N_TREES, obj=case.loss, custom_metric=case.loss.metric, evals=[(data, "train")],
                        evals_result=log, verbose_eval=False)  # fmt: skip
    assert_trained_as_by_hand(case, booster, "xgboost", log["train"])


@over(TASKS)
@pytest.mark.usefixtures("silent")
def test_lightgbm_train_takes_a_loss(case):
    """lgb.train({"objective": loss}, feval=loss.metric): labels, weights and scores of the right data, no warning."""
    X, y, weight = features(case)
    data, log = lgb.Dataset(X, y, weight=weight), {}
    params = {**LGB, "verbosity": 0, "objective": case.loss, "metric": "None", "num_class": case.n_outputs}
    booster = lgb.train(params, data, N_TREES, feval=case.loss.metric, valid_sets=[data],
                        callbacks=[lgb.record_evaluation(log)])  # fmt: skip
    assert_trained_as_by_hand(case, booster, "lightgbm", log["training"])


@over(TASKS)
@pytest.mark.usefixtures("silent")
def test_estimators_of_xgboost_take_a_loss(case):
    """XGBClassifier and XGBRegressor(objective=loss): weights count, metrics are right, nothing leaks into params."""
    X, y, weight = features(case)
    kind = xgb.XGBClassifier if case.is_classification else xgb.XGBRegressor
    score = {name: value for name, value in own_start(case).items() if name == "base_score"}
    model = kind(
        n_estimators=N_TREES, max_depth=3, n_jobs=1, verbosity=1, objective=case.loss, eval_metric=case.loss.metric,
        disable_default_eval_metric=True, **score,
    )  # fmt: skip
    copied = clone(model)
    assert type(copied.objective) is type(case.loss)
    assert copied.objective.get_params() == case.loss.get_params()
    model.fit(X, y, sample_weight=weight, eval_set=[(X, y)], sample_weight_eval_set=[weight], verbose=False)
    assert not [name for name in model.get_params() if name.startswith("objective__")]
    raw = model.predict(X, output_margin=True)
    assert_allclose(raw, margins_of(case, boosted(case, X, y, weight, "xgboost"), X), rtol=1e-5, atol=1e-6)
    values = model.evals_result()["validation_0"][case.loss.metric.__name__]
    assert_allclose(values[-1], case.loss.metric(y, raw, weight), rtol=1e-5)
    assert "objective__" not in model.get_booster().save_config()


@over(TASKS)
@pytest.mark.usefixtures("silent")
def test_estimators_of_lightgbm_take_a_loss(case):
    """LGBMClassifier and LGBMRegressor(objective=loss): weights count, metrics are right, nothing leaks into params."""
    X, y, weight = features(case)
    kind = lgb.LGBMClassifier if case.is_classification else lgb.LGBMRegressor
    model = kind(n_estimators=N_TREES, num_leaves=7, min_child_samples=5, n_jobs=1, verbosity=0, objective=case.loss,
                 metric="None")  # fmt: skip
    copied = clone(model)
    assert type(copied.objective) is type(case.loss)
    assert copied.objective.get_params() == case.loss.get_params()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The argument 'eval_set' is deprecated")
        evaluation = {"eval_set": [(X, y)], "eval_sample_weight": [weight], "eval_metric": case.loss.metric}
        model.fit(X, y, sample_weight=weight, **evaluation)
    assert not [name for name in model.get_params() if name.startswith("objective__")]
    raw = model.booster_.predict(X, raw_score=True)
    assert_allclose(raw, margins_of(case, boosted(case, X, y, weight, "lightgbm"), X), rtol=1e-6, atol=1e-9)
    values = next(iter(model.evals_result_.values()))[case.loss.metric.__name__]
    assert_allclose(values[-1], case.loss.metric(y, raw, weight), rtol=1e-5)
    assert "objective__" not in model.booster_.model_to_string()


@over([TASKS[0], TASKS[3]])
def test_weights_count_in_training(case):
    """Neither engine applies weights to custom gradients; the objective does."""
    X, y, weight = features(case)
    weight[::2] *= 10
    for engine in ("xgboost", "lightgbm"):
        weighted, unweighted = (margins_of(case, boosted(case, X, y, w, engine), X) for w in (weight, None))
        assert np.abs(weighted - unweighted).max() > 1e-3
    data = xgb.DMatrix(X, y, weight=weight)
    params = {**XGB, **own_start(case), "tree_method": "exact"}
    by_weight = xgb.train(params, data, N_TREES, obj=case.loss)
    rows = np.repeat(np.arange(N_ROWS), 2)
    copies = xgb.train(params, xgb.DMatrix(X[rows], y[rows], weight=weight[rows] / 2), N_TREES, obj=case.loss)
    assert_allclose(margins_of(case, by_weight, X), margins_of(case, copies, X), rtol=1e-4, atol=1e-5)


@over([TASKS[0], TASKS[2], TASKS[3]])
def test_cross_validation_of_xgboost(case):
    """xgb.cv with a loss equals one training per fold."""
    X, y, weight = features(case)
    folds = [(np.arange(N_ROWS)[i % 2 :: 2], np.arange(N_ROWS)[1 - i % 2 :: 2]) for i in range(2)]
    params = {**XGB, **own_start(case), "disable_default_eval_metric": 1}
    name = case.loss.metric.__name__
    table = xgb.cv(params, xgb.DMatrix(X, y, weight=weight), N_TREES, folds=folds, obj=case.loss,
                   custom_metric=case.loss.metric, as_pandas=False)  # fmt: skip
    last = []
    for train, test in folds:
        data = xgb.DMatrix(X[train], y[train], weight=weight[train])
        booster = xgb.train(params, data, N_TREES, obj=case.loss)
        last.append(case.loss.metric(y[test], margins_of(case, booster, X[test]), weight[test]))
    assert_allclose(table[f"test-{name}-mean"][-1], np.mean(last), rtol=1e-3)


@over([TASKS[0], TASKS[2], TASKS[3]])
def test_cross_validation_of_lightgbm(case):
    """lgb.cv with a loss equals one training per fold."""
    X, y, weight = features(case)
    folds = [(np.arange(N_ROWS)[i % 2 :: 2], np.arange(N_ROWS)[1 - i % 2 :: 2]) for i in range(2)]
    params = {**LGB, "verbosity": -1, "objective": case.loss, "metric": "None", "num_class": case.n_outputs}
    table = lgb.cv(params, lgb.Dataset(X, y, weight=weight), N_TREES, folds=folds, feval=case.loss.metric)
    last = []
    whole = lgb.Dataset(X, y, weight=weight, params={**LGB, "verbosity": -1}).construct()  # the folds share its bins
    for train, test in folds:
        booster = lgb.train(params, whole.subset(np.sort(train)), N_TREES)
        last.append(case.loss.metric(y[test], booster.predict(X[test], raw_score=True), weight[test]))
    assert_allclose(table[f"valid {case.loss.metric.__name__}-mean"][-1], np.mean(last), rtol=1e-6)


def test_float32_path_from_end_to_end():
    """float32 in, float32 computed, float32 handed over: as good as float64 to its last digits."""
    for case in (TASKS[1], TASKS[2], Case(LogCosh())):
        y, raw, weight = case.sample(500)
        small = [a.astype(np.float32) for a in (y, raw, weight)]
        for a, b in zip(case.loss(*small), case.loss(y, raw, weight), strict=True):
            assert_allclose(a, b, rtol=1e-4, atol=3e-6)
