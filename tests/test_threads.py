"""Threads and processes: how many, where rows are cut, forks, workers, and trainings side by side."""

import functools
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import Case, over

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, Huber, LogCosh, Quantile
from boostloss.kernels import threads
from boostloss.kernels.templates import CHUNK
from boostloss.kernels.threads import LEAST_SLICE, MIN_ROWS, MIN_WORK_AFTER_ENGINE, thread_count
from boostloss.losses.regression_base import sum_of

VARIABLE = "BOOSTLOSS_NUM_THREADS"
TIMEOUT = 120  # for what would hang if it failed
CASES = [
    Case(CrossEntropy(pos_weight=2.0)),
    Case(CrossEntropy(label_smoothing=0.1)),
    Case(Focal()),
    Case(Focal(gamma=(0.5, 3.0), label_smoothing=0.1)),
    Case(CrossEntropy(), 3),
    Case(CrossEntropy(label_smoothing=0.1), 3),
    Case(Focal(gamma=(0.0, 1.5, 4.0)), 3),
    Case(Huber()),
    Case(LogCosh()),
    Case(Quantile(quantile=0.9)),
]


# ----------------------------------------------------------------------------------------------------- how many threads


@pytest.mark.parametrize("number", [1, 2, 7])
def test_variable_is_honoured(monkeypatch, number):
    """BOOSTLOSS_NUM_THREADS is the number of threads, read at every call."""
    monkeypatch.setenv(VARIABLE, str(number))
    assert thread_count() == number


@pytest.mark.parametrize("text", ["0", "-1", "abc", "1.5"])
def test_variable_is_validated(monkeypatch, text):
    """Anything but an integer of at least one is an error that names the variable and its value."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=rf"{VARIABLE} == '?{text}'?, must be"):
        thread_count()


def run_python(source):
    """Run a program in a new interpreter without the variable; what it prints is JSON."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-W", "error", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity on this platform")
def test_default_respects_affinity():
    """A process that may use one CPU uses one thread, however many CPUs there are."""
    assert (
        run_python("""
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from boostloss.kernels.threads import thread_count
print(thread_count())
""")
        == 1
    )


def test_no_posix_at_import():
    """Without fork, fork handlers and CPU affinity, as on Windows, the package imports and its kernels run."""
    assert (
        run_python("""
import os, warnings
warnings.filterwarnings("ignore", "Failed to inspect CPU affinity")  # joblib says so, and on Linux only
for name in ("fork", "register_at_fork", "sched_getaffinity", "sched_setaffinity"):
    vars(os).pop(name, None)
import numpy as np
import boostloss
gradient, _ = boostloss.CrossEntropy()(np.ones(100_000), np.zeros(100_000))
print(gradient[0].item())
""")
        == -0.5
    )


