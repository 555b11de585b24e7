"""How long does a round take on a CUDA device, by every way that gradients take? For gpu.py."""

import gc
import importlib.util
import time
import traceback
from typing import NamedTuple

import boostloss.xgboost
from boostloss import CrossEntropy
from report import ratios
from stopwatch import xgboost_stopwatch
from training_data import N_CLASSES, N_COLUMNS, sample

BUILT_IN, HOST, DEVICE, RESIDENT = "built-in", "A, host", "B, device", "C, resident"
HEADER = "task", "rows", "route", "ms per round", "ratio", "quartiles"
TASKS = {"binary": "two classes", "multiclass": f"{N_CLASSES} classes"}
OBJECTIVES = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": N_CLASSES},
}
BYTES_PER_ROW = 3 * 4 * N_COLUMNS  # features, their bins, and room for what sorting them takes


class Case(NamedTuple):
    """One size, repetitions, and rounds of each."""

    task: str
    n_rows: int
    n_repetitions: int
    n_rounds: int

    @property
    def n_row_rounds(self):
        """What its time is about in proportion to."""
        return self.n_rows * (self.n_repetitions + 2) * self.n_rounds


CASES = (
    Case("binary", 1_000_000, 9, 22),
    Case("multiclass", 1_000_000, 5, 14),
    Case("binary", 10_000_000, 5, 14),
    Case("binary", 50_000_000, 3, 14),
)


def that_fit(cases, largest, n_repetitions, free_bytes):
    """Cases of at most so many rows, for which the memory of the device suffices."""
    n_rows = min(largest, int(free_bytes / BYTES_PER_ROW))
    fewer = (case._replace(n_repetitions=min(case.n_repetitions, n_repetitions)) for case in cases)
    return [case for case in fewer if case.n_rows <= n_rows]


def free_bytes():
    """Of the present device."""
    from numba import cuda

    return cuda.current_context().get_memory_info()[0]


def routes(X):
    """Arguments of `boostloss.xgboost.train` by the name of the way that gradients take; `X` where it is trained on."""
    return {HOST: {"route": "host"}, DEVICE: {"route": "device"}, RESIDENT: {"route": "resident", "X": X}}


def routes_with_cupy(X):
    """Those that can be gone: XGBoost's predictions on a device come as CuPy's arrays."""
    found = routes(X)
    if importlib.util.find_spec("cupy") is None:
        del found[RESIDENT]
    return found


def on_device(X):
    """The features as an array of CuPy, without which XGBoost takes them from memory."""
    if importlib.util.find_spec("cupy") is None:
        return X
    import cupy

    return cupy.asarray(X)


def trainings(case, device_name, routes, place):
    """Trainings by name on the same quantised data; each returns the seconds of its median round."""
    import xgboost

    X, y = sample(case.task, case.n_rows)
    X = place(X)
    data = xgboost.QuantileDMatrix(X, y)
    params = {"device": device_name, "max_depth": 6}

    def train(train, params, **arguments):
        watch = xgboost_stopwatch()
        train(params, data, case.n_rounds, callbacks=[watch], **arguments)
        return watch.median_round()

    def built_in():
        return train(xgboost.train, {**params, **OBJECTIVES[case.task]})

    def route(arguments):
        return lambda: train(boostloss.xgboost.train, params, loss=CrossEntropy(), **arguments)

    return {BUILT_IN: built_in, **{name: route(arguments) for name, arguments in routes(X).items()}}


def tried(trainings):
    """Those that end without an error, and the names of the others' errors, which are shown."""
    good, errors = {}, {}
    for name, training in trainings.items():
        try:
            training()
        except Exception as error:
            traceback.print_exc()
            errors[name] = type(error).__name__
        else:
            good[name] = training
    return good, errors


def timed(trainings, n_repetitions):
    """The `Timing` of every training, by the rounds that they report and not by what comes before and after."""
    spent = [0.0]

    def moving(training):
        def call():
            spent[0] += training()
            gc.collect()

        return call

    calls = {name: moving(training) for name, training in trainings.items()}
    return ratios(calls, dict.fromkeys(calls, (BUILT_IN,)), n_repetitions, lambda: spent[0])


def case_rows(case, device_name, routes=routes_with_cupy, place=on_device):
    """A row of the table for every training."""
    good, errors = tried(trainings(case, device_name, routes, place))
    where, timings = (TASKS[case.task], f"{case.n_rows:,}"), timed(good, case.n_repetitions)
    for name, (seconds, (ratio,)) in timings.items():
        spread = ("1", "-") if name == BUILT_IN else (f"{ratio.median:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}")
        yield *where, name, f"{1e3 * seconds:.1f}", *spread
    for name, error in errors.items():
        yield *where, name, "-", "-", f"**{error}**"


class Allowance:
    """Seconds that are left, and whether the next case will fit in them, going by the one of its task before."""

    def __init__(self, seconds, clock=time.monotonic):
        self.clock, self.end = clock, clock() + seconds
        self.per_row = {}

    def left(self):
        """Seconds."""
        return self.end - self.clock()

    def suffices(self, case):
        """Whether a case ends in time."""
        return self.left() > self.per_row.get(case.task, 0.0) * case.n_row_rounds

    def spend(self, case, rows):
        """The rows of a case, as a list, and remember what they took."""
        start = self.clock()
        rows = list(rows)
        self.per_row[case.task] = (self.clock() - start) / case.n_row_rounds
        return rows


