"""renew_leaves of boostloss.lightgbm.train: leaves that are quantiles of residuals."""

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import boostloss.lightgbm
from boostloss import AbsoluteError, Focal, Huber, Quantile, RegressionLoss
from boostloss._lightgbm_renewal import group_quantiles, told_apart
from boostloss._lightgbm_text import leaf_values

PARAMS = {"num_leaves": 7, "num_threads": 1, "learning_rate": 0.2, "verbosity": -1, "min_data_in_leaf": 5}
LOSSES = pytest.mark.parametrize("loss", [Quantile(quantile=0.1), Quantile(quantile=0.9), AbsoluteError()], ids=repr)
FIT, VALID = slice(0, 1000), slice(1000, None)


@pytest.fixture(scope="module")
def data():
    """Features, a target whose spread depends on them, weights with some zeros."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1800, 5))
    y = 3 * X[:, 0] + 2 * np.sin(3 * X[:, 1]) + rng.standard_t(3, 1800) * (1 + np.abs(X[:, 2])) + 100
    weight = rng.uniform(0.2, 3, 1800)
    weight[::17] = 0
    return X, y.astype(np.float32).astype(float), weight.astype(np.float32).astype(float)


def train(loss, X, y, n_trees=20, params=None, weight=None, init_score=None, **arguments):
    train_set = lgb.Dataset(X, y, weight=weight, init_score=init_score)
    settings = {**PARAMS, **(params or {})}
    return boostloss.lightgbm.train(settings, train_set, n_trees, loss=loss, renew_leaves=True, **arguments)


def train_with_sets(loss, data, weighted, n_trees, params=None, callbacks=(), **arguments):
    """A model trained with two sets to watch, and their metrics."""
    X, y, weight = data
    weight = weight if weighted else None
    log = {}
    train_set = lgb.Dataset(X[FIT], y[FIT], weight=None if weight is None else weight[FIT])
    valid_set = train_set.create_valid(X[VALID], y[VALID], weight=None if weight is None else weight[VALID])
    booster = boostloss.lightgbm.train(
        {**PARAMS, **(params or {})}, train_set, n_trees, valid_sets=[valid_set, train_set],
        valid_names=["valid", "fit"], callbacks=[lgb.record_evaluation(log), *callbacks],
        loss=loss, renew_leaves=True, **arguments,
    )  # fmt: skip
    return booster, log, weight


def assert_history(log, booster, data, weight, loss, n_trees=None):
    """The metrics of every round are those of the trees there were, as many as rounds unless `n_trees` says."""
    X, y, _ = data
    for name, rows in (("valid", VALID), ("fit", FIT)):
        (values,) = log[name].values()
        row_weight = None if weight is None else weight[rows]
        for t, value in zip(n_trees or range(1, len(values) + 1), values, strict=True):
            expected = loss.metric(y[rows], booster.predict(X[rows], num_iteration=t), row_weight)
            assert_allclose(value, expected, rtol=1e-5)


def simulated_margins(booster, X, y, weight, loss, rates, start):
    """Margins after every tree, with each leaf's quantile from the leaves that LightGBM itself tells of."""
    leaves = booster.predict(X, pred_leaf=True).reshape(len(X), -1).astype(int)
    margins, history = np.array(start, float), []
    for tree, rate in zip(leaves.T, rates, strict=True):
        n_leaves = tree.max() + 1
        margins = margins + rate * group_quantiles(y - margins, weight, tree, n_leaves, loss.leaf_quantile)[tree]
        history.append(margins)
    return history


