"""What the estimators refuse."""

import numpy as np
import pytest
import xgboost
from problems import (
    CLASSIFIERS,
    LABELS,
    binary_problem,
    features,
    lgbm_classifier,
    lgbm_regressor,
    xgb_classifier,
    xgb_regressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import boostloss as bl


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (xgb_classifier(scale_pos_weight=3.0), r"estimator.scale_pos_weight == 3.0 contradicts loss == Focal"),
        (xgb_classifier(base_score=0.3), r"estimator.base_score == 0.3 contradicts loss == Focal"),
        (xgb_classifier(objective="binary:hinge"), r"estimator.objective == 'binary:hinge' contradicts loss == Focal"),
        (xgb_classifier(num_class=3), r"estimator.num_class == 3 contradicts loss == Focal"),
        (lgbm_classifier(class_weight="balanced"), r"estimator.class_weight == 'balanced' contradicts loss == Focal"),
        (lgbm_classifier(is_unbalance=True), r"estimator.is_unbalance == True contradicts loss == Focal"),
        (lgbm_classifier(objective="binary"), r"estimator.objective == 'binary' contradicts loss == Focal"),
        (lgbm_classifier(boosting_type="rf"), r"estimator.boosting_type == 'rf' contradicts loss == .*random forest"),
        (lgbm_classifier(metric="binary_logloss"), r"estimator.metric == 'binary_logloss' contradicts loss == Focal"),
    ],
)
def test_parameters_that_contradict_the_loss(estimator, words):
    """What the loss decides cannot be decided by the estimator as well; both are named."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=words):
        bl.LossClassifier(estimator, bl.Focal()).fit(X, y)


@pytest.mark.parametrize(
    ("make", "argument", "value"),
    [
        (xgb_classifier, "base_margin", np.zeros(50)),
        (lgbm_classifier, "init_score", np.zeros(50)),
        (lgbm_classifier, "eval_class_weight", ["balanced"]),
        (lgbm_classifier, "eval_metric", "binary_logloss"),
    ],
)
def test_arguments_of_fit_that_contradict_the_loss(make, argument, value):
    """A start that predictions would lack, weights beside the loss's, metrics of raw scores: refused."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=f"(?s){argument} == .* contradicts loss == CrossEntropy"):
        bl.LossClassifier(make()).fit(X, y, **{argument: value})


@pytest.mark.parametrize("estimator", [xgboost.XGBClassifier, xgb_regressor(), StandardScaler(), "xgboost", 3])
def test_estimators_of_another_kind(estimator):
    """A classifier of one of the engines, as an instance, and nothing else."""
    with pytest.raises(TypeError, match=r"(?s)estimator == .*must be an XGBClassifier or an LGBMClassifier"):
        bl.LossClassifier(estimator).fit(*binary_problem(50)[:2])


@pytest.mark.parametrize(
    ("kind", "loss", "words"),
    [
        (bl.LossClassifier, bl.Huber(), r"loss == Huber\(\), must be a ClassificationLoss or None"),
        (bl.LossRegressor, bl.Focal(), r"loss == Focal\(\), must be a RegressionLoss or None"),
        (bl.LossClassifier, bl.Focal, "loss == <class .*Focal'>, must be a ClassificationLoss or None"),
        (bl.LossClassifier, "focal", "loss == 'focal', must be a ClassificationLoss or None"),
    ],
)
def test_losses_of_another_kind(kind, loss, words):
    """Classifiers want an instance of a classification loss, regressors of a regression loss."""
    with pytest.raises(TypeError, match=words):
        kind(loss=loss).fit(*binary_problem(50)[:2])


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_parameters_of_the_loss_are_checked_at_fit(make):
    """set_params takes what it is given; fit says what is wrong, and the estimator stays unfitted."""
    classifier = bl.LossClassifier(make(), bl.Focal()).set_params(loss__gamma=-1)
    with pytest.raises(ValueError, match="gamma == -1, must be >= 0"):
        classifier.fit(*binary_problem(50)[:2])
    with pytest.raises(NotFittedError):
        classifier.predict(features(5))


def with_nan(y):
    y = y.astype(float)
    y[3] = np.nan
    return y


@pytest.mark.parametrize("make", [xgb_classifier, lgbm_regressor])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y, w: (X, with_nan(y), w), r"y\[3\] == nan, must be"),
        (lambda X, y, w: (X, y[:-1], w), "inconsistent numbers of samples"),
        (lambda X, y, w: (X, y, w[:-1]), r"sample_weight.shape == \(49,\), must be \(50,\)"),
        (lambda X, y, w: (X, y, -w), r"sample_weight\[0\] == -\d.0, must be finite and >= 0"),
        (lambda X, y, w: (X, y, 0 * w), "sample_weight is zero in every row"),
    ],
)
def test_bad_labels_and_weights(make, change, words):
    """Errors name the argument, and the row where there is one, before any training."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    with pytest.raises(ValueError, match=words):
        kind(make()).fit(*change(*binary_problem(50)))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_one_class_only(make):
    """One class, in the labels or in the rows with a weight, has no best start and is an error."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=r"y has one class only \(yes\), must have at least two"):
        bl.LossClassifier(make()).fit(X, np.full(50, "yes"))
    with pytest.raises(ValueError, match=r"y has one class only \(no\) in rows with a weight"):
        bl.LossClassifier(make()).fit(X, LABELS[y], sample_weight=1 - y)


def test_labels_that_are_not_known():
    """Labels of an evaluation set, and keys of class_weight, must be labels of y."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match="previously unseen labels"):
        bl.LossClassifier(xgb_classifier()).fit(X, LABELS[y], eval_set=[(X, np.full(50, "maybe"))])
    loss = bl.CrossEntropy(class_weight={"maybe": 2.0})
    with pytest.raises(ValueError, match=r"class_weight has key 'maybe', must be one of the labels \['no', 'yes'\]"):
        bl.LossClassifier(xgb_classifier(), loss).fit(X, LABELS[y])
