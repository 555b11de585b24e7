"""Relative errors, logarithmic errors and log-link losses: definitions, starts, links, bounded steps."""

import re

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import POSITIVE, Case
from lightgbm import LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import (
    mean_absolute_percentage_error,
    mean_gamma_deviance,
    mean_poisson_deviance,
    mean_squared_log_error,
    mean_tweedie_deviance,
)
from xgboost import XGBRegressor

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
from boostloss import MAPE, MSLE, SMAPE, Gamma, Huber, LossRegressor, Poisson, SquaredError, Tweedie
from boostloss.formula import exp
from boostloss.verify import check

LOG_LINK = [Poisson(), Gamma(), Tweedie(power=1.3)]
RELATIVE = [MAPE(), SMAPE(), MSLE()]
ENGINES = {
    "XGBoost": lambda **more: XGBRegressor(n_jobs=1, **more),
    "LightGBM": lambda **more: LGBMRegressor(n_jobs=1, verbose=-1, **more),
}
EVERY_ENGINE = pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)


@pytest.fixture(scope="module")
def task():
    """Features, positive amounts over orders of magnitude, and weights."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 4))
    return X, np.exp(1 + X[:, 0]) * rng.gamma(3, 1 / 3, 3000), rng.uniform(0.3, 2, 3000)


def targets(loss, y):
    """Counts for losses of counts, some of them zero."""
    return np.floor(y) if isinstance(loss, Poisson | Tweedie) else y


def test_metrics_are_scikit_learns(task):
    """On the scale of y, weighted, up to what a loss leaves out."""
    _, y, weight = task
    mean = y * np.random.default_rng(0).lognormal(0, 0.5, len(y))
    weights = {"sample_weight": weight}
    assert_allclose(float(MAPE().metric(y, mean, weight)), mean_absolute_percentage_error(y, mean, **weights))
    assert_allclose(2 * float(MSLE().metric(y, np.log1p(mean), weight)), mean_squared_log_error(y, mean, **weights))
    smape = np.average(2 * np.abs(mean - y) / (mean + y), weights=weight)
    assert_allclose(float(SMAPE().metric(y, np.log(mean), weight)), smape)
    for loss, deviance in (
        (Poisson(), mean_poisson_deviance),
        (Gamma(), mean_gamma_deviance),
        (Tweedie(power=1.3), lambda *a, **k: mean_tweedie_deviance(*a, **k, power=1.3)),
    ):
        metric = loss.metric
        excess = float(metric(y, np.log(mean), weight)) - float(metric(y, np.log(y), weight))
        assert_allclose(2 * excess, deviance(y, mean, **weights))


@pytest.mark.parametrize("loss", POSITIVE, ids=repr)
def test_start_is_the_best_constant(loss, task):
    """No other constant has a lower value; that of the log-link losses is the mean, of MSLE the mean logarithm."""
    _, y, weight = task
    y = targets(loss, y)
    start = loss.fit_intercept_only(y, weight)
    frozen = Case(loss).frozen(y, np.full(len(y), start), weight)
    least = frozen.loss(y, np.full(len(y), start), weight).sum()
    for step in (-1.0, -0.1, -1e-3, 1e-3, 0.1, 1.0):
        assert frozen.loss(y, np.full(len(y), start + step), weight).sum() > least
    if isinstance(loss, Poisson | Gamma | Tweedie):
        assert_allclose(loss.predict([start]), np.average(y, weights=weight), rtol=1e-12)
    if isinstance(loss, MSLE):
        assert_allclose(start, np.average(np.log1p(y), weights=weight), rtol=1e-12)


def test_start_of_mape_is_a_weighted_median(task):
    """Under the weights 1 / y, but for the smoothing."""
    _, y, _ = task
    order = np.argsort(y)
    total = np.cumsum(1 / y[order])
    median = y[order[np.searchsorted(total, total[-1] / 2)]]
    assert_allclose(MAPE(bandwidth=1e-3).fit_intercept_only(y), median, rtol=2e-3)


@pytest.mark.parametrize("loss", LOG_LINK, ids=repr)
def test_steps_of_a_leaf_never_pass_the_best_one(loss):
    """From any constant the step is 2 tanh(half of the best one): bounded, of its sign, and downhill."""
    rng = np.random.default_rng(2)
    y, weight = np.ceil(rng.lognormal(0, 2, 60)), rng.uniform(0.2, 3, 60)
    p = {Poisson: 1.0, Gamma: 2.0}.get(type(loss)) or loss.power
    for z in np.linspace(-9, 9, 37):
        gradient, hessian = loss.gradient_hessian(y, np.full(60, z), weight)
        step = -gradient.sum() / hessian.sum()
        best = np.log((weight * y * np.exp(z * (1 - p))).sum() / (weight * np.exp(z * (2 - p))).sum())
        assert_allclose(step, 2 * np.tanh(best / 2), rtol=1e-10, atol=1e-12)
        moved = loss.loss(y, np.full(60, z + step), weight).sum()
        assert moved <= loss.loss(y, np.full(60, z), weight).sum() + 1e-9


@pytest.mark.parametrize("loss", [SMAPE(bandwidth=0.3), SMAPE(bandwidth=0.01), MSLE()], ids=repr)
def test_curvature_majorises(loss):
    """L(z + t) <= L(z) + g t + h t^2 / 2."""
    rng = np.random.default_rng(4)
    y, z = rng.lognormal(size=4000), 3 * rng.standard_t(3, 4000)
    value, (gradient, hessian) = loss.loss(y, z), loss.gradient_hessian(y, z)
    for spread in (1e-2, 1.0, 30.0):
        t = spread * rng.standard_t(2, len(z))
        bound = value + gradient * t + hessian * t**2 / 2
        assert (loss.loss(y, z + t) <= bound + 1e-12 * (1 + np.abs(bound))).all()


def test_curvature_of_mape_majorises():
    """The same, targets of both signs."""
    rng = np.random.default_rng(4)
    y = rng.lognormal(size=4000) * rng.choice([-1, 1], 4000)
    z = y + 3 * rng.standard_t(3, 4000)
    loss = MAPE(bandwidth=0.2)
    value, (gradient, hessian) = loss.loss(y, z), loss.gradient_hessian(y, z)
    for spread in (1e-2, 1.0, 30.0):
        t = spread * rng.standard_t(2, len(z))
        bound = value + gradient * t + hessian * t**2 / 2
        assert (loss.loss(y, z + t) <= bound * (1 + 1e-12) + 1e-12).all()


def test_limits():
    """Tweedie near 1 and 2 has the derivatives of Poisson and gamma; MSLE is the squared error of logarithms."""
    rng = np.random.default_rng(6)
    y, z = rng.lognormal(size=50), rng.normal(size=50)
    for power, limit in ((1 + 1e-9, Poisson()), (2 - 1e-9, Gamma())):
        for a, b in zip(
            Tweedie(power=power).gradient_hessian(y, z, curvature="exact"),
            limit.gradient_hessian(y, z, curvature="exact"),
            strict=True,
        ):
            assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    assert_array_equal(MSLE().loss(y, z), SquaredError().loss(np.log1p(y), z))


@pytest.mark.parametrize("loss", [*LOG_LINK, *RELATIVE], ids=repr)
@EVERY_ENGINE
def test_estimator(loss, make, task):
    """Predictions have the scale of y, beat the constant, and are those of the engine's train."""
    X, y, weight = task
    y = targets(loss, y)
    model = LossRegressor(make(n_estimators=60, learning_rate=0.1), loss).fit(X, y, sample_weight=weight)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    if not isinstance(loss, MAPE):
        assert (predicted > (-1 if isinstance(loss, MSLE) else 0)).all()
    raw = model._raw_predictions(X)
    constant = np.full(len(y), loss.fit_intercept_only(y, weight))
    gain = float(loss.metric(y, constant, weight)) - float(loss.metric(y, raw, weight))
    assert gain > 0.1 * abs(float(loss.metric(y, constant, weight)))
    if isinstance(make(), XGBRegressor):
        settings = {"learning_rate": 0.1, "nthread": 1}
        booster = boostloss.xgboost.train(settings, xgb.DMatrix(X, y, weight=weight), 60, loss=loss)
        same = booster.predict(xgb.DMatrix(X), output_margin=True)
    else:
        settings = {"learning_rate": 0.1, "num_threads": 1, "verbose": -1}
        booster = boostloss.lightgbm.train(settings, lgb.Dataset(X, y, weight=weight), 60, loss=loss)
        same = booster.predict(X, raw_score=True)
    assert_allclose(loss.predict(same), predicted, rtol=1e-5)