def count_on_a_large_machine():
    """The number of threads a worker would use if it saw 64 CPUs."""
    threads._available_cpus = lambda: 64
    return thread_count()


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_one_thread_in_joblib_workers(monkeypatch, backend):
    """joblib's workers share the CPUs already; outside them all CPUs count."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_available_cpus", lambda: 64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # joblib forks
        counts = joblib.Parallel(n_jobs=2, backend=backend)(
            joblib.delayed(count_on_a_large_machine)() for _ in range(4)
        )
    assert counts == [1] * 4
    assert thread_count() == 64


# --------------------------------------------------------------------------------------------------- where rows are cut


@pytest.mark.parametrize(
    "n_rows", [MIN_ROWS - 1, MIN_ROWS, MIN_ROWS + 1, 5 * CHUNK - 1, 6 * CHUNK + 1, 7 * CHUNK + 333]
)
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_slices_cover_all_rows(monkeypatch, n_rows, n_threads):
    """Slices begin at multiples of CHUNK, follow each other, and are enough to go round; a few rows are one."""
    monkeypatch.setenv(VARIABLE, str(n_threads))
    slices = []
    threads.run_slices(slices.append, n_rows)
    slices.sort(key=lambda part: part.start)
    assert [part.start for part in slices] == [0, *[part.stop for part in slices[:-1]]]
    assert slices[-1].stop == n_rows
    assert all(part.start % CHUNK == 0 and part.stop > part.start for part in slices)
    if n_rows < MIN_ROWS or n_threads == 1:
        assert len(slices) == 1
    else:
        assert n_threads <= len(slices) <= threads.SLICES_PER_THREAD * n_threads or part_size(slices) == LEAST_SLICE


def part_size(slices):
    """Rows of all slices but the last."""
    (size,) = {part.stop - part.start for part in slices[:-1]}
    return size


def test_slices_go_to_whoever_is_free(monkeypatch):
    """A thread that is held up in its first slice leaves the others to the rest."""
    monkeypatch.setenv(VARIABLE, "2")
    mine, theirs, released = [], [], threading.Event()

    def call(part):
        if threading.current_thread() is threading.main_thread():
            mine.append(part)
            if len(mine) == 5:
                released.set()
        else:
            theirs.append(part)
            assert released.wait(TIMEOUT)

    threads.run_slices(call, 6 * LEAST_SLICE)
    assert len(mine) + len(theirs) == 6
    assert len(mine) >= 5


def results(case, y, raw, weight):
    """Value, gradient and curvature, and what an engine and its metric get."""
    loss = case.loss
    values = loss.loss(y, raw, weight), *loss.gradient_hessian(y, raw, weight)
    return *values, *loss(y, raw, weight), np.array(float(loss.metric(y, raw, weight)))


@over(CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_number_of_threads_changes_no_bit(monkeypatch, case, dtype):
    """1, 2, 3 and 7 threads give the same bits in either memory order, at the borders of slices and at odd sizes."""
    y, raw, weight = case.sample(6 * CHUNK + 333, dtype=dtype)
    for n_rows in (MIN_ROWS, 5 * CHUNK + 1, 6 * CHUNK + 333):
        for order in "CF"[: raw.ndim]:
            part = y[:n_rows], np.asarray(raw[:n_rows], order=order), weight[:n_rows]
            monkeypatch.setenv(VARIABLE, "1")
            expected = results(case, *part)
            for n_threads in (2, 3, 7):
                monkeypatch.setenv(VARIABLE, str(n_threads))
                for one, many in zip(expected, results(case, *part), strict=True):
                    assert one.tobytes() == many.tobytes()


# ------------------------------------------------------------------------------------------------------------ processes


N_ROWS = 80_001
KERNEL_CASES = [Case(Focal()), Case(Focal(), 3), Case(Huber())]


def kernel_bytes():
    """Gradients of several kernels, with three threads."""
    os.environ[VARIABLE] = "3"
    return [case.loss.gradient_hessian(*case.sample(N_ROWS, dtype=np.float32))[0].tobytes() for case in KERNEL_CASES]


def send_kernel_bytes(connection):
    connection.send(kernel_bytes())


def in_child(method):
    """What `kernel_bytes` returns in a child process."""
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send_kernel_bytes, args=(sender,))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        child.start()
    assert receiver.poll(TIMEOUT), "the child hangs"
    answer = receiver.recv()
    child.join()
    return answer


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_kernels_in_a_child_process(monkeypatch, method):
    """A child of a process whose pool is busy computes the same bits, with a pool of its own."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork on this platform")
    monkeypatch.setenv(VARIABLE, "3")
    expected = kernel_bytes()
    with ThreadPoolExecutor(2) as pool:
        background = [pool.submit(kernel_bytes) for _ in range(20)]
        assert in_child(method) == expected
        assert all(result.result() == expected for result in background)


def test_pool_grows(monkeypatch):
    """The pool is made at its first use and again when more threads are wanted."""
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_pool_size", 0)
    for number, size in ((1, 0), (2, 1), (4, 3), (3, 3)):
        monkeypatch.setenv(VARIABLE, str(number))
        threads.run_slices(lambda part: None, 10 * CHUNK)
        assert threads._pool_size == size


def test_error_in_any_slice_is_raised(monkeypatch):
    """An exception reaches the caller from whatever thread."""
    monkeypatch.setenv(VARIABLE, "3")
    for start in (0, 2 * CHUNK, 4 * CHUNK):

        def fail(part, start=start):
            if part.start == start:
                raise ArithmeticError(start)

        with pytest.raises(ArithmeticError, match=str(start)):
            threads.run_slices(fail, 6 * CHUNK)


# ------------------------------------------------------------------------------------------------------------ trainings


N_ROUNDS = 4


