"""Labels that are not 0 .. K-1: where K is taken from the largest of them, a class without rows is warned of."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from problems import CLASSIFIERS

import boostloss.lightgbm
import boostloss.xgboost
from boostloss import CrossEntropy, Focal, LossClassifier

ENGINES = pytest.mark.parametrize("engine", ["xgboost", "lightgbm"])
GAPS = pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, 2], r"\[1, 2\], which makes 3 classes, 1 of them without rows"),
        ([0, 2], r"\[0, 2\], which makes 3 classes, 1 of them without rows"),
        ([1, 2, 3], r"\[1, 2, 3\], which makes 4 classes, 1 of them without rows"),
        (range(0, 26, 2), r"\[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, \.\.\.\], which makes 25 classes, 12 of them without"),
    ],
    ids=["1 and 2", "0 and 2", "1 to 3", "even numbers"],
)
X = np.random.default_rng(0).normal(size=(300, 3))


def train(engine, labels, params=None, **arguments):
    """Two rounds on labels in turn."""
    y = np.resize(labels, len(X))
    if engine == "xgboost":
        data, params = xgb.DMatrix(X, y), {"nthread": 1, **(params or {})}
    else:
        data, params = lgb.Dataset(X, y), {"num_threads": 1, "verbosity": -1, **(params or {})}
    return getattr(boostloss, engine).train(params, data, 2, loss=Focal(), **arguments)


@ENGINES
@GAPS
def test_classes_without_rows_are_warned_of(engine, labels, words):
    """Once in a training, in the name of the line that called it."""
    with pytest.warns(UserWarning, match=f"y_true has the labels {words}.*encode labels from 0") as warned:
        train(engine, list(labels))
    assert len(warned) == 1
    assert warned[0].filename == __file__


@GAPS
def test_params_of_xgboost_warn_as_well(labels, words):
    """They tell the engine the number of classes."""
    with pytest.warns(UserWarning, match=words):
        boostloss.xgboost.params(Focal(), list(labels))
    assert boostloss.xgboost.params(Focal(), [1, 2], n_classes=3)["num_class"] == 3


@ENGINES
def test_a_known_number_of_classes_is_no_warning(engine):
    """num_class, a model that is continued, and evaluation sets that lack a class; nor labels 0 .. K-1, nor two."""
    train(engine, [1, 2], {"num_class": 3})
    whole = train(engine, [0, 1, 2])
    train(engine, [0, 1])
    train(engine, [0, 2], **{"xgb_model" if engine == "xgboost" else "init_model": whole})
    y = np.resize([0, 2], len(X))
    if engine == "xgboost":
        train(engine, [0, 1, 2], evals=[(xgb.DMatrix(X, y), "valid")], verbose_eval=False)
    else:
        train(engine, [0, 1, 2], valid_sets=[lgb.Dataset(X, y)])


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("labels", [[1, 2], [0, 2], [1, 2, 3], [-1, 1]], ids=str)
def test_estimators_encode(make, labels):
    """Two labels are two classes, whatever they are."""
    classifier = LossClassifier(make(n_estimators=2)).fit(X, np.resize(labels, len(X)))
    assert classifier.classes_.tolist() == labels
    assert classifier.loss_.n_classes_ == len(labels)
    assert classifier.predict_proba(X).shape == (len(X), len(labels))


@ENGINES
def test_a_bare_objective_never_counts_classes(engine):
    """One raw prediction per row: labels 1 and 2 are an error. Several: num_class of the engine says how many."""
    y = np.resize([1, 2], len(X))

    def plain(**params):
        if engine == "xgboost":
            return xgb.train({"nthread": 1, **params}, xgb.DMatrix(X, y), 2, obj=CrossEntropy())
        return lgb.train({"verbosity": -1, "objective": CrossEntropy(), **params}, lgb.Dataset(X, y), 2)

    with pytest.raises(ValueError, match=r"^y_true\[1\] == 2.0, must be in \[0, 1\]\.$"):
        plain()
    plain(num_class=3)


@ENGINES
def test_soft_labels_and_regression_are_not_counted(engine):
    """A distribution per row has its K columns."""
    assert boostloss.xgboost.params(CrossEntropy(), np.eye(4)[[0, 3, 3, 0]])["num_class"] == 4
    y = np.resize([3.0, 7.0], len(X))
    data = xgb.DMatrix(X, y) if engine == "xgboost" else lgb.Dataset(X, y)
    getattr(boostloss, engine).train({"verbosity": 0 if engine == "xgboost" else -1}, data, 2, loss=boostloss.Huber())