@pytest.mark.parametrize("loss", [*LOG_LINK, SMAPE()], ids=repr)
@EVERY_ENGINE
def test_saved_model_has_the_link(loss, make, task, tmp_path):
    """The engine's own predict of a saved model gives the mean: the logarithm is its own link."""
    X, y, _ = task
    y = targets(loss, y)
    model = LossRegressor(make(n_estimators=5), loss).fit(X, y)
    own = model.estimator_
    assert_allclose(own.predict(X), model.predict(X), rtol=1e-6)
    path = tmp_path / "model.json"
    if isinstance(own, XGBRegressor):
        own.save_model(path)
        booster = xgb.Booster(model_file=path)
        assert_allclose(booster.predict(xgb.DMatrix(X)), model.predict(X), rtol=1e-6)
        continued = boostloss.xgboost.train({"nthread": 1}, xgb.DMatrix(X, y), 5, loss=loss, xgb_model=booster)
        whole = boostloss.xgboost.train({"nthread": 1}, xgb.DMatrix(X, y), 10, loss=loss)
        assert_allclose(continued.predict(xgb.DMatrix(X)), whole.predict(xgb.DMatrix(X)), rtol=1e-4)
    else:
        own.booster_.save_model(path)
        assert_allclose(lgb.Booster(model_file=path).predict(X), model.predict(X), rtol=1e-9)


