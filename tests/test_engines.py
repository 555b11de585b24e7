"""boostloss.xgboost and boostloss.lightgbm: metrics, classes, containers, boosters and tree methods."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from conftest import Case
from engine_tasks import ENGINES, N_TREES, TASKS, built_in, data_set, predict, predict_proba, train
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, roc_auc_score

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, LogitAdjusted


@ENGINES
@TASKS
def test_metrics_are_those_of_the_predictions(engine, task, tasks):
    """What the engine logs in the last round equals the metric by hand, of the margins, on each of two data sets."""
    loss, (X, y, weight) = tasks[task]
    fit, valid = slice(0, 900), slice(900, None)
    data, log = data_set(engine, X[fit], y[fit], weight[fit]), {}
    if engine == "xgboost":
        other = data_set(engine, X[valid], y[valid], weight[valid])
        booster = train(engine, loss, data, evals=[(data, "a"), (other, "b")], evals_result=log, verbose_eval=False)
    else:
        other = data.create_valid(X[valid], y[valid], weight[valid])
        booster = train(engine, loss, data, valid_sets=[data, other], valid_names=["a", "b"],
                        callbacks=[lgb.record_evaluation(log)])  # fmt: skip
    resolved = loss.resolve(y)
    for name, rows in (("a", fit), ("b", valid)):
        assert list(log[name]) == [loss.metric.__name__]
        values = log[name][loss.metric.__name__]
        expected = resolved.metric(y[rows], predict(booster, X[rows], margin=True), weight[rows])
        assert len(values) == N_TREES
        assert_allclose(values[-1], expected, rtol=1e-5, atol=1e-6)  # XGBoost's log has six decimals
        assert values[-1] < values[0]


@ENGINES
def test_metrics_of_the_user_replace_the_loss(engine, binary):
    """A callable of the user's, or a metric of ranks by name."""
    X, y, _ = binary
    data, log = data_set(engine, X, y), {}
    if engine == "xgboost":
        sets = {"evals": [(data, "a")], "evals_result": log, "verbose_eval": False}
        train(engine, Focal(), data, params={"eval_metric": "auc"}, **sets)
        assert "auc" in log["a"]
    else:
        sets = {"valid_sets": [data], "callbacks": [lgb.record_evaluation(log)]}
        train(engine, Focal(), data, params={"metric": "auc"}, **sets)
        assert "auc" in log["training"]
        assert max(log["training"]["auc"]) > 0.7
    name = "custom_metric" if engine == "xgboost" else "feval"
    log.clear()
    own = CrossEntropy().metric
    sets = {"evals": [(data, "a")], "evals_result": log, "verbose_eval": False}
    sets = sets if engine == "xgboost" else {"valid_sets": [data], "callbacks": [lgb.record_evaluation(log)]}
    booster = train(engine, Focal(), data, **sets, **{name: own})
    (values,) = log.values()
    assert list(values) == ["cross_entropy"]
    assert_allclose(values["cross_entropy"][-1], own(y, predict(booster, X, margin=True)), rtol=1e-5)


@ENGINES
def test_a_class_without_rows(engine, several):
    """num_class counts classes the labels do not show: they get a column, and the smallest probability."""
    X, y, weight = several
    kept = y != 2
    booster = train(engine, CrossEntropy(), data_set(engine, X[kept], y[kept], weight[kept]), params={"num_class": 5})
    proba = predict_proba(engine, booster, X)
    assert proba.shape == (len(X), 5)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert proba[:, [2, 4]].max() < 0.01
    assert_allclose(predict(booster, X), proba, atol=1e-6)


@ENGINES
def test_number_of_classes_is_that_of_the_labels(engine, several):
    """Without num_class: one more than the largest label; a smaller number given is an error."""
    X, y, _ = several
    booster = train(engine, CrossEntropy(), data_set(engine, X, y), 2)
    assert predict_proba(engine, booster, X).shape == (len(X), 4)
    with pytest.raises(ValueError, match=r"^y_true\[\d+\] == 3.0, must be an integer in \[0, 3\)\.$"):
        train(engine, CrossEntropy(), data_set(engine, X, y), params={"num_class": 3})


