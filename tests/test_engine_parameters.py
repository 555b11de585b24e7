"""boostloss.xgboost and boostloss.lightgbm: data sets are left alone, parameters are checked, trainings go on."""

import lightgbm as lgb
import numpy as np
import pytest
from engine_tasks import ENGINES, PARAMS, TASKS, built_in, data_set, predict, train
from numpy.testing import assert_allclose, assert_array_equal

from boostloss import CrossEntropy, Focal, Huber


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
    ((name, value),) = params.items()
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
