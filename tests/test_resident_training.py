"""The training loop whose raw predictions stay where they are: the trees of XGBoost's own loop, to the bit."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import boostloss as bl
import boostloss.xgboost
from boostloss import _data_sets

xgboost = pytest.importorskip("xgboost", reason="the loop is XGBoost's")
PARAMS = {"nthread": 1, "max_depth": 3, "seed": 7}


def sample(n_rows=400, seed=0):
    """Features with missing values, and labels of every kind."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 5)).astype(np.float32)
    signal = X[:, 0] + 0.5 * X[:, 1] ** 2 + rng.normal(size=n_rows)
    X[rng.random(X.shape) < 0.1] = np.nan
    labels = {
        "two": signal > 1,
        "three": np.digitize(signal, [0, 1]),
        "number": 100 + 10 * signal,
        "narrow": 0.01 * signal,
        "count": rng.poisson(np.exp(signal / 2)),
        "labels": np.column_stack([signal > 1, signal < 0]),
    }
    return X, {name: label.astype(np.float32) for name, label in labels.items()}, rng.uniform(0.5, 2, n_rows)


X, LABELS, WEIGHT = sample()
X_VALID, LABELS_VALID, WEIGHT_VALID = sample(150, seed=1)


def both(params, dtrain, features, *arguments, loss, **keywords):
    """The model of XGBoost's loop and of ours."""
    params = {**PARAMS, **params}
    return (
        boostloss.xgboost.train(params, dtrain, *arguments, loss=loss, **keywords),
        boostloss.xgboost.train(params, dtrain, *arguments, loss=loss, route="resident", X=features, **keywords),
    )


def assert_same(models):
    plain, resident = models
    assert resident.num_boosted_rounds() == plain.num_boosted_rounds() > 0
    assert resident.save_raw("json") == plain.save_raw("json")


TRAININGS = [
    ("two", bl.Focal(class_weight="balanced"), {}),
    ("two", bl.GradientHarmonized(momentum=0.5), {"subsample": 0.5, "num_parallel_tree": 3}),
    ("three", bl.Focal(), {"subsample": 0.7, "colsample_bynode": 0.6}),
    ("three", bl.CrossEntropy(), {"multi_strategy": "multi_output_tree"}),
    ("number", bl.Huber(), {"tree_method": "approx"}),
    ("number", bl.Quantile(quantile=[0.1, 0.9]), {"grow_policy": "lossguide", "max_leaves": 6}),
    ("narrow", bl.Quantile(quantile=0.9), {"num_parallel_tree": 2}),
    ("count", bl.Tweedie(), {"tree_method": "exact", "max_delta_step": 0.7}),
    ("labels", bl.MultiLabel(label_loss=bl.Focal()), {}),
]


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("kind", "loss", "params"), TRAININGS, ids=[f"{kind}-{loss}" for kind, loss, _ in TRAININGS])
def test_same_trees(kind, loss, params, weighted):
    dtrain = xgboost.DMatrix(X, LABELS[kind], weight=WEIGHT if weighted else None)
    assert_same(both(params, dtrain, X, 8, loss=loss))


@pytest.mark.parametrize("kind", ["two", "three"])
def test_same_trees_from_a_base_margin(kind):
    loss = bl.Focal()
    n_outputs = 1 if kind == "two" else 3
    margin = np.random.default_rng(0).normal(size=(len(X), n_outputs)[: 1 + (n_outputs > 1)])
    dtrain = xgboost.DMatrix(X, LABELS[kind], base_margin=margin)
    with pytest.warns(UserWarning, match="base_margin"):
        assert_same(both({}, dtrain, X, 8, loss=loss))


def frame(rng):
    """Numbers and a category."""
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": pd.Categorical(rng.choice(list("uvw"), len(X)))})


FEATURES = {
    "float64": X.astype(np.float64),
    "Fortran": np.asfortranarray(X),
    "sparse": csr_matrix(np.where(X > 0.5, X, 0)),
    "frame": frame(np.random.default_rng(0)),
}


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("matrix", ["DMatrix", "QuantileDMatrix"])
def test_same_trees_of_other_features(kind, matrix):
    dtrain = getattr(xgboost, matrix)(FEATURES[kind], LABELS["two"], enable_categorical=True)
    assert_same(both({}, dtrain, FEATURES[kind], 8, loss=bl.Focal()))