@ENGINES
def test_balanced_weights_come_from_the_training_set(engine, several):
    """class_weight="balanced" is resolved once; validation keeps the training weights."""
    X, y, weight = several
    loss = CrossEntropy(class_weight="balanced")
    numbers = loss.resolve(y, weight)
    data = data_set(engine, X, y, weight)
    booster = train(engine, loss, data)
    same = train(engine, CrossEntropy(class_weight=numbers.class_weight), data_set(engine, X, y, weight))
    assert_allclose(predict(booster, X), predict(same, X), atol=1e-5)
    posterior = numbers.predict_proba(predict(booster, X, margin=True))
    assert_allclose(predict_proba(engine, booster, X), posterior, atol=1e-6)


@ENGINES
def test_pandas_with_categories(engine, binary):
    """Frames with categorical columns train and predict, in predict_proba as well."""
    X, y, _ = binary
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["kind"] = pd.Categorical(np.where(X[:, 0] > 0.5, "high", np.where(X[:, 0] < -0.5, "low", "middle")))
    frame = frame.drop(columns="a")
    arguments = {"enable_categorical": True} if engine == "xgboost" else {}
    booster = train(engine, Focal(), data_set(engine, frame, y, **arguments))
    proba = predict_proba(engine, booster, frame)
    assert_allclose(proba[:, 1], Focal().predict_proba(predict(booster, frame, margin=True))[:, 1], rtol=1e-6)
    assert roc_auc_score(y, proba[:, 1]) > 0.75


def test_linear_trees_of_lightgbm(binary):
    """The start is in every leaf's constant: the model equals the built-in one."""
    X, y, weight = binary
    ours = train("lightgbm", CrossEntropy(), data_set("lightgbm", X, y, weight), params={"linear_tree": True})
    theirs = built_in("lightgbm", "binary", data_set("lightgbm", X, y, weight), linear_tree=True)
    assert_allclose(predict(ours, X), predict(theirs, X), atol=1e-5)
    data = data_set("lightgbm", X, y)
    with pytest.raises(ValueError, match=r"^keep_training_booster == True with params\['linear_tree'\] == True"):
        train("lightgbm", CrossEntropy(), data, params={"linear_tree": True}, keep_training_booster=True)


def test_dart_of_lightgbm_warns(binary):
    """It is not reproducible with a custom objective."""
    X, y, _ = binary
    with pytest.warns(UserWarning, match="dart is not reproducible"):
        booster = train("lightgbm", CrossEntropy(), data_set("lightgbm", X, y), params={"boosting": "dart"})
    assert roc_auc_score(y, predict(booster, X)) > 0.75


@TASKS
def test_a_kept_training_booster_of_lightgbm(task, tasks):
    """keep_training_booster=True: start and link are right, and it can go on training."""
    loss, (X, y, weight) = tasks[task]
    data = data_set("lightgbm", X, y, weight)
    kept = train("lightgbm", loss, data, keep_training_booster=True)
    text = train("lightgbm", loss, data_set("lightgbm", X, y, weight))
    assert_allclose(predict(kept, X, margin=True), predict(text, X, margin=True), rtol=1e-6, atol=1e-9)
    assert_allclose(predict(kept, X), predict(text, X), rtol=1e-6, atol=1e-9)
    assert kept.train_set is data


