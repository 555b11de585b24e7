"""Labels and weights of a data set: read once in a training, and never for those of another."""

import gc
import weakref

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from conftest import Case
from numpy.testing import assert_allclose, assert_array_equal
from objective_tasks import DATA, N_ROWS, engine_like

from boostloss import CrossEntropy, Focal, Quantile, _data_sets

TREES = {"max_depth": 2, "nthread": 1, "disable_default_eval_metric": 1}
N_ROUNDS = 6
rng = np.random.default_rng(0)
X, Y, WEIGHT = rng.normal(size=(400, 3)), rng.integers(0, 2, 400), rng.uniform(0.5, 2, 400)


class CountingDMatrix(xgb.DMatrix):
    """Counts how often its labels and weights are asked for."""

    n_label = n_weight = 0

    def get_label(self):
        self.n_label += 1
        return super().get_label()

    def get_weight(self):
        self.n_weight += 1
        return super().get_weight()


def reads(data, train):
    """How often training asks for labels and for weights."""
    data.n_label = data.n_weight = 0
    train()
    return data.n_label, data.n_weight


@pytest.mark.parametrize("loss", [Focal(), Quantile(quantile=[0.1, 0.9])], ids=["one output", "two outputs"])
def test_one_reading_per_training(loss):
    """`xgboost.train` with a bare loss reads each data set once, whatever the number of rounds and calls."""
    data, valid = CountingDMatrix(X, Y, weight=WEIGHT), CountingDMatrix(X[:300], Y[:300])
    params = {**TREES, "num_target": getattr(loss, "n_outputs", 1)}

    def train(obj=loss):
        xgb.train(
            params,
            data,
            N_ROUNDS,
            obj=obj,
            custom_metric=loss.metric,
            evals=[(data, "a"), (valid, "b")],
            verbose_eval=False,
        )

    valid.n_label = 0
    assert reads(data, train) == (1, 1)
    assert valid.n_label == 1
    assert reads(data, lambda: train(lambda raw, d: loss(raw, d))) == (1, 1)  # a wrapper of the user's


def test_one_reading_per_fold():
    """`xgboost.cv` trains a booster per fold."""
    counts = []

    def prepare(train, test, params):
        train, test = CountingDMatrix(X[:200], Y[:200]), CountingDMatrix(X[200:], Y[200:])
        counts.extend((train, test))
        return train, test, params

    loss = Focal()
    xgb.cv(TREES, xgb.DMatrix(X, Y), N_ROUNDS, nfold=2, obj=loss, custom_metric=loss.metric, fpreproc=prepare)
    assert [data.n_label for data in counts] == [1, 1, 1, 1]


def test_labels_set_between_trainings_count():
    """The next training sees them, on the same data set and with the same loss."""
    data, loss = xgb.DMatrix(X, Y), CrossEntropy()

    def leaf_sum():
        return xgb.train(TREES, data, 2, obj=loss).predict(data).sum()

    first = leaf_sum()
    data.set_label(1 - Y)
    flipped = leaf_sum()
    data.set_label(Y)
    assert first != flipped
    assert leaf_sum() == first


def test_labels_set_in_a_loop_of_the_user_count():
    """Whoever calls `update` may set labels between two rounds."""
    data, loss = xgb.DMatrix(X, Y), CrossEntropy()
    booster = xgb.Booster({**TREES, "base_score": 0.5, "objective": "binary:logistic"}, [data])
    seen = []

    def objective(raw, data):
        seen.append(loss(raw, data)[0].copy())
        return loss(raw, data)

    for i, label in enumerate((Y, 1 - Y)):
        data.set_label(label)
        booster.update(data, i, fobj=objective)
    assert_allclose(seen[0], 0.5 - Y)
    assert ((seen[1] > 0) == (Y > 0.5)).all()


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", [xgb.XGBClassifier, lgb.LGBMClassifier], ids=["xgboost", "lightgbm"])
def test_estimators_of_the_engines_check_once(monkeypatch, kind, weighted):
    """They pass arrays on: the data set behind them is recognised, and its labels are checked once."""
    calls = []
    original = Focal._targets
    monkeypatch.setattr(Focal, "_targets", lambda self, *given: calls.append(0) or original(self, *given))
    quiet = {"verbosity": -1} if kind is lgb.LGBMClassifier else {}
    plain = kind(n_estimators=N_ROUNDS, n_jobs=1, objective=Focal(), **quiet)
    plain.fit(X, Y, sample_weight=WEIGHT if weighted else None)
    assert len(calls) == 1
    wrapped = kind(n_estimators=N_ROUNDS, n_jobs=1, objective=user_objective, **quiet)
    wrapped.fit(X, Y, sample_weight=WEIGHT if weighted else None)
    assert len(calls) == 1 + N_ROUNDS  # of a function in between nothing is known
    margins = {"output_margin": True} if kind is xgb.XGBClassifier else {"raw_score": True}
    assert_array_equal(plain.predict(X, **margins), wrapped.predict(X, **margins))


def user_objective(y_true, y_pred, sample_weight=None):
    """What a user may write around a loss."""
    return Focal()(y_true, y_pred, sample_weight)


def test_arrays_of_a_user_are_fresh_in_an_estimator():
    """What a function of the user's gets from a call with arrays is its own, in a training as well."""
    kept = []

    def objective(y_true, y_pred):
        kept.append(CrossEntropy()(y_true, y_pred)[0])
        return CrossEntropy()(y_true, y_pred)

    xgb.XGBClassifier(n_estimators=3, objective=objective, n_jobs=1).fit(X, Y)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :])


@DATA
def test_data_sets_are_not_kept_alive(make):
    """What is known of a data set goes when the data set goes."""
    case = Case(CrossEntropy())
    gc.collect()
    data = make(case)
    case.loss(engine_like(case.raw(N_ROWS), data), data)
    before = len(_data_sets._local.known)
    del data
    gc.collect()
    assert len(_data_sets._local.known) == before - 1


def test_boosters_are_not_kept_alive():
    """Nor is a booster, or what was known of its training."""
    data, loss = xgb.DMatrix(X, Y), CrossEntropy()
    gc.collect()
    before = len(getattr(_data_sets._local, "trainings", ()))
    booster = xgb.train(TREES, data, 2, obj=loss)
    alive = weakref.ref(booster), weakref.ref(data)
    assert booster in _data_sets._local.trainings
    del booster, data
    gc.collect()
    assert [reference() for reference in alive] == [None, None]
    assert len(_data_sets._local.trainings) == before


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_buffers_begin_with_a_cache_line(shape, order):
    """In the shape and memory order of the raw predictions; two of them do not overlap."""
    raw = np.zeros(shape, order=order)
    gradient, hessian = _data_sets.DataSet(Y, None).outputs_like(raw)
    gradient[...], hessian[...] = 1, 2
    assert (gradient == 1).all()
    for buffer in (gradient, hessian):
        assert (buffer.shape, buffer.dtype, buffer.strides) == (shape, np.float32, tuple(s // 2 for s in raw.strides))
        assert buffer.ctypes.data % 64 == 0
        assert buffer.flags.writeable
