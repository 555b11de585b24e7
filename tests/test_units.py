"""The unit and the origin of the target do not matter: predictions follow y -> a y + b in both engines."""

import json

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from lightgbm import LGBMRegressor
from numpy.testing import assert_array_equal
from xgboost import XGBRegressor

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import AbsoluteError, Fair, Huber, LogCosh, LossRegressor, Poisson, PseudoHuber, Quantile, SquaredError
from boostloss._xgboost_units import in_rows_of, row_count_of

LOSSES = [Huber(), LogCosh(), Quantile(quantile=0.1), AbsoluteError(), PseudoHuber(), Fair(), SquaredError()]
FACTORS = [2e-6, 1e-4, 1e-2, 1e2, 1e5, 5e8]


@pytest.fixture(scope="module")
def task():
    """Features and targets that spread by about 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    return X, X[:, 0] + 0.5 * np.sin(3 * X[:, 1]) + 0.4 * rng.standard_t(4, 1500)


def xgboost_estimator(**more):
    return XGBRegressor(n_estimators=30, n_jobs=1, **more)


def lightgbm_estimator(**more):
    return LGBMRegressor(n_estimators=30, n_jobs=1, verbose=-1, **more)


ESTIMATORS = pytest.mark.parametrize("make", [xgboost_estimator, lightgbm_estimator], ids=["XGBoost", "LightGBM"])


@pytest.mark.filterwarnings("error:y_true spreads")
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("factor", FACTORS)
@ESTIMATORS
def test_predictions_follow_the_unit(make, factor, loss, task):
    """Within 1 % of the standard deviation, in all rows but those that rounding sends to another leaf."""
    X, y = task
    plain = LossRegressor(make(), loss).fit(X, y).predict(X)
    scaled = LossRegressor(make(), loss).fit(X, factor * y).predict(X) / factor
    assert np.mean(np.abs(scaled - plain) > 0.01 * plain.std()) < 0.05


@pytest.mark.filterwarnings("error:y_true spreads")
@pytest.mark.parametrize("factor", [2.0**-16, 2.0**-5])
def test_regularisation_follows_the_unit(factor, task):
    """lambda, gamma and min_child_weight count rows; gamma and alpha have the unit of y, squared or not."""
    X, y = task
    y, more = y / 8, {"reg_lambda": 30.0, "min_child_weight": 40.0}  # spreads below 1: all of them count alike
    plain = LossRegressor(xgboost_estimator(**more, reg_alpha=0.5, gamma=0.1), Huber()).fit(X, y).predict(X)
    more |= {"reg_alpha": 0.5 * factor, "gamma": 0.1 * factor**2}
    scaled = LossRegressor(xgboost_estimator(**more), Huber()).fit(X, factor * y).predict(X) / factor
    assert np.mean(np.abs(scaled - plain) > 0.01 * plain.std()) < 0.01
    assert plain.std() < 0.9 * LossRegressor(xgboost_estimator(), Huber()).fit(X, y).predict(X).std()


@ESTIMATORS
def test_predictions_follow_the_origin(make, task):
    """y * 1e4 + 1e6, as a target in a small unit far from zero."""
    X, y = task
    for loss in (Huber(), Quantile(quantile=0.9)):
        plain = LossRegressor(make(), loss).fit(X, y).predict(X)
        moved = (LossRegressor(make(), loss).fit(X, 1e4 * y + 1e6).predict(X) - 1e6) / 1e4
        assert np.mean(np.abs(moved - plain) > 0.01 * plain.std()) < 0.05


def test_rows_count_more_where_targets_spread_little(task):
    """What XGBoost measures in summed curvature, gradients or gains follows; the user's parameters stay."""
    _, y = task
    start = float(np.median(y))
    assert row_count_of(Huber(), {}, 10 * y, None, 10 * start) == 1
    assert row_count_of(Huber(), {"booster": "gblinear"}, 1e-3 * y, None, 1e-3 * start) == 1
    assert row_count_of(Poisson(), {}, np.abs(1e-3 * y), None, -9.0) == 1
    assert row_count_of(Huber(), {}, np.ones(5), None, 1.0) == 1
    count = row_count_of(Huber(), {}, 1e-3 * y, None, 1e-3 * start)
    assert np.log2(count) in range(18, 24)
    assert in_rows_of({}, 1.0) == {}
    assert in_rows_of({"max_depth": 3}, 8.0) == {"reg_lambda": 8.0, "min_child_weight": 8.0}
    given = {"lambda": 2, "gamma": 0.5, "alpha": None, "min_child_weight": 3}
    assert in_rows_of(given, 8.0) == {"lambda": 16.0, "gamma": 4.0, "min_child_weight": 24.0}