@pytest.mark.parametrize("loss", LOG_LINK, ids=repr)
def test_an_estimator_with_a_link_can_be_continued(loss, task):
    """Also once more: XGBoost's estimator trains on under the identity, and the link comes back."""
    X, y, _ = task
    y = targets(loss, y)
    whole = LossRegressor(XGBRegressor(n_estimators=6, n_jobs=1), loss).fit(X, y)
    part = LossRegressor(XGBRegressor(n_estimators=2, n_jobs=1), loss).fit(X, y)
    for _ in range(2):
        before = part.predict(X)
        continued = LossRegressor(XGBRegressor(n_estimators=2, n_jobs=1), loss).fit(X, y, xgb_model=part)
        assert_array_equal(part.predict(X), before)
        part = continued
    assert_allclose(part.predict(X), whole.predict(X), rtol=1e-4)
    assert_allclose(part.estimator_.predict(X), part.predict(X), rtol=1e-6)


def test_a_model_with_another_link_is_not_continued(task):
    """Its trees add up to something else."""
    X, y, _ = task
    with_link = LossRegressor(XGBRegressor(n_estimators=2), Gamma()).fit(X, y)
    words = r"xgb_model has the link 'log' of Gamma\(\), must have that of loss == Huber\(\)"
    with pytest.raises(ValueError, match=words):
        LossRegressor(XGBRegressor(n_estimators=2), Huber()).fit(X, y, xgb_model=with_link)
    words = r"xgb_model has the objective 'reg:gamma', which contradicts the link of loss == Huber\(\)"
    with pytest.raises(ValueError, match=words):
        LossRegressor(XGBRegressor(n_estimators=2), Huber()).fit(X, y, xgb_model=with_link.estimator_.get_booster())
    without = LossRegressor(XGBRegressor(n_estimators=2), Huber()).fit(X, y).estimator_
    with pytest.raises(ValueError, match=r"xgb_model has the objective 'reg:squarederror', which contradicts"):
        LossRegressor(XGBRegressor(n_estimators=2), Gamma()).fit(X, y, xgb_model=without)


