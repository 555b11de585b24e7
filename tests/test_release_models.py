"""Pickles of releases: whoever upgrades boostloss or an engine reads the estimators they stored, and gets the same.

The files in tests/data were written by tests/data/make_release_models.py with the version in their names, Python 3.11,
XGBoost 3.2.0 and LightGBM 4.7.0. The first release writes the first of them, from before it was released: what it
stores is what later versions must go on reading, so a class or an attribute that moves shows up here.
"""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("release_*_*.pkl"))


def stored(path):
    """Version, engine, estimators, and what they predicted."""
    _, version, engine = path.stem.split("_")
    with np.load(DATA / f"release_{version}_predictions.npz") as predictions:
        return engine, pickle.loads(path.read_bytes()), dict(predictions)


def test_there_are_files_of_both_engines():
    """The tests below run over something."""
    assert {path.stem.rpartition("_")[2] for path in FILES} == {"xgboost", "lightgbm"}


# The engine and scikit-learn say at every such pickle that it is from another version: that is the point here.
@pytest.mark.filterwarnings("ignore:.*serialized model:UserWarning")
@pytest.mark.filterwarnings("ignore:Trying to unpickle estimator:sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stored_estimators_predict_what_they_predicted(path):
    """Labels are the same, numbers to the last digits of a float32; so after another pickle, and as a training set."""
    engine, estimators, recorded = stored(path)
    X = recorded["X"]
    compared = [name for name in recorded if name.startswith(engine)]
    assert len(compared) >= 6
    for name in compared:
        _, target, method = name.split("-")
        for estimator in (estimators[target], pickle.loads(pickle.dumps(estimators[target]))):
            predicted = getattr(estimator, method)(X)
            if recorded[name].dtype.kind == "f":
                np.testing.assert_allclose(predicted, recorded[name], rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(predicted, recorded[name])


@pytest.mark.filterwarnings("ignore:.*serialized model:UserWarning")
@pytest.mark.filterwarnings("ignore:Trying to unpickle estimator:sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stored_estimators_can_be_fitted_again(path):
    """Their parameters are those of a new estimator, which trains."""
    spec = importlib.util.spec_from_file_location("make_release_models", DATA / "make_release_models.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    X, targets = maker.problem()
    _, estimators, _ = stored(path)
    for target, estimator in estimators.items():
        before = estimator.predict(X)
        after = estimator.fit(X, targets[target]).predict(X)
        if before.dtype.kind == "f":
            assert np.abs(after - before).max() < 0.5 * np.std(targets[target])
        else:
            assert (after == before).mean() > 0.9