@ENGINES
def test_contributions_sum_to_the_margin(engine, tasks):
    """SHAP values and their base add up, start included."""
    for loss, (X, y, weight) in tasks.values():
        booster = train(engine, loss, data_set(engine, X, y, weight))
        margins = predict(booster, X[:50], margin=True)
        asked = {"pred_contribs" if engine == "xgboost" else "pred_contrib": True}
        total = predict(booster, X[:50], **asked)
        total = total.reshape(50, *margins.shape[1:], X.shape[1] + 1).sum(axis=-1)
        assert_allclose(total, margins, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tree_method", ["exact", "approx", "hist"])
def test_tree_methods_of_xgboost(tree_method, binary):
    """Each equals the built-in loss."""
    X, y, weight = binary
    params = {"tree_method": tree_method, "subsample": 0.7, "seed": 3}
    ours = train("xgboost", CrossEntropy(), data_set("xgboost", X, y, weight), params=params)
    theirs = built_in("xgboost", "binary:logistic", data_set("xgboost", X, y, weight), **params)
    if tree_method == "exact":
        assert_allclose(predict(ours, X), predict(theirs, X), atol=1e-4)
    assert abs(log_loss(y, predict(ours, X)) - log_loss(y, predict(theirs, X))) < 0.02


@ENGINES
def test_early_stopping_watches_the_loss(engine):
    """Noise cannot be learnt: training stops early, at the round where the metric was lowest."""
    case = Case(Focal(gamma=2.0))
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(600, 4)), case.labels(600)
    fit, valid = slice(0, 300), slice(300, None)
    data, log = data_set(engine, X[fit], y[fit]), {}
    if engine == "xgboost":
        sets = {"evals": [(data_set(engine, X[valid], y[valid]), "v")], "evals_result": log, "verbose_eval": False}
        booster = train(engine, case.loss, data, 50, early_stopping_rounds=5, **sets)
        best = booster.best_iteration
    else:
        callbacks = [lgb.record_evaluation(log), lgb.early_stopping(5, verbose=False)]
        sets = {"valid_sets": [data.create_valid(X[valid], y[valid])], "valid_names": ["v"]}
        booster = train(engine, case.loss, data, 50, callbacks=callbacks, **sets)
        best = booster.best_iteration - 1
    values = log["v"]["focal"]
    assert len(values) < 50
    assert best == int(np.argmin(values))


def test_init_score_of_a_validation_set_alone_is_refused():
    """Nothing that a user set on a data set is overwritten or cleared."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
    train_set = lgb.Dataset(X, y)
    valid_set = lgb.Dataset(X, y, reference=train_set, init_score=np.full(200, 0.25))
    with pytest.raises(ValueError, match="valid_sets have an init_score and train_set has none"):
        boostloss.lightgbm.train({"verbosity": -1}, train_set, 2, valid_sets=[valid_set], loss=CrossEntropy())
    assert (valid_set.get_init_score() == 0.25).all()


def rare_labels():
    """Features and labels, two in a thousand of them positive."""
    y = (np.arange(2000) % 500 == 0).astype(float)
    X = np.random.default_rng(0).normal(size=(2000, 2))
    X[:, 0] += 2 * y
    return X, y


def test_a_start_that_xgboost_cannot_keep_is_refused():
    """It would go on from another one without a word; LightGBM keeps any."""
    X, y = rare_labels()
    loss = LogitAdjusted(tau=4.0)
    with pytest.raises(ValueError, match=r"start == 18\..* must be in \[-13\.8, 13\.8\]: XGBoost keeps"):
        boostloss.xgboost.train({}, xgb.DMatrix(X, y), 2, loss=loss)
    booster = boostloss.lightgbm.train({"verbosity": -1}, lgb.Dataset(X, y), 5, loss=loss)
    assert abs(boostloss.lightgbm.predict_proba(booster, X)[:, 1].mean() - y.mean()) < 5e-3


@pytest.mark.parametrize("weighted", [False, True])
def test_continuing_an_unconstructed_data_set_of_lightgbm(weighted):
    """init_model with the data set that lightgbm.train takes, as it was made."""
    X, y = rare_labels()
    weight = np.ones(2000) if weighted else None
    params = {"verbosity": -1, "min_data_in_leaf": 5}
    first = boostloss.lightgbm.train(params, lgb.Dataset(X, y, weight=weight), 3, loss=Focal())
    both = boostloss.lightgbm.train(params, lgb.Dataset(X, y, weight=weight), 3, loss=Focal(), init_model=first)
    assert both.num_trees() == 6
