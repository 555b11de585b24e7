"""LossClassifier and LossRegressor: a loss and an estimator of XGBoost or LightGBM as one scikit-learn estimator."""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from boostloss._engine import resolved_loss
from boostloss._validation import check_real_array, check_sample_weight, fail_at
from boostloss._wrappers import default_estimator, engine_of
from boostloss.losses import ClassificationLoss, CrossEntropy, Huber, Loss, MultiLabel, RegressionLoss


class _LossEstimator(MetaEstimatorMixin, BaseEstimator):
    """What both estimators share: checks, training, raw predictions."""

    _kind: str  # of the engine's estimator: XGB and LGBM stand before it
    _kind_of_loss: type[Loss]
    _default_loss: type[Loss]

    def __init__(self, estimator: Any = None, loss: Loss | None = None) -> None:
        self.estimator = estimator
        self.loss = loss

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Train the engine's estimator with the loss, from the loss's own start.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            NaN is a missing value. Data frames go to the engine as they are, categories included.
        y : array-like of shape (n_samples,)
            Class labels of any type, or finite numbers.
        sample_weight : array-like of shape (n_samples,), optional
            Finite and >= 0; one of them > 0.
        **fit_params
            What the engine's ``fit`` takes: ``eval_set`` with labels like those of `y`, ``callbacks``, ... The loss's
            metric is the evaluation metric unless ``eval_metric`` is given (XGBoost: to its constructor); callables
            see raw predictions.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If `estimator` or `loss` is not of a kind that belongs here.
        ValueError
            If a parameter contradicts the loss, or the data are outside its domain.
        """
        estimator = default_estimator(self._kind) if self.estimator is None else self.estimator
        engine, estimator = engine_of(estimator, self._kind), clone(estimator)
        loss = self._checked_loss()
        engine.check(estimator, loss, fit_params)
        features = self._checked_features(X, reset=True)
        self._learn_labels(y)
        target = self._encoded(y, features)
        weight = None if sample_weight is None else check_sample_weight(sample_weight, len(target))
        eval_sets = [
            (features, target) if eval_X is X and eval_y is y else self._checked_eval_set(eval_X, eval_y)
            for eval_X, eval_y in engine.take_eval_sets(fit_params)
        ]
        resolved = self._resolved(loss, target, weight)
        engine.fit(estimator, features, target, weight, resolved, eval_sets, fit_params)
        self.estimator_, self.loss_ = estimator, resolved
        return self

    def _checked_loss(self) -> Loss:
        if self.loss is None:
            return self._default_loss()
        if not isinstance(self.loss, self._kind_of_loss):
            raise TypeError(f"loss == {self.loss!r}, must be a {self._kind_of_loss.__name__} or None.")
        return copy.copy(self.loss)

    def _checked_features(self, X: Any, *, reset: bool) -> Any:
        """Features as the engine gets them: data frames as they are, for their categories, all else as numbers."""
        if hasattr(X, "columns"):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(self, X, reset=reset, accept_sparse=("csr", "csc"), ensure_all_finite="allow-nan")

    def _checked_eval_set(self, X: Any, y: ArrayLike) -> tuple[Any, NDArray[Any]]:
        features = self._checked_features(X, reset=False)
        return features, self._encoded(y, features)

    def _learn_labels(self, y: ArrayLike) -> None:
        """Remember what `_encoded` needs."""

    def _encoded(self, y: ArrayLike, features: Any) -> NDArray[Any]:
        """Labels as the engines and the losses take them, one for every row of `features`."""
        raise NotImplementedError

    def _resolved(self, loss: Any, target: NDArray[Any], weight: NDArray[Any] | None) -> Any:
        return resolved_loss(loss, target, weight)

    def _raw_predictions(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        features = self._checked_features(X, reset=False)
        return engine_of(self.estimator_, self._kind).margins(self.estimator_, features)


class LossClassifier(ClassifierMixin, _LossEstimator):
    """Classifier that trains an estimator of XGBoost or LightGBM with a loss and predicts true probabilities.

    Parameters
    ----------
    estimator : XGBClassifier or LGBMClassifier, optional
        Trained as a copy. None is ``xgboost.XGBClassifier()``. What the loss decides (``objective``, ``base_score``,
        ``scale_pos_weight``, ``class_weight``, ...) must be left at its default.
    loss : ClassificationLoss, optional
        None is ``CrossEntropy()``. The keys of its ``class_weight`` are labels of `y`; as a sequence it follows
        ``classes_``.
    calibrate : bool, default=True
        Whether `predict_proba` inverts the loss, so that probabilities are true. False is the plain sigmoid or softmax
        of the raw predictions, as a peer without inversion would give, and what there is for losses without posterior.

    Attributes
    ----------
    estimator_ : XGBClassifier or LGBMClassifier
        The trained copy. Its saved file holds start and link: a plain ``Booster.predict`` gives the sigmoid or softmax
        of the raw predictions.
    loss_ : ClassificationLoss
        The loss with everything that depends on the training labels as numbers.
    classes_ : ndarray of shape (n_classes,)
        The labels, in ascending order; for several labels per row their column numbers.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Where `X` was a data frame with names that are strings.

    Examples
    --------
    >>> from boostloss import Focal, LossClassifier
    >>> from xgboost import XGBClassifier
    >>> classifier = LossClassifier(XGBClassifier(n_estimators=50), loss=Focal(gamma=2.0))
    >>> classifier.set_params(loss__gamma=1.0, estimator__max_depth=3).fit(X, y)  # doctest: +SKIP
    """

    _kind = "Classifier"
    _kind_of_loss = ClassificationLoss
    _default_loss = CrossEntropy

    def __init__(self, estimator: Any = None, loss: Loss | None = None, calibrate: bool = True) -> None:
        super().__init__(estimator, loss)
        self.calibrate = calibrate

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = "XGB" in type(self.estimator).__name__ or self.estimator is None
        return tags

    def _learn_labels(self, y: ArrayLike) -> None:
        if _has_several_labels(y):
            self._label_encoder = None
            self.classes_ = np.arange(np.shape(y)[1])
            return
        labels = _checked_labels(y)
        check_classification_targets(labels)
        self._label_encoder = LabelEncoder().fit(labels)
        self.classes_ = self._label_encoder.classes_

    def _encoded(self, y: ArrayLike, features: Any) -> NDArray[Any]:
        if self._label_encoder is None:
            labels = check_real_array("y", y)
            check_consistent_length(features, labels)
            return labels
        labels = _checked_labels(y)
        check_consistent_length(features, labels)
        return self._label_encoder.transform(labels)

    def _resolved(self, loss: Any, target: NDArray[Any], weight: NDArray[Any] | None) -> Any:
        if self._label_encoder is None:
            several = loss if isinstance(loss, MultiLabel) else MultiLabel(label_loss=loss)
            return resolved_loss(several, target, weight)
        if isinstance(loss, MultiLabel):
            raise ValueError(f"loss == {loss!r} with y of shape {target.shape}, must be a matrix of zeros and ones.")
        present = np.unique(target if weight is None else target[weight > 0])
        if len(present) < 2:
            where = "" if weight is None else " in rows with a weight"
            raise ValueError(f"y has one class only ({self.classes_[present[0]]}){where}, must have at least two.")
        if isinstance(loss.class_weight, dict):
            loss.class_weight = self._class_weight_by_index(loss.class_weight)
        return resolved_loss(loss, target, weight, n_classes=len(self.classes_))

    def _class_weight_by_index(self, class_weight: dict[Any, float]) -> dict[int, float]:
        index_of = {label: index for index, label in enumerate(self.classes_.tolist())}
        for label in class_weight:
            if label not in index_of:
                raise ValueError(f"class_weight has key {label!r}, must be one of the labels {list(index_of)}.")
        return {index_of[label]: weight for label, weight in class_weight.items()}

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Raw predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Margins of the second class, or of all of more than two.
        """
        return self._raw_predictions(X)

    def _has_probabilities(self) -> bool:
        """Raise where neither the loss nor `calibrate` allows `predict_proba`."""
        if self.calibrate:
            loss: Any = getattr(self, "loss_", self.loss)
            if loss is not None:
                loss._check_posterior()
        return True

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Posterior class probabilities, whether the loss is proper or not; see `calibrate`.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; of several labels per row the probability of each.
        """
        raw_predictions = self._raw_predictions(X)
        plain = self.loss_ if self.calibrate else self.loss_.uncalibrated()
        return plain.predict_proba(raw_predictions)

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, decided with the loss's class weights as costs.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_labels) of zeros and ones
        """
        raw_predictions = self._raw_predictions(X)
        decision = self.loss_.predict(raw_predictions)
        return decision if self._label_encoder is None else self.classes_[decision]


