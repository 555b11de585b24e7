"""boostloss.xgboost and boostloss.lightgbm: start, link, metric and saved model of a training with a loss."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from conftest import Case
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, roc_auc_score

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, Huber, LogCosh, LogitAdjusted, Quantile

ENGINES = pytest.mark.parametrize("engine", ["xgboost", "lightgbm"])
PARAMS = {
    "xgboost": {"max_depth": 3, "nthread": 1, "learning_rate": 0.2},
    "lightgbm": {"num_leaves": 7, "num_threads": 1, "learning_rate": 0.2, "verbosity": -1, "min_data_in_leaf": 5},
}
N_TREES = 8


def data_set(engine, X, y, weight=None, **arguments):
    if engine == "xgboost":
        return xgb.DMatrix(X, y, weight=weight, **arguments)
    return lgb.Dataset(X, y, weight=weight, params={"verbosity": -1}, **arguments)


def train(engine, loss, data, n_trees=N_TREES, params=None, **arguments):
    module = getattr(boostloss, engine)
    return module.train({**PARAMS[engine], **(params or {})}, data, n_trees, loss=loss, **arguments)


def built_in(engine, objective, data, n_trees=N_TREES, **params):
    module = {"xgboost": xgb, "lightgbm": lgb}[engine]
    return module.train({**PARAMS[engine], "objective": objective, **params}, data, n_trees)


def predict(booster, X, margin=False, **arguments):
    if isinstance(booster, xgb.Booster):
        return booster.predict(xgb.DMatrix(X, enable_categorical=True), output_margin=margin, **arguments)
    return booster.predict(X, raw_score=margin, **arguments)


def predict_proba(engine, booster, X, **arguments):
    return getattr(boostloss, engine).predict_proba(booster, X, **arguments)


@pytest.fixture(scope="session")
def binary():
    """Features, labels with 20 % positives, weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 5))
    y = (rng.uniform(size=1500) < expit(1.5 * X[:, 0] - X[:, 1] * X[:, 2] - 1.8)).astype(float)
    return X, y, rng.uniform(0.2, 3, 1500)


@pytest.fixture(scope="session")
def several():
    """Features, four classes of unequal size, weights."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1500, 5))
    scores = np.stack([X[:, 0], X[:, 1] - 1, X[:, 2] - 2, -X[:, 0] - 1], 1)
    y = np.array([rng.choice(4, p=p) for p in softmax(2 * scores, axis=1)], float)
    return X, y, rng.uniform(0.2, 3, 1500)


@pytest.fixture(scope="session")
def unscaled():
    """Features, and a heavy-tailed target around a million in steps of ten thousand."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1500, 5))
    y = 3 * X[:, 0] + 2 * np.sin(3 * X[:, 1]) + rng.standard_t(2.5, 1500)
    return X, (1e4 * y + 1e6).astype(np.float64), rng.uniform(0.2, 3, 1500)


@pytest.fixture
def tasks(binary, several, unscaled):
    return {
        "binary": (CrossEntropy(), binary),
        "focal": (Focal(gamma=2.0, alpha=0.25), binary),
        "several": (Focal(gamma=1.0), several),
        "regression": (Huber(), unscaled),
        "quantile": (Quantile(quantile=0.9), unscaled),
    }


TASKS = pytest.mark.parametrize("task", ["binary", "focal", "several", "regression", "quantile"])


# --------------------------------------------------------------------------------------------- against built-in losses


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


# ---------------------------------------------------------------------------------------------- links and saved models


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


# -------------------------------------------------------------------------------------------- data sets and parameters