@functools.cache
def data(seed, n_rows=MIN_ROWS + 3):
    """Features and three classes of a few columns; enough rows for the kernels to use threads."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4)).astype(np.float32)
    score = X[:, 0] + X[:, 1] ** 2 + rng.normal(size=n_rows)
    return X, np.digitize(score, [0.0, 2.0])


def labels(loss, y):
    """Two classes for focal, three for the cross-entropy, numbers for the rest."""
    return y == 2 if isinstance(loss, Focal) else y


def xgboost_model(loss, seed):
    X, y = data(seed)
    dtrain = xgb.DMatrix(X, labels(loss, y), nthread=1)
    params = {"nthread": 1, "max_depth": 3, "max_bin": 32}
    return boostloss.xgboost.train(params, dtrain, N_ROUNDS, loss=loss).save_raw("json")


def lightgbm_model(loss, seed):
    X, y = data(seed)
    params = {"num_threads": 1, "num_leaves": 8, "max_bin": 31, "verbosity": -1}
    booster = boostloss.lightgbm.train(params, lgb.Dataset(X, labels(loss, y)), N_ROUNDS, loss=loss)
    return booster.model_to_string()


LOSSES = [Focal(), CrossEntropy(), Huber(), Quantile(quantile=0.9)]
TRAIN = pytest.mark.parametrize("train", [xgboost_model, lightgbm_model], ids=["xgboost", "lightgbm"])


@pytest.fixture
def busy(monkeypatch):
    """Kernels use threads in trainings of any size."""
    monkeypatch.setattr(threads, "MIN_WORK_AFTER_ENGINE", 0)
    monkeypatch.setenv(VARIABLE, "3")


@pytest.mark.parametrize(("work", "expected"), [(MIN_WORK_AFTER_ENGINE - 1, 1), (MIN_WORK_AFTER_ENGINE, 6)])
def test_little_work_after_an_engine_has_one_thread(monkeypatch, work, expected):
    """An engine's threads spin on the other processors for a while; elsewhere rows alone decide."""
    monkeypatch.setenv(VARIABLE, "2")
    slices = []
    with threads.after_an_engine():
        threads.run_slices(slices.append, 6 * LEAST_SLICE, work)
    assert len(slices) == expected
    threads.run_slices(slices.append, 6 * LEAST_SLICE, 1)
    assert len(slices) == expected + 6


@TRAIN
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("same_data", [True, False], ids=["same data", "different data"])
def test_trainings_in_threads(train, same_data):
    """Four trainings side by side are those one after the other, tree by tree."""
    seeds = [0] * 4 if same_data else range(4)
    expected = [train(loss, seed) for loss, seed in zip(LOSSES, seeds, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, LOSSES, seeds)) == expected


@TRAIN
@pytest.mark.usefixtures("busy")
def test_one_loss_in_threads(train):
    """One loss object trains on four data sets at once: it holds no state of a training."""
    loss = Focal(class_weight="balanced")
    expected = [train(loss, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(functools.partial(train, loss), range(4))) == expected


@pytest.mark.usefixtures("busy")
def test_one_data_set_in_threads():
    """Threads that evaluate one DMatrix do not write into each other's buffers."""
    X, y = data(0)
    dtrain, loss = xgb.DMatrix(X[:, :1], y == 2), Focal()
    margins = [np.full(len(y), z, np.float32) for z in np.linspace(-2, 2, 8)]

    def gradient(raw):
        return [loss(raw, dtrain)[0].tobytes() for _ in range(5)]

    expected = [gradient(raw) for raw in margins]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(gradient, margins)) == expected


@TRAIN
def test_trainings_in_joblib_workers(train):
    """joblib's worker processes train the models of this process."""
    expected = [train(loss, 0) for loss in LOSSES]
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(train)(loss, 0) for loss in LOSSES) == expected


def test_cross_validation_repeats():
    """xgb.cv and lgb.cv give the same numbers twice: nothing of a fold is left for the next."""
    X, y = data(0)
    X, y, loss = X[:3000], y[:3000] == 2, Focal()
    params = {**boostloss.xgboost.params(loss, y), "disable_default_eval_metric": 1, "max_depth": 3, "nthread": 1}
    once, twice = (
        xgb.cv(params, xgb.DMatrix(X, y), N_ROUNDS, nfold=3, obj=loss, custom_metric=loss.metric, seed=0)
        for _ in range(2)
    )
    assert once.equals(twice)
    assert (np.diff(once[f"test-{loss.metric.__name__}-mean"]) < 0).all()
    params = {"objective": loss, "metric": "None", "num_leaves": 8, "num_threads": 1, "verbosity": -1}
    once, twice = (lgb.cv(params, lgb.Dataset(X, y), N_ROUNDS, nfold=3, feval=loss.metric, seed=0) for _ in range(2))
    assert once == twice
    assert (np.diff(once[f"valid {loss.metric.__name__}-mean"]) < 0).all()


def test_sums_are_in_double():
    """Of float32 numbers too: a running float32 sum of them is off by 1e-7 and more."""
    numbers = np.random.default_rng(0).random(100_000).astype(np.float32)
    np.testing.assert_allclose(sum_of(numbers), numbers.sum(dtype=np.float64), rtol=1e-13)
