"""Probabilities and ranking of every classification loss after training, on data whose true probabilities are known."""

import functools

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from xgboost import XGBClassifier

import boostloss as bl
from boostloss import (
    LDAM,
    Asymmetric,
    CrossEntropy,
    Dice,
    Exponential,
    Focal,
    FocalTversky,
    GradientHarmonized,
    Hinge,
    KLDivergence,
    LogitAdjusted,
    LossClassifier,
    MarginTruncated,
    ModifiedHuber,
    Perceptron,
    Poly1,
    Poly1Focal,
    SelfAdjusting,
    SoftTruncated,
    SquaredHinge,
    Tversky,
)

ENGINES = {
    "xgboost": lambda: XGBClassifier(n_estimators=100, max_depth=4, learning_rate=0.1, n_jobs=1),
    "lightgbm": lambda: LGBMClassifier(n_estimators=100, num_leaves=15, learning_rate=0.1, n_jobs=1, verbosity=-1),
}
DEFAULTS = {"xgboost": lambda: XGBClassifier(n_jobs=1), "lightgbm": lambda: LGBMClassifier(n_jobs=1, verbosity=-1)}
WITH_POSTERIOR = [
    CrossEntropy(pos_weight="balanced"),
    CrossEntropy(class_weight="effective"),
    CrossEntropy(label_smoothing=0.05),
    KLDivergence(),
    Focal(),
    Focal(alpha=0.75),
    Poly1(),
    Poly1Focal(),
    Asymmetric(),
    Asymmetric(clip=0.0),
    Asymmetric(gamma_pos=0.0, gamma_neg=2.0, clip=0.0),
    SoftTruncated(),
    MarginTruncated(),
    LogitAdjusted(),
    LDAM(),
    LDAM(scale=3.0),
    Exponential(),
    SquaredHinge(),
    ModifiedHuber(),
    SelfAdjusting(),
]
# Not HardTruncated, QuadraticHinge, SquaredHinge and ModifiedHuber: their docstrings say why they cannot
WITH_RARE_POSITIVES = [
    KLDivergence(),
    CrossEntropy(class_weight="effective"),
    Focal(),
    Focal(gamma=5.0),
    Poly1(),
    Poly1Focal(),
    Asymmetric(),
    Asymmetric(clip=0.0),
    SoftTruncated(),
    MarginTruncated(),
    LogitAdjusted(),
    LDAM(),
    Exponential(),
    Hinge(),
    Perceptron(),
    SelfAdjusting(),
    Dice(),
    Tversky(alpha=0.3, beta=0.7),
    FocalTversky(),
]


def known(n_rows, seed):
    """Features, labels, and the probability that they were drawn with."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    eta = expit(X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * X[:, 2] * X[:, 3] - 1)
    return X, (rng.uniform(size=n_rows) < eta).astype(int), eta


def calibration_error(eta, probability, n_bins=15):
    """Mean distance between the true and the predicted probability of bins with equally many rows."""
    bins = np.array_split(np.argsort(probability), n_bins)
    return np.mean([abs(eta[rows].mean() - probability[rows].mean()) for rows in bins])


def quality(engine, loss):
    """Expected log-loss and calibration error on new rows."""
    X, y, _ = known(50_000, 0)
    X_test, _, eta = known(40_000, 1)
    probability = LossClassifier(ENGINES[engine](), loss).fit(X, y).predict_proba(X_test).astype(np.float64)
    p, q = np.clip(probability.T[::-1], 1e-12, 1)
    return -(eta * np.log(p) + (1 - eta) * np.log(q)).mean(), calibration_error(eta, probability[:, 1])


@functools.cache
def quality_of_cross_entropy(engine):
    return quality(engine, CrossEntropy())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", WITH_POSTERIOR, ids=repr)
def test_probabilities_are_as_good_as_those_of_cross_entropy(loss, engine):
    """Log-loss within 3 %, calibration error at most 1.5 times its."""
    log_loss, error = quality(engine, loss)
    usual_log_loss, usual_error = quality_of_cross_entropy(engine)
    assert log_loss <= 1.03 * usual_log_loss
    assert error <= 1.5 * usual_error


def rare(n_rows, seed):
    """Features and labels, 0.4 % of them positive."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 8))
    margin = 1.2 * X[:, 0] + np.sin(2 * X[:, 1]) + 0.7 * X[:, 2] * X[:, 3] - 6.9
    return X, (rng.uniform(size=n_rows) < expit(margin)).astype(int)


def area(estimator):
    """Area under the ROC curve, the mean of three data sets."""
    areas = []
    for seed in range(3):
        X, y = rare(40_000, seed)
        X_test, y_test = rare(30_000, 100 + seed)
        fitted = estimator.fit(X, y)
        ours = hasattr(fitted, "decision_function")
        ranks = fitted.decision_function(X_test) if ours else fitted.predict_proba(X_test)[:, 1]
        areas.append(roc_auc_score(y_test, ranks))
    return np.mean(areas)


@functools.cache
def area_of_built_in(engine):
    return area(DEFAULTS[engine]())


@pytest.mark.slow
@pytest.mark.parametrize("engine", DEFAULTS)
@pytest.mark.parametrize("loss", WITH_RARE_POSITIVES, ids=repr)
def test_rare_positives_are_learned_from_defaults(loss, engine):
    """Area under the ROC curve at most .02 below that of the engine's own logistic loss."""
    assert area(LossClassifier(DEFAULTS[engine](), loss)) >= area_of_built_in(engine) - 0.02


# ------------------------------------------------------------------------------------------- with and without inversion


@pytest.mark.parametrize("engine", ENGINES)
def test_inversion_is_what_makes_probabilities_true(engine):
    """calibrate=False is the plain sigmoid, which is far off for focal; ranking and decisions do not change."""
    X, y, eta = known(8000, 0)
    plain = LossClassifier(ENGINES[engine](), Focal(gamma=3.0), calibrate=False).fit(X, y)
    true = LossClassifier(ENGINES[engine](), Focal(gamma=3.0)).fit(X, y)
    raw = true.decision_function(X)
    assert_allclose(plain.predict_proba(X)[:, 1], expit(raw), rtol=1e-6)
    assert calibration_error(eta, true.predict_proba(X)[:, 1]) < 0.3 * calibration_error(eta, expit(raw))
    assert (plain.predict(X) == true.predict(X)).all()


@pytest.mark.parametrize("loss", [Hinge(), GradientHarmonized(), bl.HardTruncated(), Dice()], ids=repr)
def test_scikit_learn_calibrates_what_has_no_posterior(loss):
    """As the error advises: the estimator has no predict_proba, and CalibratedClassifierCV fits one."""
    X, y, eta = known(6000, 0)
    classifier = LossClassifier(ENGINES["lightgbm"](), loss)
    assert not hasattr(classifier.fit(X, y), "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba"):
        classifier.predict_proba(X)
    probability = CalibratedClassifierCV(classifier, cv=3).fit(X, y).predict_proba(X)[:, 1]
    assert calibration_error(eta, probability) < 0.12


def test_softmax_without_inversion():
    """Three classes: the plain softmax of the raw predictions."""
    X, y, _ = known(1500, 0)
    y = y + (X[:, 4] > 1)
    classifier = LossClassifier(ENGINES["xgboost"](), Focal(), calibrate=False).fit(X, y)
    raw = classifier.decision_function(X)
    expected = np.exp(raw - raw.max(axis=1, keepdims=True))
    assert_allclose(classifier.predict_proba(X), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