@pytest.mark.parametrize("weighted", [False, True])
@LOSSES
def test_leaves_are_quantiles_of_residuals(loss, weighted, data):
    """Every tree, from the leaves that the finished model tells of."""
    X, y, weight = data
    booster = train(loss, X, y, weight=weight if weighted else None)
    start = loss.fit_intercept_only(y, weight if weighted else None)
    counted = weight if weighted else np.ones(len(y))
    history = simulated_margins(booster, X, y, counted, loss, [0.2] * 20, np.full(len(y), start))
    for t, margins in enumerate(history, 1):
        assert_allclose(booster.predict(X, num_iteration=t), margins, rtol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@LOSSES
def test_metrics_are_those_of_the_renewed_trees(loss, weighted, data):
    """In every round, on both sets, whichever is first."""
    booster, log, weight = train_with_sets(loss, data, weighted, 25)
    assert_history(log, booster, data, weight, loss)
    for values in (log["fit"], log["valid"]):
        (history,) = values.values()
        assert history[-1] < 0.85 * history[0]


@pytest.mark.parametrize("params", [
    {"bagging_fraction": 0.6, "bagging_freq": 1}, {"data_sample_strategy": "goss"}, {"extra_trees": True},
    {"use_quantized_grad": True}, {"lambda_l1": 30.0}, {"feature_fraction": 0.4}, {"boosting": "gbdt"},
    {"min_data_in_leaf": 500, "feature_fraction_bynode": 0.3}, {"num_leaves": 300, "min_data_in_leaf": 1},
], ids=repr)  # fmt: skip
def test_other_ways_to_grow_trees(params, data):
    """Sampling, regularisation, hundreds of leaves, rounds without a split: the metrics are still true."""
    loss, n_trees = Quantile(quantile=0.9), []
    count = [lambda env: n_trees.append(env.model.num_trees())]
    booster, log, weight = train_with_sets(loss, data, True, 15, params, count)
    assert_history(log, booster, data, weight, loss, n_trees)


def test_early_stopping(data):
    """It stops at the best round of the renewed trees, and the model ends there, in its file as well."""
    loss = Quantile(quantile=0.9)
    stop = lgb.early_stopping(5, verbose=False)
    booster, log, _ = train_with_sets(loss, data, False, 500, {"learning_rate": 0.5}, [stop])
    values = log["valid"]["pinball"]
    assert len(values) < 500
    assert booster.best_iteration == int(np.argmin(values)) + 1
    X, y, _ = data
    assert_allclose(loss.metric(y[VALID], booster.predict(X[VALID])), min(values), rtol=1e-5)
    loaded = lgb.Booster(model_str=booster.model_to_string())
    assert_array_equal(loaded.predict(X), booster.predict(X))


def test_callbacks_and_metrics_of_the_user_see_the_renewed_trees(data):
    """A callback after the round, and metrics given as a list; a rate that changes from round to round."""
    loss, rates, seen = Quantile(quantile=0.9), [0.3, 0.1, 0.05, 0.5], []
    X, y, _ = data

    def mean(scores, _data):
        return "mean", scores.mean(), False

    def predictions(env):
        seen.append(env.model.predict(X))  # without the start, which is added in the end

    callbacks = [predictions, lgb.reset_parameter(learning_rate=rates)]
    feval = [mean, loss.metric]
    booster, log, _ = train_with_sets(loss, data, False, 4, callbacks=callbacks, feval=feval)
    for t in range(1, 5):
        prediction = booster.predict(X, num_iteration=t)
        assert_allclose(log["fit"]["mean"][t - 1], prediction[FIT].mean(), rtol=1e-10)
        assert_allclose(log["valid"]["mean"][t - 1], prediction[VALID].mean(), rtol=1e-10)
        assert_allclose(np.ptp(prediction - seen[t - 1]), 0, atol=1e-9)
    start = np.full(1000, loss.fit_intercept_only(y[FIT]))
    margins = simulated_margins(booster, X[FIT], y[FIT], np.ones(1000), loss, rates, start)[-1]
    assert_allclose(booster.predict(X[FIT]), margins, rtol=1e-7)


def test_leaves_with_the_same_output_are_renewed_as_one():
    """Two leaves of the same residuals cannot be told apart: one quantile for both."""
    rng = np.random.default_rng(1)
    noise = rng.exponential(size=60)
    y = np.concatenate([noise, noise + 5, noise])  # the outer two thirds are alike
    X = np.repeat([[0.0], [1.0], [2.0]], 60, axis=0)
    log, train_set = {}, lgb.Dataset(X, y)
    loss = Quantile(quantile=0.9)
    settings = {**PARAMS, "num_leaves": 3, "learning_rate": 0.5}
    booster = boostloss.lightgbm.train(settings, train_set, 3, valid_sets=[train_set], loss=loss, renew_leaves=True,
                                       callbacks=[lgb.record_evaluation(log)])  # fmt: skip
    first = leaf_values(booster.model_to_string(num_iteration=1))
    assert len(first) == 3
    assert len(np.unique(first)) == 2
    start = loss.fit_intercept_only(y)
    alike = y[X[:, 0] != 1] - start
    expected = start + 0.5 * np.quantile(alike, 0.9, method="averaged_inverted_cdf")
    assert_allclose(booster.predict([[0.0], [2.0]], num_iteration=1), expected, rtol=1e-6)
    for t, value in enumerate(log["training"]["pinball"], 1):
        assert_allclose(value, loss.metric(y, booster.predict(X, num_iteration=t)), rtol=1e-5)


def test_outputs_are_told_apart():
    """Groups in ascending order, one for outputs that differ by less than the tolerance."""
    outputs = np.array([0.3, -1.0, 0.3 + 1e-15, 2.0, -1.0])
    group, borders = told_apart(outputs, 1e-14)
    assert_array_equal(group, [1, 0, 1, 2, 0])
    assert_array_equal(np.searchsorted(borders, outputs), group)
    assert_array_equal(told_apart(np.zeros(4), 1e-14)[0], 0)


@pytest.mark.parametrize("quantile", [0.1, 0.35, 0.5, 0.55, 0.9])
def test_quantiles_of_groups(quantile):
    """NumPy's, group by group; a weight repeats a row; the mirrored quantile is that of the mirrored values."""
    rng = np.random.default_rng(2)
    values, group = rng.integers(0, 30, 400) / 7, rng.integers(0, 9, 400)
    values[group == 3] += 1e6
    weight = rng.integers(0, 4, 400).astype(float)
    weight[group == 4] = 0

    def expected(values, group, k):
        own = values[group == k]
        return np.quantile(own, quantile, method="averaged_inverted_cdf") if len(own) else 0.0

    plain = group_quantiles(values, np.ones(400), group, 11, quantile)
    assert_allclose(plain, [expected(values, group, k) for k in range(11)], rtol=1e-12)
    weighted = group_quantiles(values, weight, group, 11, quantile)
    repeated = [np.repeat(array, weight.astype(int)) for array in (values, group)]
    assert_allclose(weighted, [expected(*repeated, k) for k in range(11)], rtol=1e-12)
    assert_allclose(group_quantiles(values, 1e-3 * weight, group, 11, quantile), weighted, rtol=1e-12)
    assert_allclose(group_quantiles(-values, weight, group, 11, 1 - quantile), -weighted, rtol=1e-12)


class Steps(RegressionLoss):
    """The pinball loss as LightGBM's own objective has it: slopes of -tau and 1 - tau, curvature 1."""

    def __init__(self, *, quantile, curvature="auto"):
        self.quantile, self.curvature = quantile, curvature

    @property
    def leaf_quantile(self):
        return self.quantile

    @staticmethod
    def point(r, quantile):
        slope = 1.0 - quantile if r >= 0.0 else -quantile
        return slope * r, slope, 0.0, 1.0

    def fit_intercept_only(self, y_true, sample_weight=None):
        return float(np.quantile(y_true, self.quantile))


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_it_is_the_built_in_renewal(quantile):
    """With the slopes of LightGBM's own objective: its pinball loss within a percent, on rows held out as well.

    Leaves of 200 rows: with fewer, the two conventions for a quantile between two rows differ by more.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 5))
    y = 3 * X[:, 0] + 2 * np.sin(3 * X[:, 1]) + rng.standard_t(3, 6000) * (1 + np.abs(X[:, 2])) + 100
    fit, held_out = slice(0, 4000), slice(4000, None)
    settings = {**PARAMS, "min_data_in_leaf": 200, "learning_rate": 0.1}
    ours = train(Steps(quantile=quantile), X[fit], y[fit], 60, settings)
    theirs = lgb.train({**settings, "objective": "quantile", "alpha": quantile}, lgb.Dataset(X[fit], y[fit]), 60)
    metric = Quantile(quantile=quantile).metric
    constant = metric(y[held_out], np.full(2000, np.quantile(y[fit], quantile)))
    for rows in (fit, held_out):
        built_in = metric(y[rows], theirs.predict(X[rows]))
        assert built_in < 0.85 * constant
        assert_allclose(metric(y[rows], ours.predict(X[rows])), built_in, rtol=0.01)


def test_continued_training(data):
    """10 rounds and 10 more are 20, and the metric goes on from the first model."""
    X, y, _ = data
    loss, log = Quantile(quantile=0.9), {}
    first, at_once = (train(loss, X, y, n) for n in (10, 20))
    train_set = lgb.Dataset(X, y)
    both = boostloss.lightgbm.train(PARAMS, train_set, 10, valid_sets=[train_set], init_model=first, loss=loss,
                                    renew_leaves=True, callbacks=[lgb.record_evaluation(log)])  # fmt: skip
    assert both.num_trees() == 20
    assert_allclose(both.predict(X), at_once.predict(X), rtol=1e-3)
    for t, value in enumerate(log["training"]["pinball"], 11):
        assert_allclose(value, loss.metric(y, both.predict(X, num_iteration=t)), rtol=1e-5)


def test_a_start_of_the_user(data):
    """Leaves are quantiles of the residuals from there."""
    X, y, _ = data
    loss, start = AbsoluteError(), 100 + X[:, 0]
    with pytest.warns(UserWarning, match="has an init_score"):
        booster = train(loss, X, y, 5, init_score=start)
    margins = simulated_margins(booster, X, y, np.ones(len(y)), loss, [0.2] * 5, start)[-1]
    assert_allclose(start + booster.predict(X), margins, rtol=1e-7)


def test_nothing_to_split():
    """A model without trees is the start."""
    X, y = np.zeros((30, 1)), np.arange(30.0)
    booster = train(AbsoluteError(), X, y, 3)
    assert_allclose(booster.predict(X), AbsoluteError().fit_intercept_only(y), rtol=1e-6)


REFUSED = [
    {"linear_tree": True},
    {"monotone_constraints": [1, 0, 0, 0, 0]},
    {"max_delta_step": 0.5},
    {"tree_learner": "data"},
    {"metric": "l1"},
    {"metrics": ["None", "quantile"]},
]


@pytest.mark.parametrize("params", REFUSED, ids=repr)
def test_what_renewal_cannot_do_is_refused(params, data):
    """An error before any training, which names the parameter and its value."""
    X, y, _ = data
    ((name, value),) = params.items()
    with pytest.raises(ValueError) as raised:
        train(Quantile(), X, y, params=params)
    assert str(raised.value).startswith(f"params[{name!r}] == {value!r} contradicts renew_leaves == True: ")


def test_dart_is_refused(data):
    """It changes earlier trees."""
    X, y, _ = data
    with (
        pytest.warns(UserWarning, match="not reproducible"),
        pytest.raises(ValueError, match=r"^params\['boosting'\] == 'dart' contradicts renew_leaves == True: "),
    ):
        train(Quantile(), X, y, params={"boosting": "dart"})


def test_a_booster_kept_in_training_is_refused(data):
    """Its scores are those of the trees as they were."""
    X, y, _ = data
    with pytest.raises(ValueError, match=r"^keep_training_booster == True contradicts renew_leaves == True: "):
        train(Quantile(), X, y, keep_training_booster=True)


@pytest.mark.parametrize("loss", [Huber(), Focal()], ids=repr)
def test_losses_without_a_quantile_are_refused(loss, data):
    """Their best leaf is something else."""
    X, y, _ = data
    with pytest.raises(ValueError) as raised:
        train(loss, X, y > 100)
    assert str(raised.value).startswith(f"renew_leaves == True contradicts loss == {loss!r}: ")


def test_parameters_that_ask_for_nothing_are_taken(data):
    """False, zero and "None" contradict nothing."""
    X, y, _ = data
    nothing = {"linear_tree": False, "max_delta_step": 0, "metric": "None", "tree_learner": "serial"}
    same = train(Quantile(), X, y, 3, params=nothing)
    assert_array_equal(same.predict(X), train(Quantile(), X, y, 3).predict(X))