@ENGINES
def test_data_sets_are_left_as_they_were(engine, binary):
    """Labels, weights and start of training and validation sets, also after an exception in the middle of it."""
    X, y, weight = binary

    def state(data):
        start = data.get_base_margin() if engine == "xgboost" else data.get_init_score()
        start = start if start is not None and len(start) else None
        return data.get_label().copy(), np.copy(data.get_weight()), start

    class StopError(Exception):
        pass

    def stop(*_):
        raise StopError

    data, valid = (data_set(engine, X, y, weight) for _ in range(2))
    if engine == "lightgbm":
        data = lgb.Dataset(X, y, weight=weight, params=PARAMS[engine]).construct()
        valid = data.create_valid(X, y, weight, params=PARAMS[engine]).construct()
    before = state(data), state(valid)
    params = {"max_depth": 2}
    sets = {"evals": [(valid, "valid")], "verbose_eval": False} if engine == "xgboost" else {"valid_sets": [valid]}
    failing = "custom_metric" if engine == "xgboost" else "feval"
    first = predict(train(engine, Focal(), data, params=params, **sets), X)
    with pytest.raises(StopError):
        train(engine, Focal(), data, params=params, **sets, **{failing: stop})
    assert params == {"max_depth": 2}
    for a, b in zip(before[0] + before[1], state(data) + state(valid), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(predict(train(engine, Focal(), data, params=params, **sets), X), first)
    objective = {"xgboost": "binary:logistic", "lightgbm": "binary"}[engine]
    fresh = built_in(engine, objective, data_set(engine, X, y, weight))
    assert_array_equal(predict(built_in(engine, objective, data), X), predict(fresh, X))


CONTRADICTIONS = [
    ("xgboost", {"objective": "binary:logistic"}),
    ("xgboost", {"base_score": 0.5}),
    ("xgboost", {"scale_pos_weight": 3.0}),
    ("lightgbm", {"objective": "binary"}),
    ("lightgbm", {"application": "binary"}),
    ("lightgbm", {"is_unbalance": True}),
    ("lightgbm", {"unbalance": True}),
    ("lightgbm", {"scale_pos_weight": 3.0}),
    ("lightgbm", {"boost_from_average": True}),
    ("lightgbm", {"sigmoid": 2.0}),
    ("lightgbm", {"metric": "binary_logloss"}),
    ("lightgbm", {"metric": ["auc", "l2"]}),
    ("lightgbm", {"boosting": "rf"}),
]


@pytest.mark.parametrize(("engine", "params"), CONTRADICTIONS, ids=[f"{e}-{p}" for e, p in CONTRADICTIONS])
def test_parameters_that_contradict_the_loss(engine, params, binary):
    """An error before any training, which names the parameter, its value and the loss."""
    X, y, _ = binary
    (name, value), = params.items()
    value = "l2" if isinstance(value, list) else value
    with pytest.raises(ValueError) as raised:
        train(engine, Focal(gamma=1.0), data_set(engine, X, y), params=params)
    assert str(raised.value).startswith(f"params[{name!r}] == {value!r} contradicts loss == Focal(gamma=1.0): ")


def test_two_objectives_are_refused(binary):
    """obj beside loss, and num_class beside a regression loss."""
    X, y, _ = binary
    with pytest.raises(ValueError, match=r"^obj == Huber\(\) contradicts loss == Focal\(\): give one of them\.$"):
        train("xgboost", Focal(), data_set("xgboost", X, y), obj=Huber())
    for engine in ("xgboost", "lightgbm"):
        with pytest.raises(ValueError, match=r"^num_class == 3 contradicts loss == Huber\(\): it has one output\.$"):
            train(engine, Huber(), data_set(engine, X, y), params={"num_class": 3})


@ENGINES
def test_labels_outside_the_domain_are_refused(engine, binary):
    """Before training, with the place."""
    X, y, _ = binary
    with pytest.raises(ValueError, match=r"^y_true\[0\] == -1.0, must be in \[0, 1\]\.$"):
        train(engine, CrossEntropy(), data_set(engine, X, np.append(-1.0, y[1:])))
    with pytest.raises(ValueError, match=r"^y_true has one class only \(0\), must have at least two\.$"):
        train(engine, CrossEntropy(), data_set(engine, X, np.zeros(len(X))))
    with pytest.raises(ValueError, match=r"^alpha == 0.25 with 3 classes, must be used with two\.$"):
        train(engine, Focal(alpha=0.25), data_set(engine, X, np.arange(1500) % 3))


@ENGINES
def test_a_start_of_the_user_is_respected(engine, binary):
    """base_margin or init_score is the start, with a warning, and is not in the model."""
    X, y, weight = binary
    own = 2 * X[:, 0]
    data = data_set(engine, X, y, weight, **{"base_margin" if engine == "xgboost" else "init_score": own})
    name = "base_margin" if engine == "xgboost" else "init_score"
    with pytest.warns(UserWarning, match=f"has an? {name}: it is the start, and it is not in the saved model"):
        booster = train(engine, CrossEntropy(), data, 1)
    objective = {"xgboost": "binary:logistic", "lightgbm": "binary"}[engine]
    extra = {"base_score": 0.5} if engine == "xgboost" else {}
    other = data_set(engine, X, y, weight, **{name: own})
    theirs = built_in(engine, objective, other, 1, **extra)
    base = CrossEntropy().fit_intercept_only(y, weight) if engine == "xgboost" else 0.0  # what a plain row starts from
    assert_allclose(predict(booster, X, margin=True) - base, predict(theirs, X, margin=True), atol=1e-5)
    start = data.get_base_margin() if engine == "xgboost" else data.get_init_score()
    assert_allclose(start, own, rtol=1e-6)


@ENGINES
@TASKS
def test_continued_training_adds_the_start_once(engine, task, tasks):
    """4 rounds and 4 more equal 8."""
    loss, (X, y, weight) = tasks[task]
    at_once = train(engine, loss, data_set(engine, X, y, weight), 8)
    first = train(engine, loss, data_set(engine, X, y, weight), 4)
    again = {"xgb_model" if engine == "xgboost" else "init_model": first}
    both = train(engine, loss, data_set(engine, X, y, weight), 4, **again)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if task not in ("regression", "quantile") else {"rtol": 2e-3}
    assert_allclose(predict(both, X, margin=True), predict(at_once, X, margin=True), **tolerance)
    assert both.num_boosted_rounds() == 8 if engine == "xgboost" else both.current_iteration() == 8


# ---------------------------------------------------------------------------------------- metrics, classes, containers


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
