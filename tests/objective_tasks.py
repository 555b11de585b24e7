"""Losses, and data for them in the containers of both engines."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import Case

from boostloss import CrossEntropy, Focal, Huber, Quantile

N_ROWS, N_TREES = 400, 5


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
