"""The objective and the metric of a loss, as arrays and as the native and estimator APIs of both engines call them."""

import pickle
import threading
import warnings

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import LOSSES, REGRESSION, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from boostloss import (
    MAPE,
    MSLE,
    SMAPE,
    AbsoluteError,
    CrossEntropy,
    Expectile,
    Focal,
    Gamma,
    Huber,
    LogCosh,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)
from boostloss.objective import Metric, Objective

N_ROWS, N_TREES = 400, 5
XGB = {"max_depth": 3, "nthread": 1, "verbosity": 1}
LGB = {"num_leaves": 7, "num_threads": 1, "verbosity": 1, "min_data_in_leaf": 5}
TASKS = [
    Case(CrossEntropy(pos_weight=2.0)),
    Case(Focal(gamma=2.0)),
    Case(Focal(gamma=1.0, class_weight=[1, 2, 3, 4]), 4),
    Case(Huber()),
    Case(Quantile(quantile=0.9, bandwidth=0.5)),
]


def features(case, seed=0):
    """Features that say something about the labels, the labels, and weights."""
    rng = np.random.default_rng(seed)
    y = case.labels(N_ROWS, seed)
    X = rng.normal(size=(N_ROWS, 4))
    X[:, 0] += y
    X[:, 1] -= y == 1
    return X, y, case.weights(N_ROWS, seed)


def dmatrix(case, seed=0, weighted=True):
    X, y, weight = features(case, seed)
    return xgb.DMatrix(X, y, weight=weight if weighted else None)


def dataset(case, seed=0, weighted=True):
    X, y, weight = features(case, seed)
    return lgb.Dataset(X, y, weight=weight if weighted else None, params={"verbosity": -1}).construct()


def engine_like(raw, data):
    """Raw predictions as the engine hands them over: float32 in C order, or float64 in Fortran order."""
    return raw.astype(np.float32) if isinstance(data, xgb.DMatrix) else np.asfortranarray(raw)


DATA = pytest.mark.parametrize("make", [dmatrix, dataset], ids=["DMatrix", "Dataset"])


def expected_derivatives(case, y, raw, weight, step):
    """gradient_hessian; for residual losses divided by the mean curvature, and the gradient by the step as well."""
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight)
    if case.is_classification or isinstance(case.loss, Gamma | Poisson | Tweedie):
        return gradient, hessian
    mean = hessian.sum(axis=0) / (len(y) if weight is None else weight.sum())
    return gradient / (step * mean), hessian / mean


def step_of(loss, rate=None):
    """The step of residual losses: min(1, 1.6 sqrt(rate)); without a rate .7 for quantiles, else 1; exact: 1."""
    if loss.curvature == "exact" or isinstance(loss, Expectile | MSLE | SquaredError):
        return 1.0
    if rate is None:
        return 0.7 if isinstance(loss, AbsoluteError | MAPE | Quantile | SMAPE) else 1.0
    return min(1.0, 1.6 * np.sqrt(rate))


# -------------------------------------------------------------------------------------------------------------- arrays


@over(LOSSES)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_array_form(case, weighted):
    """(y_true, y_pred, sample_weight): derivatives in float32; those of residual losses with a mean curvature of 1."""
    y, raw, weight = case.sample(weighted=weighted)
    expected = expected_derivatives(case, y, raw, weight, step_of(case.loss))
    for a, b in zip(case.loss(y, raw, weight), expected, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=3e-6, atol=3e-6 * np.abs(b).max())
    if not case.is_classification and not isinstance(case.loss, Gamma | Poisson | Tweedie):
        weights = np.ones(len(y)) if weight is None else weight
        assert_allclose(case.loss(y, raw, weight)[1].sum(axis=0), weights.sum(), rtol=1e-5)


@over(REGRESSION)
@pytest.mark.parametrize("rate", [None, 0.01, 0.1, 0.3, 1.0])
def test_step_of_residual_losses(case, rate):
    """The learning rate changes the gradient by the step min(1, 1.6 sqrt(rate)), and never the curvature."""
    y, raw, weight = case.sample()
    expected = expected_derivatives(case, y, raw, weight, step_of(case.loss, rate))
    for a, b in zip(Objective(case.loss, learning_rate=rate)(y, raw, weight), expected, strict=True):
        assert_allclose(a, b, rtol=3e-6, atol=3e-6 * np.abs(b).max())


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_step_of_outer_quantiles_shortens(quantile, rate):
    """By hypot(1, (1 - 2 tau) t / 5), t the rate times the rounds of this training before; never the curvature."""
    case = Case(Quantile(quantile=quantile))
    y, raw, _ = case.sample()
    objective, data = Objective(case.loss, learning_rate=rate), dmatrix(case)
    of_arrays = [objective(y, raw) for _ in range(4)]
    of_data = [[a.copy() for a in objective(np.zeros(N_ROWS), data)] for _ in range(4)]
    for (first, first_hessian), *later in (of_arrays, of_data):
        for n, (gradient, hessian) in enumerate(later, 1):
            shorter = np.hypot(1, (1 - 2 * quantile) * n * rate / 5)
            assert_allclose(gradient * shorter, first, rtol=1e-5)
            assert_array_equal(hessian, first_hessian)


