"""Labels, weights, raw predictions and features as CuPy, torch and cuDF hold them."""

import numpy as np
import pytest
from foreign_arrays import KINDS, CuDFSeries, CuPyArray, TorchTensor, cpu_tensor
from problems import lgbm_classifier, lgbm_regressor, xgb_classifier

import boostloss as bl
import boostloss.xgboost
from boostloss import _device
from boostloss._device_arrays import in_memory, is_on_device
from boostloss.objective import Objective

over_kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
RNG = np.random.default_rng(0)
Z = RNG.normal(size=60).astype(np.float32)
Y = (RNG.random(60) < 0.4).astype(np.float32)
WEIGHT = RNG.uniform(0.5, 2, 60)
X = np.column_stack([Z, RNG.normal(size=60)])


@over_kinds
def test_numbers_in_memory(kind):
    assert is_on_device(kind(Z)) == (kind is not cpu_tensor)
    array = np.asarray(in_memory(kind(Z)))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, Z)


@pytest.mark.parametrize("values", [Z, [1.0, 2.0], 3.0, None, "cuda"], ids=repr)
def test_all_else_stays_as_it_is(values):
    assert not is_on_device(values)
    assert in_memory(values) is values


@over_kinds
@pytest.mark.parametrize(
    ("loss", "y"),
    [(bl.Focal(class_weight="balanced"), Y), (bl.Huber(), Z + Y), (bl.GradientHarmonized(), Y)],
    ids=["Focal", "Huber", "GradientHarmonized"],
)
def test_methods_of_losses(kind, loss, y):
    """Every array may be one; results are NumPy's."""
    plain, foreign = (y, Z, WEIGHT), (kind(y), kind(Z), kind(WEIGHT))

    def results(y, z, weight):
        resolved = loss.resolve(y, weight)
        yield resolved.fit_intercept_only(y, weight)
        yield resolved.loss(y, z, weight)
        yield from resolved.gradient_hessian(y, z, weight)
        yield float(resolved.metric(y, z, weight))
        yield resolved.predict(z)
        if getattr(resolved, "has_posterior", False):
            yield resolved.predict_proba(z)
        yield boostloss.xgboost.params(loss, y, weight)["base_score"]

    for found, expected in zip(results(*foreign), results(*plain), strict=True):
        assert isinstance(found, (np.ndarray, np.generic, float))
        np.testing.assert_array_equal(found, expected)


@over_kinds
def test_several_classes(kind):
    raw, y = RNG.normal(size=(60, 3)).astype(np.float32), RNG.permutation(np.arange(60) % 3)
    loss = bl.Focal()
    np.testing.assert_array_equal(loss.predict_proba(kind(raw)), loss.predict_proba(raw))
    np.testing.assert_array_equal(loss.gradient_hessian(kind(y), kind(raw)), loss.gradient_hessian(y, raw))


@over_kinds
def test_labels_and_weights_of_a_data_set(kind):
    """An engine may hand them back on the device."""

    class Matrix:
        def get_label(self):
            return kind(Y)

        def get_weight(self):
            return kind(WEIGHT)

    found = Objective(bl.Focal())(Z, Matrix())
    expected = Objective(bl.Focal())(Y, Z, WEIGHT)
    np.testing.assert_array_equal(found, expected)


@over_kinds
@pytest.mark.parametrize("make", [lgbm_classifier, xgb_classifier])
def test_labels_and_weights_of_an_estimator(kind, make):
    found = bl.LossClassifier(make(n_estimators=3), loss=bl.Focal())
    found.fit(X, kind(Y), kind(WEIGHT), eval_set=(X, kind(Y)))
    expected = bl.LossClassifier(make(n_estimators=3), loss=bl.Focal()).fit(X, Y, WEIGHT)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    labels = kind(Y.astype(int))
    assert set(found.fit(X, labels).classes_) == {0, 1}


@pytest.mark.parametrize("kind", [CuPyArray, TorchTensor, cpu_tensor])
def test_features_for_lightgbm(kind):
    """Are copied to memory."""
    found = bl.LossRegressor(lgbm_regressor(n_estimators=3)).fit(kind(X), kind(Z))
    expected = bl.LossRegressor(lgbm_regressor(n_estimators=3)).fit(X, Z)
    np.testing.assert_array_equal(found.predict(kind(X)), expected.predict(X))
    assert found.n_features_in_ == 2


def test_features_for_xgboost(monkeypatch):
    """Stay where they are, and raw predictions that come back on the device are copied once."""
    classifier = bl.LossClassifier(xgb_classifier(n_estimators=3), loss=bl.Focal()).fit(X, Y)
    margins, seen = CuPyArray(classifier.decision_function(X)), []
    monkeypatch.setattr(type(classifier.estimator_), "predict", lambda self, X, **keywords: seen.append(X) or margins)
    features = CuPyArray(X)
    probability = classifier.predict_proba(features)
    assert seen == [features]
    assert (features.n_copies, margins.n_copies) == (0, 1)
    assert isinstance(probability, np.ndarray)
    assert isinstance(classifier.decision_function(features), np.ndarray)
    with pytest.raises(ValueError, match="X has 1 features, but LossClassifier is expecting 2"):
        classifier.predict(CuPyArray(X[:, :1]))


def test_features_of_other_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        bl.LossClassifier(lgbm_classifier(), loss=bl.Focal()).fit(CuPyArray(X[:-1]), Y)


# ------------------------------------------------------------------------------------- raw predictions on the device


@pytest.mark.parametrize("objective", [bl.Focal(), Objective(bl.Focal())], ids=["loss", "objective"])
@pytest.mark.parametrize("kind", [CuPyArray, TorchTensor, CuDFSeries])
def test_raw_predictions_on_a_device_need_numba_cuda(monkeypatch, kind, objective):
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: False)
    with pytest.raises(
        ImportError, match="raw_prediction is an array of a CUDA device, but numba-cuda is not"
    ):
        objective(Y, kind(Z))