@pytest.mark.parametrize("loss", [*LOG_LINK, *RELATIVE], ids=repr)
def test_unit_of_positive_targets(loss, task):
    """y -> a y: relative losses follow exactly but for 1 + y, log-link losses without `lambda`."""
    X, y, _ = task
    y = targets(loss, y)
    estimator = XGBRegressor(n_estimators=20, reg_lambda=0, min_child_weight=0, n_jobs=1)
    plain = LossRegressor(estimator, loss).fit(X, y).predict(X)
    scaled = LossRegressor(estimator, loss).fit(X, 1000 * y).predict(X)
    tolerance = 0.5 if isinstance(loss, MSLE) else 0.02
    assert np.median(np.abs(scaled / 1000 / plain - 1)) < tolerance


@pytest.mark.parametrize(
    ("loss", "bad", "message"),
    [
        (MAPE(), 0.0, r"of a size in \[1e-12, 1e\+12\]"),
        (MAPE(), 1e20, r"of a size in \[1e-12, 1e\+12\]"),
        (SMAPE(), 0.0, "> 0"),
        (MSLE(), -1.0, "> -1"),
        (Poisson(), -1.0, ">= 0"),
        (Tweedie(), -0.5, ">= 0"),
        (Gamma(), 0.0, "> 0"),
    ],
    ids=repr,
)
def test_targets_outside_the_domain(loss, bad, message):
    """They are refused by row and value, in a training too."""
    with pytest.raises(ValueError, match=rf"^y_true\[2\] == {re.escape(str(bad))}, must be {message}\.$"):
        loss.loss([1.0, 2.0, bad], [0.0, 0.0, 0.0])
    X = np.zeros((3, 1))
    with pytest.raises(ValueError, match=r"^y_true\[2\] == "):
        LossRegressor(XGBRegressor(n_estimators=1), loss).fit(X, [1.0, 2.0, bad])


def test_no_start_from_zeros():
    """The logarithm of a mean of 0 is none; zeros in an evaluation set are fine."""
    with pytest.raises(ValueError, match="y_true is zero in every row with a weight"):
        Poisson().fit_intercept_only([0.0, 0.0, 3.0], [1.0, 1.0, 0.0])
    assert float(Poisson().metric([0.0, 0.0], [0.0, 0.0])) == 1


@pytest.mark.parametrize(("loss", "z"), [(Poisson(), 95.0), (Gamma(), -95.0), (Tweedie(power=1.1), 110.0)], ids=repr)
def test_raw_predictions_beyond_the_exponential(loss, z):
    """A training that runs away says so instead of handing on infinite gradients."""
    message = rf"^raw_prediction\[1\] == {z}, must be a logarithm that exp takes to float32\.$"
    with pytest.raises(ValueError, match=message):
        loss.gradient_hessian(np.float32([1, 1]), np.float32([0, z]))
    assert np.isfinite(loss.gradient_hessian([1.0, 1.0], [0.0, z])).all()  # float64 bears it
    for z in (-80.0, 80.0):
        assert np.isfinite(loss.gradient_hessian(np.float32([1e3]), np.float32([z]))).all()


@pytest.mark.parametrize("loss", [Poisson(), Tweedie(power=1.9), Tweedie(power=1.1)], ids=repr)
def test_zeros_may_sink(loss):
    """Where all targets are 0 the raw prediction falls without end, and a training goes on."""
    for dtype, z in ((np.float32, -800.0), (np.float64, -8000.0)):
        gradient, hessian = loss.gradient_hessian(np.zeros(1, dtype), np.array([z], dtype))
        assert 0 <= gradient <= 2 * hessian < 1e-30
        assert 0 <= loss.loss(np.zeros(1, dtype), np.array([z], dtype)) < 1e-30


