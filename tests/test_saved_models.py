"""boostloss.xgboost and boostloss.lightgbm: link and start, in a booster and in its file."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from engine_tasks import ENGINES, N_TREES, PARAMS, TASKS, built_in, data_set, predict, predict_proba, train
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import Focal


@ENGINES
@TASKS
def test_predict_applies_the_link(engine, task, tasks):
    """sigmoid, softmax or identity of the margin; predict_proba is the posterior."""
    loss, (X, y, weight) = tasks[task]
    booster = train(engine, loss, data_set(engine, X, y, weight))
    margins = predict(booster, X, margin=True)
    if task in ("regression", "quantile"):
        assert_array_equal(predict(booster, X), margins)
        return
    linked = softmax(margins, axis=1) if margins.ndim == 2 else expit(margins)
    assert_allclose(predict(booster, X), linked, rtol=1e-5, atol=1e-7)
    posterior = loss.resolve(y).predict_proba(margins)
    assert_allclose(predict_proba(engine, booster, X), posterior, rtol=1e-6)
    assert_allclose(predict_proba(engine, booster, X, loss=loss), posterior, rtol=1e-6)
    if task == "focal":
        assert np.abs(posterior[:, 1] - linked).max() > 0.05


LOAD = """
import sys
sys.modules["boostloss"] = None  # importing it is an error
import numpy as np
engine, *tasks = sys.argv[1:]
results = {}
for task in tasks:
    X = np.load(f"{task}.npy")
    if engine == "xgboost":
        import xgboost
        booster = xgboost.Booster(model_file=f"{task}.ubj")
        results[task] = booster.inplace_predict(X, iteration_range=(0, booster.best_iteration + 1))
        results[f"{task}_trees"] = booster.num_boosted_rounds()
    else:
        import lightgbm
        booster = lightgbm.Booster(model_file=f"{task}.txt")
        results[task] = booster.predict(X)
        results[f"{task}_trees"] = booster.current_iteration()
np.savez("results.npz", **results)
"""


@ENGINES
def test_saved_model_needs_no_boostloss(engine, tasks, tmp_path):
    """A file, loaded where boostloss cannot be imported, predicts the same; early stopping keeps its best iteration."""
    expected = {}
    for task, (loss, (X, y, weight)) in tasks.items():
        fit, valid = slice(0, 700), slice(700, None)
        data = data_set(engine, X[fit], y[fit], weight[fit])
        if engine == "xgboost":
            others = {"evals": [(data_set(engine, X[valid], y[valid]), "valid")], "early_stopping_rounds": 2}
            booster = train(engine, loss, data, 60, {"learning_rate": 1.0}, verbose_eval=False, **others)
            prediction = predict(booster, X, iteration_range=(0, booster.best_iteration + 1))
            n_trees = booster.best_iteration + 3
            assert n_trees == booster.num_boosted_rounds() < 60
            booster.save_model(tmp_path / f"{task}.ubj")
        else:
            others = {"valid_sets": [data_set(engine, X[valid], y[valid], reference=data)]}
            stop = [lgb.early_stopping(2, verbose=False)]
            booster = train(engine, loss, data, 60, {"learning_rate": 1.0}, callbacks=stop, **others)
            prediction, n_trees = predict(booster, X), booster.best_iteration
            assert 0 < n_trees < 58
            booster.save_model(tmp_path / f"{task}.txt")
        expected[task] = prediction, n_trees
        np.save(tmp_path / f"{task}.npy", X)
    subprocess.run([sys.executable, "-c", LOAD, engine, *expected], check=True, timeout=120, cwd=tmp_path)
    results = np.load(tmp_path / "results.npz")
    for task, (prediction, n_trees) in expected.items():
        assert_allclose(results[task], prediction, rtol=1e-6, atol=1e-9)
        assert results[f"{task}_trees"] == n_trees


def test_loss_is_stored_in_the_model_of_xgboost(several, tmp_path):
    """A file knows its loss, resolved: predict_proba needs none."""
    X, y, _ = several
    booster = train("xgboost", Focal(gamma=1.0, class_weight="balanced"), data_set("xgboost", X, y))
    booster.save_model(tmp_path / "model.json")
    loaded = xgb.Booster(model_file=tmp_path / "model.json")
    assert_array_equal(predict_proba("xgboost", loaded, X), predict_proba("xgboost", booster, X))
    plain = built_in("xgboost", "binary:logistic", data_set("xgboost", X, (y > 1).astype(float)), 1)
    with pytest.raises(ValueError, match=r"^loss == None and the booster has none, must be the loss it was trained"):
        predict_proba("xgboost", plain, X)


def test_loss_is_asked_for_where_lightgbm_has_no_room(several, tmp_path):
    """A text file has none: it must be given."""
    X, y, _ = several
    booster = train("lightgbm", Focal(gamma=1.0), data_set("lightgbm", X, y))
    booster.save_model(tmp_path / "model.txt")
    loaded = lgb.Booster(model_file=tmp_path / "model.txt")
    expected = predict_proba("lightgbm", booster, X)
    assert_allclose(predict_proba("lightgbm", loaded, X, loss=Focal(gamma=1.0)), expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"^loss == None and the booster has none"):
        predict_proba("lightgbm", loaded, X)


@TASKS
def test_params_for_those_who_call_xgboost_themselves(task, tasks):
    """xgb.train with boostloss.xgboost.params starts and links as train does; trees are those of the loss itself."""
    loss, (X, y, weight) = tasks[task]
    data = data_set("xgboost", X, y, weight)
    params = boostloss.xgboost.params(loss, y, weight)
    booster = xgb.train({**PARAMS["xgboost"], **params}, data, N_TREES, obj=loss)
    complete = train("xgboost", loss, data)
    if task in ("binary", "focal", "several"):
        assert_allclose(predict(booster, X), predict(complete, X), atol=1e-5)
    start = xgb.train({**PARAMS["xgboost"], **params}, data, 0, obj=loss)
    expected = loss.fit_intercept_only(y, weight)
    assert_allclose(predict(start, X[:1], margin=True)[0], expected, rtol=1e-5, atol=1e-5)
