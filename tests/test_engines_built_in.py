"""boostloss.xgboost and boostloss.lightgbm against the engines' own losses."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from engine_tasks import ENGINES, TASKS, built_in, data_set, predict, predict_proba, train
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, Huber, LogCosh, Quantile


@ENGINES
def test_cross_entropy_is_the_built_in_logistic(engine, binary):
    """Same start, same trees, same link, with weights."""
    X, y, weight = binary
    objective = {"xgboost": "binary:logistic", "lightgbm": "binary"}[engine]
    ours = train(engine, CrossEntropy(), data_set(engine, X, y, weight), 20)
    theirs = built_in(engine, objective, data_set(engine, X, y, weight), 20)
    assert_allclose(predict(ours, X), predict(theirs, X), atol=1e-5)
    assert_allclose(predict_proba(engine, ours, X)[:, 1], predict(theirs, X), atol=1e-5)
    assert ours.num_trees() if engine == "lightgbm" else ours.num_boosted_rounds() == 20


@ENGINES
def test_pos_weight_is_scale_pos_weight(engine, binary):
    """From the same start, a tree is the same."""
    X, y, weight = binary
    loss = CrossEntropy(pos_weight=4.0)
    ours = train(engine, loss, data_set(engine, X, y, weight), 1)
    start = loss.fit_intercept_only(y, weight)
    if engine == "xgboost":
        extra = {"base_score": float(expit(start))}
        theirs = built_in(engine, "binary:logistic", data_set(engine, X, y, weight), 1, scale_pos_weight=4.0, **extra)
        expected = predict(theirs, X, margin=True)
    else:
        data = data_set(engine, X, y, weight, init_score=np.full(len(y), start))
        theirs = built_in(engine, "binary", data, 1, scale_pos_weight=4.0)
        expected = predict(theirs, X, margin=True) + start
    assert_allclose(predict(ours, X, margin=True), expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


@ENGINES
@TASKS
def test_no_trees_predict_the_start(engine, task, tasks):
    """Before the first split a model predicts the best constant of its loss, and so does a model that cannot split."""
    loss, (X, y, weight) = tasks[task]
    params = {"gamma": 1e30} if engine == "xgboost" else {"min_data_in_leaf": 10_000}
    booster = train(engine, loss, data_set(engine, X, y, weight), 1, params)
    start = loss.fit_intercept_only(np.asarray(y, np.float32), weight.astype(np.float32))
    margins = predict(booster, X[:3], margin=True)
    # a root without splits may still make a step, of a gradient that sums to zero
    assert_allclose(margins, np.broadcast_to(start, margins.shape), rtol=1e-5, atol=1e-4)


@ENGINES
def test_focal_with_rare_positives_trains_from_defaults(engine):
    """gamma = 2 and 0.4 % positives: as good as logistic regression of the same engine, default parameters of both."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(40_000, 6))
    y = (rng.uniform(size=len(X)) < expit(2 * X[:, 0] + 1.5 * X[:, 1] - 8.4)).astype(float)
    assert 0.003 < y.mean() < 0.005
    fit, held_out = slice(0, 26_000), slice(26_000, None)
    settings = {"nthread": 1} if engine == "xgboost" else {"num_threads": 1, "verbosity": -1}
    module = {"xgboost": xgb, "lightgbm": lgb}[engine]
    objective = {"xgboost": "binary:logistic", "lightgbm": "binary"}[engine]
    theirs = module.train({**settings, "objective": objective}, data_set(engine, X[fit], y[fit]), 20)
    ours = getattr(boostloss, engine).train(settings, data_set(engine, X[fit], y[fit]), 20, loss=Focal(gamma=2.0))
    eta, p = predict_proba(engine, ours, X[held_out])[:, 1], predict(theirs, X[held_out])
    assert roc_auc_score(y[held_out], eta) > roc_auc_score(y[held_out], p) - 0.02
    assert log_loss(y[held_out], eta) < 1.1 * log_loss(y[held_out], p)
    assert log_loss(y[held_out], eta) < 0.9 * log_loss(y[held_out], np.full(14_000, y[fit].mean()))


@ENGINES
@pytest.mark.parametrize("loss", [Huber(), LogCosh(), Quantile(), Quantile(quantile=0.9)], ids=repr)
def test_unscaled_targets_train_from_defaults(engine, loss, unscaled):
    """y * 1e4 + 1e6: far better than the constant, and near a built-in loss on the scaled target."""
    X, y, _ = unscaled
    fit, held_out = slice(0, 1000), slice(1000, None)
    settings = {"nthread": 1} if engine == "xgboost" else {"num_threads": 1, "verbosity": -1}
    booster = getattr(boostloss, engine).train(settings, data_set(engine, X[fit], y[fit]), 60, loss=loss)
    if isinstance(loss, Quantile):
        options = {"quantile_alpha": loss.quantile} if engine == "xgboost" else {"alpha": loss.quantile}
        objective = {"xgboost": "reg:quantileerror", "lightgbm": "quantile"}[engine]
    else:
        options, objective = {}, {"xgboost": "reg:absoluteerror", "lightgbm": "l1"}[engine]
    module = {"xgboost": xgb, "lightgbm": lgb}[engine]
    scaled = data_set(engine, X[fit], (y[fit] - 1e6) / 1e4)
    theirs = module.train({**settings, "objective": objective, **options}, scaled, 60)

    def error(prediction):
        return loss.metric(y[held_out], np.asarray(prediction, float))

    ours = error(predict(booster, X[held_out]))
    constant = error(np.full(500, loss.fit_intercept_only(y[fit])))
    assert ours < 0.75 * constant
    assert ours < 1.1 * error(1e4 * predict(theirs, X[held_out]) + 1e6)