def test_evaluation_sets_and_early_stopping(capsys):
    """Histories, prints, the best round and its score."""
    dtrain = xgboost.DMatrix(X, LABELS["two"], weight=WEIGHT)
    dvalid = xgboost.DMatrix(X_VALID, LABELS_VALID["two"], weight=WEIGHT_VALID)
    histories, prints = ({}, {}), []

    def train(history, **how):
        evals = [(dtrain, "train"), (dvalid, "valid")]
        booster = boostloss.xgboost.train(
            {**PARAMS, "eval_metric": ["logloss", "auc"], "learning_rate": 0.5},
            dtrain,
            200,
            loss=bl.Focal(),
            evals=evals,
            evals_result=history,
            early_stopping_rounds=5,
            verbose_eval=3,
            **how,
        )
        prints.append(capsys.readouterr().out)
        return booster

    models = train(histories[0]), train(histories[1], route="resident", X=X)
    assert_same(models)
    assert histories[0] == histories[1]
    assert list(histories[1]["valid"]) == ["logloss", "auc", "focal"]
    assert models[0].best_iteration == models[1].best_iteration < models[1].num_boosted_rounds() - 1
    assert models[0].best_score == models[1].best_score
    assert prints[0] == prints[1]
    assert prints[1].count("valid-focal") >= 3


def test_custom_metric_sees_margins():
    dtrain, dvalid = xgboost.DMatrix(X, LABELS["two"]), xgboost.DMatrix(X_VALID, LABELS_VALID["two"])
    histories = {}, {}

    def spread(margins, data):
        return "spread", float(margins.max() - margins.min())

    for history, how in zip(histories, ({}, {"route": "resident", "X": X}), strict=True):
        arguments = {"evals": [(dvalid, "valid")], "evals_result": history, "custom_metric": spread, "maximize": True}
        boostloss.xgboost.train(
            PARAMS, dtrain, 6, loss=bl.Focal(), early_stopping_rounds=3, verbose_eval=False, **arguments, **how
        )
    assert histories[0] == histories[1]
    assert len(histories[1]["valid"]["spread"]) == 6


class Recorder(xgboost.callback.TrainingCallback):
    """What a callback is called with; stops the training before round 4."""

    def __init__(self):
        self.calls = []

    def before_training(self, model):
        self.calls.append("training")
        return model

    def before_iteration(self, model, epoch, evals_log):
        self.calls.append((epoch, model.num_boosted_rounds()))
        return epoch == 4

    def after_training(self, model):
        self.calls.append("over")
        model.set_attr(seen="yes")
        return model


def test_callbacks():
    """Also those that change the learning rate, save the best model, or pickle the booster."""
    dtrain = xgboost.DMatrix(X, LABELS["two"])
    recorders = Recorder(), Recorder()
    models = []
    for recorder, how in zip(recorders, ({}, {"route": "resident", "X": X}), strict=True):
        rates = xgboost.callback.LearningRateScheduler(lambda epoch: 0.5 / (1 + epoch))
        callbacks = [recorder, rates]
        models.append(boostloss.xgboost.train(PARAMS, dtrain, 9, loss=bl.Focal(), callbacks=callbacks, **how))
    assert_same(models)
    assert recorders[0].calls == recorders[1].calls
    assert models[1].attr("seen") == "yes"
    assert models[1].num_boosted_rounds() == 4


def test_callback_that_saves_the_best_model(tmp_path):
    dtrain, dvalid = xgboost.DMatrix(X, LABELS["two"]), xgboost.DMatrix(X_VALID, LABELS_VALID["two"])
    models = []
    for name, how in (("plain", {}), ("resident", {"route": "resident", "X": X})):
        (tmp_path / name).mkdir()
        callbacks = [
            xgboost.callback.EarlyStopping(rounds=3, save_best=True),
            xgboost.callback.TrainingCheckPoint(tmp_path / name, as_pickle=True, interval=4),
        ]
        evals = [(dvalid, "valid")]
        models.append(
            boostloss.xgboost.train(
                {**PARAMS, "learning_rate": 0.5},
                dtrain,
                100,
                loss=bl.Focal(),
                callbacks=callbacks,
                evals=evals,
                verbose_eval=False,
                **how,
            )
        )
    assert_same(models)
    assert models[1].num_boosted_rounds() == models[1].best_iteration + 1
    assert len(list((tmp_path / "resident").iterdir())) == len(list((tmp_path / "plain").iterdir())) > 0


@pytest.mark.parametrize(("kind", "loss"), [("two", bl.Focal()), ("three", bl.Focal()), ("number", bl.Quantile())])
def test_continuation(kind, loss, tmp_path):
    """Of a booster and of a file, with the start of the model.

    Without a sample of rows: up to 3.3 a continued training draws another one at every call.
    """
    dtrain = xgboost.DMatrix(X, LABELS[kind])
    before, _ = both({}, dtrain, X, 4, loss=loss)
    before.save_model(tmp_path / "model.ubj")
    for model in (before, tmp_path / "model.ubj"):
        models = both({}, dtrain, X, 4, loss=loss, xgb_model=model)
        assert_same(models)
        assert models[1].num_boosted_rounds() == 8


def test_no_rounds():
    booster = boostloss.xgboost.train(
        PARAMS, xgboost.DMatrix(X, LABELS["two"]), 0, loss=bl.Focal(), route="resident", X=X
    )
    assert booster.num_boosted_rounds() == 0