class LossRegressor(RegressorMixin, _LossEstimator):
    """Regressor that trains an estimator of XGBoost or LightGBM with a loss.

    Parameters
    ----------
    estimator : XGBRegressor or LGBMRegressor, optional
        Trained as a copy. None is ``xgboost.XGBRegressor()``. What the loss decides (``objective``, ``base_score``,
        ``alpha`` of LightGBM, ...) must be left at its default.
    loss : RegressionLoss, optional
        None is ``Huber()``.

    Attributes
    ----------
    estimator_ : XGBRegressor or LGBMRegressor
        The trained copy. Its saved file holds the start, and the link where that is a logarithm (not of ``MSLE``).
    loss_ : RegressionLoss
        The loss with everything that depends on the training labels as numbers.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Where `X` was a data frame with names that are strings.

    Examples
    --------
    >>> from boostloss import LossRegressor, Quantile
    >>> from lightgbm import LGBMRegressor
    >>> regressor = LossRegressor(LGBMRegressor(n_estimators=200), loss=Quantile(quantile=0.9))
    >>> regressor.fit(X, y).predict(X)  # doctest: +SKIP
    """

    _kind = "Regressor"
    _kind_of_loss = RegressionLoss
    _default_loss = Huber

    def _encoded(self, y: ArrayLike, features: Any) -> NDArray[Any]:
        target = check_real_array("y", column_or_1d(y, warn=True))
        fail_at("y", target, ~np.isfinite(target), "finite")
        check_consistent_length(features, target)
        return target

    def predict(self, X: Any) -> NDArray[Any]:
        """Predictions on the scale of y.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_quantiles) for several
        """
        raw_predictions = self._raw_predictions(X)
        return self.loss_.predict(raw_predictions)

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination; of several quantiles the mean of their D^2 pinball scores.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
            At most 1, higher is better; 0 for the best constant.
        """
        prediction = self.predict(X)
        if prediction.ndim == 1:
            return r2_score(y, prediction, sample_weight=sample_weight)
        scores = [
            d2_pinball_score(y, column, alpha=level, sample_weight=sample_weight)
            for level, column in zip(self.loss_.quantile, prediction.T, strict=True)
        ]
        return float(np.mean(scores))


def _has_several_labels(y: ArrayLike) -> bool:
    """Whether every row has several labels, each yes or no: a matrix of zeros and ones, or of numbers between."""
    shape = np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def _checked_labels(y: ArrayLike) -> NDArray[Any]:
    """Class labels as an array (n,) without missing values, which an encoder would take for a class."""
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f":
        fail_at("y", labels, ~np.isfinite(labels), "finite")
    elif labels.dtype == object:
        fail_at("y", labels, np.array([label is None or label != label for label in labels], bool), "a label")
    return labels
