"""When rounds of a training end, by callbacks of the engines."""

import time

import numpy as np


class Stopwatch:
    """A callback of LightGBM: when rounds ended."""

    order = 99

    def __init__(self):
        self.ends = []

    def __call__(self, env):
        self.ends.append(time.perf_counter())

    def median_round(self):
        """Seconds; without the first rounds, in which an engine makes what it keeps."""
        return float(np.median(np.diff(self.ends)[1:]))


def xgboost_stopwatch():
    """The same of XGBoost, which need not be installed for LightGBM's."""
    import xgboost

    class XGBoostStopwatch(Stopwatch, xgboost.callback.TrainingCallback):
        """The same."""

        def after_iteration(self, model, epoch, evals_log):
            self(None)
            return False

    return XGBoostStopwatch()