def test_steps_do_not_shorten_without_a_learning_rate():
    """Nor with the exact curvature, and another training begins anew."""
    case = Case(Quantile(quantile=0.9))
    y, raw, _ = case.sample()
    exact = Quantile(quantile=0.9, curvature="exact")
    for objective in (case.loss, Objective(case.loss), Objective(exact, learning_rate=0.3)):
        assert_array_equal(objective(y, raw)[0], objective(y, raw)[0])
    begun, again = (Objective(case.loss, learning_rate=0.3) for _ in range(2))
    first = begun(y, raw)[0]
    assert (np.abs(begun(y, raw)[0]) < np.abs(first)).all()
    assert_array_equal(again(y, raw)[0], first)


# ----------------------------------------------------------------------------------------------------------- data sets


@over(LOSSES)
@DATA
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_data_set_form_equals_array_form(case, make, weighted):
    """(y_pred, data set) takes labels and weights from the data set."""
    data = make(case, weighted=weighted)
    _, y, weight = features(case)
    raw = engine_like(case.raw(N_ROWS), data)
    for a, b in zip(case.loss(raw, data), case.loss(y, raw, weight if weighted else None), strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=2e-6, atol=1e-6)
        assert a.flags.f_contiguous == raw.flags.f_contiguous
        assert a.flags.c_contiguous == raw.flags.c_contiguous


@over(TASKS)
@DATA
def test_changed_labels_and_weights_are_noticed(case, make):
    """Set on the same data set, other labels and weights count from the next call on."""
    data = make(case)
    _, y, weight = features(case)
    raw = engine_like(case.raw(N_ROWS), data)
    case.loss(raw, data)
    case.loss.metric(raw, data)
    y, weight = np.roll(y, 1), np.roll(weight, 3)
    for change in ({"label": y}, {"weight": weight}):
        for name, values in change.items():
            getattr(data, f"set_{name}")(values)
        arguments = data.get_label(), raw, data.get_weight()
        for a, b in zip(case.loss(raw, data), case.loss(*arguments), strict=True):
            assert_allclose(a, b, rtol=2e-6, atol=1e-6)
        assert_allclose(case.loss.metric(raw, data)[1], case.loss.metric(*arguments), rtol=1e-5)
    assert_allclose(data.get_label(), y, rtol=1e-6)


@over(TASKS)
@DATA
def test_two_data_sets_in_turn(case, make):
    """Data sets of equal length are told apart."""
    first, second = make(case, 0), make(case, 1)
    raw, objective, metric = engine_like(case.raw(N_ROWS), first), Objective(case.loss), case.loss.metric
    for _ in range(3):
        for data, seed in ((first, 0), (second, 1)):
            _, y, weight = features(case, seed)
            assert_allclose(objective(raw, data)[0], case.loss(y, raw, weight)[0], rtol=2e-6, atol=1e-6)
            assert_allclose(metric(raw, data)[1], case.loss.metric(y, raw, weight), rtol=1e-5)


@DATA
def test_two_losses_on_one_data_set(make):
    """What is known of a data set under one loss is not taken for another's."""
    case = Case(CrossEntropy())
    data, raw = make(case), case.raw(N_ROWS)
    _, y, weight = features(case)
    losses = CrossEntropy(), CrossEntropy(label_smoothing=0.1), Focal(), CrossEntropy(label_smoothing=0.3), Huber()
    for loss in losses * 2:
        assert_allclose(loss(engine_like(raw, data), data)[0], loss(y, raw, weight)[0], rtol=1e-5, atol=1e-5)


@over(TASKS)
@DATA
def test_buffers_are_reused_for_a_data_set_only(case, make):
    """An engine is done with the arrays before its next round; a caller with arrays gets fresh ones."""
    data, other = make(case), make(case, 1)
    raw = engine_like(case.raw(N_ROWS), data)
    assert all(np.shares_memory(a, b) for a, b in zip(case.loss(raw, data), case.loss(raw, data), strict=True))
    assert not np.shares_memory(case.loss(raw, data)[0], case.loss(raw, other)[0])
    assert not np.shares_memory(*case.loss(raw, data))
    found = []
    thread = threading.Thread(target=lambda: found.append(case.loss(raw, data)[0]))
    thread.start()
    thread.join()
    assert not np.shares_memory(found[0], case.loss(raw, data)[0])
    assert_array_equal(found[0], case.loss(raw, data)[0])