def test_labels_are_read_once(monkeypatch):
    """Those of every data set."""
    dtrain, dvalid = xgboost.DMatrix(X, LABELS["two"]), xgboost.DMatrix(X_VALID, LABELS_VALID["two"])
    read = []
    current = _data_sets._current_data_set
    monkeypatch.setattr(_data_sets, "_current_data_set", lambda data: read.append(data) or current(data))
    boostloss.xgboost.train(
        PARAMS, dtrain, 5, loss=bl.Focal(), evals=[(dvalid, "valid")], verbose_eval=False, route="resident", X=X
    )
    assert [sum(seen is data for seen in read) for data in (dtrain, dvalid)] == [1, 1]


# ------------------------------------------------------------------------------------------------------------ refusals


def train(params=None, features=X, dtrain=None, **keywords):
    dtrain = xgboost.DMatrix(X, LABELS["two"]) if dtrain is None else dtrain
    arguments = {"loss": bl.Focal(), "route": "resident", "X": features, **keywords}
    return boostloss.xgboost.train({**PARAMS, **(params or {})}, dtrain, 5, **arguments)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"booster": "gblinear"}, "booster == 'gblinear', must be trees"),
        ({"booster": "dart"}, "booster == 'dart' or .*, must be without dropout"),
        ({"process_type": "update", "updater": "refresh"}, "process_type == 'update', must be 'default'"),
    ],
)
def test_unsound_trainings(params, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # from 3.4 on boosters other than trees are deprecated
        with pytest.raises(ValueError, match=message):
            train(params)


def test_dropout_of_trees():
    """From 3.4 on gbtree has it; before it ignores the parameter."""
    booster = train(route="auto")
    if "dart_train_param" not in json.loads(booster.save_config())["learner"]["gradient_booster"]:
        pytest.skip("this XGBoost has dropout in booster='dart' only")
    with pytest.raises(ValueError, match="dropout"):
        train({"rate_drop": 0.5})


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (None, ValueError, "X == None with route == 'resident', must be the features"),
        (X[:-1], ValueError, r"X.shape == \(399, 5\), must be \(400, 5\)"),
        (X[:, :-1], ValueError, r"X.shape == \(400, 4\), must be \(400, 5\)"),
        (X.tolist(), ValueError, "X.shape == None"),
        (X[::-1], ValueError, "must be the features that dtrain was made of, in the same order"),
        (np.where(np.isnan(X), -999, X), ValueError, "with NaN for missing values"),
        (X + 0.5, ValueError, "must be the features that dtrain was made of"),
    ],
    ids=["none", "rows", "columns", "list", "order", "missing", "others"],
)
def test_features_of_other_data(features, error, message):
    with pytest.raises(error, match=message):
        train(features=features)


def test_features_that_only_later_trees_tell_apart():
    """The last raw predictions are compared as well."""
    features = X.copy()
    stumps = train({"max_depth": 1, "learning_rate": 1.0}).get_dump()
    first, *later = [int(stump.split("[f")[1][0]) for stump in stumps]
    features[:, next(column for column in later if column != first)] += 1
    with pytest.raises(ValueError, match="must be the features that dtrain was made of"):
        train({"max_depth": 1, "learning_rate": 1.0}, features=features)


def test_evaluation_sets_of_another_kind():
    with pytest.raises(TypeError, match=r"evals\[0\]\[0\] is of type ndarray, must be a DMatrix"):
        train(evals=[(X, "valid")])
    quantiles = xgboost.QuantileDMatrix(X_VALID, LABELS_VALID["two"])
    with pytest.raises(ValueError, match=r"evals\[0\]\[0\] \('valid'\) is a QuantileDMatrix without ref=dtrain"):
        train(evals=[(quantiles, "valid")])
    dtrain = xgboost.QuantileDMatrix(X, LABELS["two"])
    dvalid = xgboost.QuantileDMatrix(X_VALID, LABELS_VALID["two"], ref=dtrain)
    assert_same(both({}, dtrain, X, 3, loss=bl.Focal(), evals=[(dvalid, "valid")], verbose_eval=False))


@pytest.mark.parametrize(
    ("route", "message"),
    [("gpu", "route == 'gpu', must be one of 'auto', 'host', 'device', 'resident'"),
     ("device", "route == 'device' contradicts device == None")],
)
def test_routes_that_are_none(route, message):
    with pytest.raises(ValueError, match=message):
        train(route=route)


def test_route_of_the_host_is_the_default_of_the_cpu():
    dtrain = xgboost.DMatrix(X, LABELS["two"])
    auto, host = (train(dtrain=dtrain, route=route) for route in ("auto", "host"))
    assert auto.save_raw("json") == host.save_raw("json")


def test_unknown_argument():
    with pytest.raises(TypeError, match="feval"):
        train(feval=None)


def test_margins_that_are_not_finite():
    dtrain = xgboost.DMatrix(X, LABELS["two"], base_margin=np.full(len(X), np.inf))
    with pytest.warns(UserWarning, match="base_margin"), pytest.raises(ValueError, match="must be finite"):
        train(dtrain=dtrain)