def test_parameters_of_the_estimator_stay(task):
    """They count rows for the user, whatever the engine was told."""
    X, y = task
    estimator = XGBRegressor(n_estimators=2, gamma=0.1, reg_lambda=2.0)
    model = LossRegressor(estimator, Huber()).fit(X, 1e-3 * y)
    after = model.estimator_.get_params()
    for name in ("gamma", "reg_lambda", "reg_alpha", "min_child_weight"):
        assert after[name] == estimator.get_params()[name]


def test_rows_without_weight_have_no_unit(task):
    """Targets of rows of weight 0 change nothing."""
    X, y = task
    weight = np.append(np.ones(1500), np.zeros(50))
    rows = np.append(np.arange(1500), np.arange(50))
    plain = LossRegressor(xgboost_estimator(), Huber()).fit(X, 1e-5 * y).predict(X)
    y_more = np.append(1e-5 * y, np.full(50, 1e3))
    more = LossRegressor(xgboost_estimator(), Huber()).fit(X[rows], y_more, sample_weight=weight).predict(X)
    assert np.mean(np.abs(more - plain) > 0.01 * plain.std()) < 0.05


def test_a_booster_keeps_the_parameters_of_the_user(task):
    """Whoever continues it, with other targets or without boostloss, finds them as they were given."""
    X, y = task
    data = xgb.DMatrix(X, 1e-3 * y)
    booster = boostloss.xgboost.train({"nthread": 1, "alpha": 0.5}, data, 3, loss=Huber())
    model = LossRegressor(xgboost_estimator(reg_alpha=0.5), Huber()).fit(X, 1e-3 * y)
    for trained in (booster, model.estimator_.get_booster()):
        config = json.loads(trained.save_config())["learner"]["gradient_booster"]["tree_train_param"]
        assert [float(config[name]) for name in ("lambda", "alpha", "gamma", "min_child_weight")] == [1, 0.5, 0, 1]


@pytest.mark.filterwarnings("error")
def test_zero_inflated_targets_do_not_warn(task):
    """One in a thousand between 0 and 1: S is tiny, the unit is not."""
    X, _ = task
    y = np.zeros(1500)
    y[::700] = 0.7
    for make in (xgboost_estimator, lightgbm_estimator):
        LossRegressor(make(), Huber()).fit(X, y)


def test_warnings_point_at_the_caller(task):
    """Not into the package."""
    X, y = task
    for use in (
        lambda: boostloss.xgboost.train({}, xgb.DMatrix(X, 1e-9 * y), 1, loss=Huber()),
        lambda: LossRegressor(xgboost_estimator(), Huber()).fit(X, 1e-9 * y),
        lambda: LossRegressor(lightgbm_estimator(), Huber()).fit(X, 1e-9 * y),
    ):
        with pytest.warns(UserWarning, match="y_true spreads by") as caught:
            use()
        assert [w.filename for w in caught if "y_true spreads" in str(w.message)] == [__file__]


@pytest.mark.parametrize(("factor", "warned"), [(1e-8, True), (1e-5, False), (1e8, False), (1e11, True)])
@pytest.mark.parametrize("engine", ["xgboost", "lightgbm", "XGBRegressor", "LGBMRegressor"])
def test_units_beyond_measure_warn(engine, factor, warned, task, recwarn):
    """With the spread and the remedy."""
    X, y = task
    y = factor * y
    if engine == "xgboost":
        boostloss.xgboost.train({}, xgb.DMatrix(X, y), 1, loss=Huber())
    elif engine == "lightgbm":
        boostloss.lightgbm.train({"verbose": -1}, lgb.Dataset(X, y), 1, loss=Huber())
    else:
        make = xgboost_estimator if engine == "XGBRegressor" else lightgbm_estimator
        LossRegressor(make(), Huber()).fit(X, y)
    messages = [str(w.message) for w in recwarn if "y_true spreads by" in str(w.message)]
    assert len(messages) == warned
    assert all("rescale it" in message for message in messages)


def test_a_bare_objective_has_no_remedy_of_its_own(task):
    """xgboost.train(obj=) gets parameters from `params`, which warns where XGBoost would drop gains."""
    _, y = task
    with pytest.warns(UserWarning, match="y_true spreads by"):
        boostloss.xgboost.params(Huber(), 1e-3 * y)


@pytest.mark.filterwarnings("error")
def test_constant_targets_do_not_warn():
    """They spread by nothing."""
    X = np.arange(20.0)[:, None]
    for make in (xgboost_estimator, lightgbm_estimator):
        assert_array_equal(LossRegressor(make(), Huber()).fit(X, np.full(20, 3.0)).predict(X), 3.0)