def test_perfect_fits_stay_finite():
    """Residuals of 0 in all rows, with any weights: the scale has a least value."""
    X = np.arange(40.0)[:, None]
    for loss in (MAPE(), SMAPE(), bl.AbsoluteError(), bl.Quantile(quantile=0.9), bl.Huber(), bl.Tukey()):
        for weight in (None, np.full(40, 1e3)):
            y = np.full(40, 0.01)
            raw = np.full(40, loss.fit_intercept_only(y), np.float32)
            gradient, hessian = loss.gradient_hessian(y.astype(np.float32), raw)
            assert np.isfinite(gradient).all()
            assert (hessian > 0).all()
            assert np.isfinite(hessian).all()
            model = LossRegressor(XGBRegressor(n_estimators=3), loss).fit(X, y, sample_weight=weight)
            assert_allclose(model.predict(X), 0.01, rtol=1e-4)


class OwnPoisson(bl.RegressionLoss):
    """A user's: a formula of target and raw prediction with a link, and nothing else."""

    variable = "prediction"
    link = "log"

    @staticmethod
    def point(y, z):
        mean = exp(z)
        return mean - y * z, mean - y, mean, 0.5 * (mean + y)


class OwnLogSquared(bl.RegressionLoss):
    """A user's: a formula of the residual of logarithms."""

    link = "log"

    @staticmethod
    def point(r):
        return 0.5 * r * r, r, 1.0, 1.0


def test_links_of_a_users_losses(task):
    """Start, domain, prediction and check follow from the class."""
    _, y, weight = task
    own, same = OwnPoisson(), Poisson()
    counts = np.floor(y)
    assert_allclose(own.fit_intercept_only(counts, weight), same.fit_intercept_only(counts, weight), rtol=1e-9)
    assert_allclose(own.fit_intercept_only(np.full(5, 5.0)), np.log(5), rtol=1e-12)
    assert_allclose(own.fit_intercept_only(np.full(5, 1e-9)), np.log(1e-9), rtol=1e-9)
    assert_allclose(own.predict([1.0]), np.exp(1))
    assert check(own).ok
    squared = OwnLogSquared()
    assert_allclose(squared.fit_intercept_only(y, weight), np.average(np.log(y), weights=weight), rtol=1e-9)
    with pytest.raises(ValueError, match=r"^y_true\[0\] == -1\.0, must be > 0\.$"):
        squared.loss([-1.0, 2.0], [0.0, 0.0])
    assert check(squared).ok


@pytest.mark.parametrize("loss", [Gamma(), SMAPE(), MSLE(), bl.Quantile(quantile=[0.1, 0.9])], ids=repr)
def test_built_in_metrics_of_logarithms_are_refused(loss, task):
    """An engine would evaluate them on raw predictions, and early stopping would go by that."""
    X, y, _ = task
    for estimator in (XGBRegressor(eval_metric="mae"), LGBMRegressor(metric="l1")):
        with pytest.raises(ValueError, match=r"metric == '(mae|l1)' contradicts loss"):
            LossRegressor(estimator, loss).fit(X, y)
    with pytest.raises(ValueError, match=r"metric == 'l1' contradicts loss"):
        LossRegressor(LGBMRegressor(), loss).fit(X, y, eval_set=[(X, y)], eval_metric="l1")
    with pytest.raises(ValueError, match="metric'] == 'l1' contradicts loss"):
        boostloss.lightgbm.train({"metric": "l1"}, lgb.Dataset(X, y), loss=loss)


def test_built_in_metrics_where_the_engine_has_the_link(task):
    """boostloss.xgboost.train names the logarithm as XGBoost's own link: its metrics are right."""
    X, y, _ = task
    history, dtrain = {}, xgb.DMatrix(X, y)
    booster = boostloss.xgboost.train(
        {"eval_metric": "mae", "nthread": 1}, dtrain, 3, loss=Gamma(), evals=[(dtrain, "fit")],
        evals_result=history, verbose_eval=False,
    )  # fmt: skip
    assert_allclose(history["fit"]["mae"][-1], np.abs(booster.predict(dtrain) - y).mean(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"params\['eval_metric'\] == 'mae' contradicts"):
        boostloss.xgboost.train({"eval_metric": "mae"}, dtrain, 3, loss=MSLE())
