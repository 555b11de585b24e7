"""Losses and early stopping for the tests of trainings."""

import lightgbm
from problems import xgb_classifier, xgb_regressor

import boostloss as bl


def early_stopping(make, **params):
    """An estimator that stops early, and the arguments of fit that this takes."""
    if make in (xgb_classifier, xgb_regressor):
        return make(n_estimators=300, learning_rate=0.5, early_stopping_rounds=5, **params), {"verbose": False}
    callbacks = [lightgbm.early_stopping(5, verbose=False)]
    return make(n_estimators=300, learning_rate=0.5, **params), {"callbacks": callbacks}


def history(estimator):
    """Metric values of the first evaluation set, by name."""
    results = estimator.evals_result() if hasattr(estimator, "evals_result") else estimator.evals_result_
    return next(iter(results.values()))


LOSSES_OF_REGRESSION = [bl.Huber(), bl.Quantile(quantile=[0.1, 0.5, 0.9]), bl.MSLE(), bl.Poisson()]
