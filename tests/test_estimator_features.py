"""Features of the estimators: data frames, categories, missing values, sparse matrices."""

import numpy as np
import pandas as pd
import polars
import pytest
import sklearn
from problems import CLASSIFIERS, LABELS, binary_problem, lgbm_classifier, xgb_classifier
from scipy import sparse

import boostloss as bl

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))


def frame_with_categories(seed=0):
    X, y, _ = binary_problem(seed=seed)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    colour = np.where(X[:, 0] > 0, "red", np.where(X[:, 1] > 0, "green", "blue"))
    frame["colour"] = pd.Categorical(colour, categories=["blue", "green", "red"])
    frame["a"] = np.nan
    return frame, pd.Series(LABELS[y])


@pytest.mark.parametrize(("make", "params"), [(xgb_classifier, {"enable_categorical": True}), (lgbm_classifier, {})])
def test_data_frames_go_to_the_engine_with_their_categories(make, params):
    """Categories split, missing values pass, names are remembered and checked, evaluation sets included."""
    frame, labels = frame_with_categories()
    arguments = {"verbose": False} if make is xgb_classifier else {}
    classifier = bl.LossClassifier(make(**params)).fit(frame, labels, eval_set=[frame_with_categories(3)], **arguments)
    assert classifier.feature_names_in_.tolist() == list(frame)
    assert classifier.n_features_in_ == 5
    assert classifier.score(frame, labels) > 0.75
    shuffled = frame.assign(colour=frame["colour"].array[::-1])
    assert (classifier.predict_proba(shuffled) != classifier.predict_proba(frame)).any()
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[["b", "a", "c", "d", "colour"]])


def polars_frame(seed=0):
    colours = polars.Enum(["blue", "green", "red"])  # XGBoost 3.4 refuses Categorical
    return polars.from_pandas(frame_with_categories(seed)[0]).with_columns(polars.col("colour").cast(colours))


@pytest.mark.parametrize(("make", "params"), [(xgb_classifier, {"enable_categorical": True}), (lgbm_classifier, {})])
@pytest.mark.parametrize("convert", [lambda frame: frame, lambda frame: frame.to_arrow()], ids=["polars", "arrow"])
def test_frames_of_polars_and_arrow(make, params, convert):
    """As those of pandas: numbers, missing values, categories by their names; labels and weights as Series."""
    frame, labels = frame_with_categories()
    expected = bl.LossClassifier(make(**params)).fit(frame, labels).predict_proba(frame)
    X, weight = convert(polars_frame()), polars.Series(np.ones(len(frame)))
    arguments = {"verbose": False} if make is xgb_classifier else {}
    classifier = bl.LossClassifier(make(**params))
    classifier.fit(X, polars.Series(labels.tolist()), weight, eval_set=(X, labels.to_numpy()), **arguments)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)
    assert list(classifier.staged_predict(X))[-1].tolist() == classifier.predict(X).tolist()
    if SKLEARN >= (1, 7) or hasattr(X, "__dataframe__"):  # 1.6 asks for that, and Polars 2 has it no more
        assert classifier.feature_names_in_.tolist() == list(frame)
    numbers = convert(polars_frame().select("b", "c"))
    assert classifier.fit(numbers, labels).score(numbers, labels) > 0.6


def test_strings_in_a_frame_are_an_error():
    """LightGBM would abort the process at a column of Arrow that is not of numbers."""
    frame = polars_frame().with_columns(polars.col("colour").cast(polars.String))
    with pytest.raises(ValueError, match="pandas dtypes must be int, float or bool"):
        bl.LossClassifier(lgbm_classifier()).fit(frame, frame_with_categories()[1])


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_missing_values_and_sparse_matrices(make):
    """NaN is a value of its own; infinity is an error; sparse features train the model."""
    X, y, _ = binary_problem()
    X[::2, 0] = np.nan
    classifier = bl.LossClassifier(make()).fit(X, y)
    assert np.isfinite(classifier.predict_proba(X)).all()
    with pytest.raises(ValueError, match="infinity"):
        classifier.fit(np.where(np.isnan(X), np.inf, X), y)
    S = np.where(X > 0, X, 0)
    for container in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        assert classifier.fit(container(S), y).score(container(S), y) > 0.6


def test_lightgbm_trains_where_no_feature_can_be_split():
    """Few rows or constant features give the start, as the built-in objectives do."""
    X, y, _ = binary_problem(16)
    for table in (X, np.ones_like(X)):
        classifier = bl.LossClassifier(lgbm_classifier()).fit(table, y)
        np.testing.assert_allclose(classifier.predict_proba(table)[:, 1], y.mean(), rtol=1e-6)
