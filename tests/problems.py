"""Small problems, and estimators of both engines for them."""

import lightgbm
import numpy as np
import xgboost
from scipy.special import expit

LABELS = np.array(["no", "yes"])
N_ROWS = 600


def xgb_classifier(**params):
    return xgboost.XGBClassifier(**{"n_estimators": 20, "max_depth": 3, "n_jobs": 1, **params})


def xgb_regressor(**params):
    return xgboost.XGBRegressor(**{"n_estimators": 20, "max_depth": 3, "n_jobs": 1, **params})


def lgbm_classifier(**params):
    return lightgbm.LGBMClassifier(**{"n_estimators": 20, "num_leaves": 8, "n_jobs": 1, "verbosity": -1, **params})


def lgbm_regressor(**params):
    return lightgbm.LGBMRegressor(**{"n_estimators": 20, "num_leaves": 8, "n_jobs": 1, "verbosity": -1, **params})


CLASSIFIERS = [xgb_classifier, lgbm_classifier]
REGRESSORS = [xgb_regressor, lgbm_regressor]


def features(n_rows=N_ROWS, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, 4))


def binary_problem(n_rows=N_ROWS, seed=0):
    X, rng = features(n_rows, seed), np.random.default_rng(seed + 1)
    y = (rng.random(n_rows) < expit(2 * X[:, 0] + X[:, 1] - 1.5)).astype(int)
    return X, y, rng.integers(1, 4, n_rows).astype(float)


def multiclass_problem(n_rows=N_ROWS, seed=0):
    X, rng = features(n_rows, seed), np.random.default_rng(seed + 1)
    score = X[:, :3] + rng.gumbel(size=(n_rows, 3)) / 2 + [0, 0, -1]
    return X, score.argmax(axis=1), rng.integers(1, 4, n_rows).astype(float)


def regression_problem(n_rows=N_ROWS, seed=0):
    X, rng = features(n_rows, seed), np.random.default_rng(seed + 1)
    y = 3e4 * X[:, 0] + 1e4 * X[:, 1] ** 2 + 1e4 * rng.standard_t(2, n_rows) + 1e6
    return X, y, rng.integers(1, 4, n_rows).astype(float)
