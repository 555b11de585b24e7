"""LossClassifier: a loss and a classifier of XGBoost or LightGBM as one scikit-learn estimator."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from boostloss._engine import resolved_loss
from boostloss._validation import check_real_array, fail_at
from boostloss.estimators.base import LossEstimator, with_common_attributes
from boostloss.losses import ClassificationLoss, CrossEntropy, Loss, MultiLabel


@with_common_attributes
class LossClassifier(ClassifierMixin, LossEstimator):
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
    verbose : bool or int, default=False
        Whether a progress bar of the rounds is drawn, with the metrics of `eval_set` (needs the ``progress`` extra,
        which is tqdm).

    Attributes
    ----------
    estimator_ : XGBClassifier or LGBMClassifier
        The trained copy. Its saved file holds start and link: a plain ``Booster.predict`` gives the sigmoid or softmax
        of the raw predictions.
    loss_ : ClassificationLoss
        The loss with everything that depends on the training labels as numbers.
    classes_ : ndarray of shape (n_classes,)
        The labels, in ascending order; for several labels per row their column numbers.

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

    def __init__(
        self, estimator: Any = None, loss: Loss | None = None, calibrate: bool = True, verbose: bool | int = False
    ) -> None:
        super().__init__(estimator, loss, verbose)
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
        encoded: NDArray[Any] = self._label_encoder.transform(labels)
        return encoded

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

    def staged_decision_function(self, X: Any) -> Iterator[NDArray[Any]]:
        """Raw predictions after every round, up to the last that predictions use.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Yields
        ------
        ndarray as of `decision_function`
        """
        yield from self._staged_raw_predictions(X)

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
        return self._proba_of(self._raw_predictions(X))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithms of `predict_proba`, -inf where that is 0.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            log_probabilities: NDArray[Any] = np.log(self.predict_proba(X))
        return log_probabilities

    @available_if(_has_probabilities)
    def staged_predict_proba(self, X: Any) -> Iterator[NDArray[Any]]:
        """Posterior class probabilities after every round, up to the last that predictions use.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Yields
        ------
        ndarray as of `predict_proba`
        """
        for raw_predictions in self._staged_raw_predictions(X):
            yield self._proba_of(raw_predictions)

    def _proba_of(self, raw_predictions: NDArray[Any]) -> NDArray[Any]:
        plain = self.loss_ if self.calibrate else self.loss_.uncalibrated()
        probabilities: NDArray[Any] = plain.predict_proba(raw_predictions)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, decided with the loss's class weights as costs.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_labels) of zeros and ones
        """
        return self._decision_of(self._raw_predictions(X))

    def _decision_of(self, raw_predictions: NDArray[Any]) -> NDArray[Any]:
        decision = super()._decision_of(raw_predictions)
        return decision if self._label_encoder is None else self.classes_[decision]


def _has_several_labels(y: ArrayLike) -> bool:
    """Whether every row has several labels, each yes or no: a matrix of zeros and ones, or of numbers between."""
    shape = np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def _checked_labels(y: ArrayLike) -> NDArray[Any]:
    """Class labels as an array (n,) without missing values, which an encoder would take for a class."""
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f":
        fail_at("y", labels, ~np.isfinite(labels), "finite")
    elif labels.dtype == object:
        fail_at("y", labels, np.array([label is None or label != label for label in labels], bool), "a label")
    return labels