@over(TASKS)
@DATA
def test_read_only_predictions(case, make):
    """An engine's buffer may be neither written nor kept."""
    data = make(case)
    raw = engine_like(case.raw(N_ROWS), data)
    expected = [a.copy() for a in case.loss(raw, data)]
    raw.flags.writeable = False
    before = raw.copy()
    for a, b in zip(case.loss(raw, data), expected, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(raw, before)


@over(TASKS)
@DATA
def test_bad_data_sets_are_refused(case, make):
    """No labels, labels outside the domain, predictions of another length or that are not finite."""
    X, _, _ = features(case)
    data = make(case)
    with pytest.raises(ValueError, match=r"^raw_prediction.shape == \(399"):
        case.loss(case.raw(N_ROWS - 1), data)
    raw = engine_like(case.raw(N_ROWS), data)
    raw[(5, 0)[: raw.ndim]] = np.nan
    with pytest.raises(ValueError, match=r"^raw_prediction\[5.*\] == nan, must be finite\.$"):
        case.loss(raw, data)
    if case.is_classification:
        data.set_label(np.full(N_ROWS, -1.0))
        with pytest.raises(ValueError, match=r"^y_true\[0\] == -1.0, must be "):
            case.loss(case.raw(N_ROWS), data)
    if make is dmatrix:  # LightGBM labels a data set without labels with zeros
        with pytest.raises(ValueError, match=r"^data has no label, must have one per row\.$"):
            case.loss(case.raw(N_ROWS), xgb.DMatrix(X))


# ---------------------------------------------------------------------------------------------------------- the metric


@over(TASKS)
def test_metric_in_all_its_forms(case):
    """A number for arrays, (name, value) for a DMatrix, (name, value, False) for a Dataset; margins in all of them."""
    _, y, weight = features(case)
    raw = case.raw(N_ROWS)
    value = case.loss.metric(y, raw, weight)
    name = case.loss.metric.__name__
    assert case.loss.metric(raw.astype(np.float32), dmatrix(case)) == (name, pytest.approx(value, rel=1e-5))
    assert case.loss.metric(np.asfortranarray(raw), dataset(case)) == (name, pytest.approx(value, rel=1e-5), False)
    assert tuple(value) == (name, float(value), False)
    assert pickle.loads(pickle.dumps(value)) == value


def test_objective_and_metric_are_plain_objects():
    """They pickle, and say what they are."""
    metric, objective = Focal().metric, Objective(Focal(), learning_rate=0.1)
    assert repr(metric) == "Focal().metric"
    assert repr(objective) == "Objective(Focal())"
    y, raw = np.array([0.0, 1.0]), np.array([0.5, -0.5])
    assert pickle.loads(pickle.dumps(metric))(y, raw) == metric(y, raw) == Metric(Focal())(y, raw)
    assert_array_equal(pickle.loads(pickle.dumps(objective))(y, raw), objective(y, raw))


# ---------------------------------------------------------------------------------------- the loss, given to an engine


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
    raw = margins_of(case, booster, X)
    assert_allclose(raw, margins_of(case, boosted(case, X, y, weight, "xgboost"), X), rtol=1e-5, atol=1e-6)
    values = log["train"][case.loss.metric.__name__]
    assert_allclose(values[-1], case.loss.metric(y, raw, weight), rtol=1e-5)
    assert values[-1] < values[0]


@over(TASKS)
@pytest.mark.usefixtures("silent")
def test_lightgbm_train_takes_a_loss(case):
    """lgb.train({"objective": loss}, feval=loss.metric): labels, weights and scores of the right data, no warning."""
    X, y, weight = features(case)
    data, log = lgb.Dataset(X, y, weight=weight), {}
    params = {**LGB, "verbosity": 0, "objective": case.loss, "metric": "None", "num_class": case.n_outputs}
    booster = lgb.train(params, data, N_TREES, feval=case.loss.metric, valid_sets=[data],
                        callbacks=[lgb.record_evaluation(log)])  # fmt: skip
    raw = margins_of(case, booster, X)
    assert_allclose(raw, margins_of(case, boosted(case, X, y, weight, "lightgbm"), X), rtol=1e-6, atol=1e-9)
    values = log["training"][case.loss.metric.__name__]
    assert_allclose(values[-1], case.loss.metric(y, raw, weight), rtol=1e-5)
    assert values[-1] < values[0]


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
