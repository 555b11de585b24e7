"""Data, and trainings on it in the APIs of both engines; conftest.py makes its fixtures known."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from scipy.special import expit, softmax

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, Huber, Quantile

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
