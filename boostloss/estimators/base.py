"""What both estimators share: checks, training, raw predictions, and what is known of a training."""

import contextlib
import copy
import inspect
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.pipeline import FeatureUnion
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from boostloss._device_arrays import in_memory, is_on_device, without_graph
from boostloss._engine import resolved_loss
from boostloss._progress import progress_bar
from boostloss._validation import check_integer, check_sample_weight
from boostloss._wrappers import default_estimator, engine_of
from boostloss.losses import Loss

EstimatorType = TypeVar("EstimatorType", bound=type)
ATTRIBUTES = """\
evals_result_ : dict
    Values of the metrics after every round, by evaluation set and metric. There where fit was given an `eval_set`.
best_iteration_ : int
    Number of rounds after which the metric was best, which predictions use. There where training may stop early.
feature_importances_ : ndarray of shape (`n_features_in_`,)
    Those of `estimator_`.
n_features_in_ : int
    Number of columns of `X`.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Where `X` was a data frame with names that are strings.
"""


def with_common_attributes(estimator: EstimatorType) -> EstimatorType:
    """A decorator of both estimators: what both know after a training comes last among the attributes described."""
    if estimator.__doc__:  # not under python -OO
        text = inspect.cleandoc(estimator.__doc__)
        estimator.__doc__ = text.replace("\n\nExamples\n", f"\n{ATTRIBUTES}\nExamples\n", 1)
    return estimator


class LossEstimator(MetaEstimatorMixin, BaseEstimator):
    """A loss and an estimator of an engine; `LossClassifier` and `LossRegressor` derive from it."""

    _kind: str  # of the engine's estimator: XGB and LGBM stand before it
    _kind_of_loss: type[Loss]
    _default_loss: type[Loss]
    classes_: NDArray[Any]  # of classifiers

    def __init__(self, estimator: Any = None, loss: Loss | None = None, verbose: bool | int = False) -> None:
        self.estimator = estimator
        self.loss = loss
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def _sk_visual_block_(self) -> Any:
        """Two boxes in scikit-learn's HTML, which would leave out the loss: it has no ``fit``.

        scikit-learn's class of such boxes is private and has moved; a union draws whatever it has side by side.
        """
        estimator = f"XGB{self._kind}" if self.estimator is None else self.estimator
        parts = {"estimator": estimator, "loss": self._default_loss() if self.loss is None else self.loss}
        # What belongs in neither place is shown as it is: `fit` will say so
        boxes = [(name, part if isinstance(part, BaseEstimator) else str(part)) for name, part in parts.items()]
        return FeatureUnion(boxes)._sk_visual_block_()

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: Any = None,
        eval_X: Any = None,
        eval_y: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train the engine's estimator with the loss, from the loss's own start.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            NaN is a missing value. Data frames go to the engine as they are, categories included, and so do arrays of
            a CUDA device (CuPy, torch, cuDF) to XGBoost; LightGBM gets a copy in memory, as labels and weights do.
        y : array-like of shape (n_samples,)
            Class labels of any type, or finite numbers.
        sample_weight : array-like of shape (n_samples,), optional
            Finite and >= 0; one of them > 0.
        eval_set : tuple (X, y) or list of them, optional
            Evaluated after every round, with labels like those of `y`. The loss's metric is the evaluation metric
            unless ``eval_metric`` is given (XGBoost: to its constructor); callables see raw predictions. Training stops
            early on it with ``early_stopping_rounds`` of XGBoost's constructor, or LightGBM's callback.
        eval_X, eval_y : features and labels, or tuples of them, optional
            The same in two parts: ``Pipeline(..., transform_input=["eval_X"])`` transforms features on their way.
        **fit_params
            What else the engine's ``fit`` takes: ``callbacks``, ... A model to continue (``xgb_model``,
            ``init_model``) may be an estimator like this one; it keeps its start.

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
        check_integer("verbose", int(self.verbose) if isinstance(self.verbose, bool) else self.verbose, low=0)
        estimator = default_estimator(self._kind) if self.estimator is None else self.estimator
        engine, estimator = engine_of(estimator, self._kind), clone(estimator)
        loss = self._checked_loss()
        engine.check(estimator, loss, fit_params)
        features = self._checked_features(X, reset=True)
        classes_before = self._unwrap_model_before(loss, engine, fit_params)
        labels = in_memory(y)
        self._learn_labels(labels)
        if classes_before is not None and not np.array_equal(classes_before, self.classes_):
            name = engine.model_before
            raise ValueError(f"{name} has the classes {classes_before}, must have those of y: {self.classes_}.")
        target = self._encoded(labels, features)
        weight = None if sample_weight is None else check_sample_weight(sample_weight, len(target))
        eval_sets = [
            (features, target) if eval_X is X and eval_y is y else self._checked_eval_set(eval_X, eval_y)
            for eval_X, eval_y in _pairs(eval_set, eval_X, eval_y)
        ]
        resolved = self._resolved(loss, target, weight)
        with progress_bar(engine.n_rounds(estimator)) if self.verbose else contextlib.nullcontext() as advance:
            engine.fit(estimator, features, target, weight, resolved, eval_sets, fit_params, advance)
        self.estimator_, self.loss_ = estimator, resolved
        return self

    def _unwrap_model_before(self, loss: Any, engine: Any, fit_params: dict[str, Any]) -> NDArray[Any] | None:
        """Put the engine's estimator in the place of one of ours to continue, and return the classes that it knows."""
        name = engine.model_before
        before = fit_params.get(name)
        if not isinstance(before, LossEstimator):
            return None
        check_is_fitted(before)
        if engine_of(before.estimator_, before._kind) is not engine:
            kind = type(before.estimator_).__name__
            raise TypeError(f"{name} has the estimator {kind}, must have one of {engine.package}.")
        if (link := getattr(before.loss_, "link", None)) != getattr(loss, "link", None):
            raise ValueError(f"{name} has the link {link!r} of {before.loss_!r}, must have that of loss == {loss!r}.")
        fit_params[name] = before.estimator_
        return getattr(before, "classes_", None)

    def _checked_loss(self) -> Loss:
        if self.loss is None:
            return self._default_loss()
        if not isinstance(self.loss, self._kind_of_loss):
            raise TypeError(f"loss == {self.loss!r}, must be a {self._kind_of_loss.__name__} or None.")
        return copy.copy(self.loss)

    def _checked_features(self, X: Any, *, reset: bool) -> Any:
        """Features as the engine gets them: all as numbers in memory, but for frames and what is on a device."""
        X = without_graph(X)
        if hasattr(X, "columns") or is_on_device(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(self, X, reset=reset, accept_sparse=("csr", "csc"), ensure_all_finite="allow-nan")

    def _checked_eval_set(self, X: Any, y: ArrayLike) -> tuple[Any, NDArray[Any]]:
        features = self._checked_features(X, reset=False)
        return features, self._encoded(in_memory(y), features)

    def _learn_labels(self, y: ArrayLike) -> None:
        """Remember what `_encoded` needs."""

    def _encoded(self, y: ArrayLike, features: Any) -> NDArray[Any]:
        """Labels as the engines and the losses take them, one for every row of `features`."""
        raise NotImplementedError  # a classifier and a regressor each have their own

    def _resolved(self, loss: Any, target: NDArray[Any], weight: NDArray[Any] | None) -> Any:
        return resolved_loss(loss, target, weight)

    def _raw_predictions(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        features = self._checked_features(X, reset=False)
        raw: NDArray[Any] = in_memory(engine_of(self.estimator_, self._kind).margins(self.estimator_, features))
        return raw

    def _staged_raw_predictions(self, X: Any) -> Iterator[NDArray[Any]]:
        """Raw predictions after every round."""
        check_is_fitted(self)
        features = self._checked_features(X, reset=False)
        for margins in engine_of(self.estimator_, self._kind).staged_margins(self.estimator_, features):
            yield in_memory(margins).copy()  # the next stage is made from it

    def staged_predict(self, X: Any) -> Iterator[NDArray[Any]]:
        """What `predict` would return after every round, up to the last that predictions use.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Yields
        ------
        ndarray as of `predict`
        """
        for raw_predictions in self._staged_raw_predictions(X):
            yield self._decision_of(raw_predictions)

    def _decision_of(self, raw_predictions: NDArray[Any]) -> NDArray[Any]:
        decision: NDArray[Any] = self.loss_.predict(raw_predictions)
        return decision

    # ------------------------------------------------------------------------------------------------- of the training

    @property
    def evals_result_(self) -> dict[str, dict[str, list[float]]]:
        """Values of the metrics after every round, by evaluation set and metric; where there was an `eval_set`."""
        results: dict[str, dict[str, list[float]]] = self._of_fitted("evals_result_", "evals_result")
        if not results:
            raise AttributeError("evals_result_ is there only where fit was given an eval_set.")
        return results

    @property
    def best_iteration_(self) -> int:
        """Number of rounds after which the metric was best, which predictions use; where training may stop early."""
        best: int = self._of_fitted("best_iteration_", "best_iteration")
        if not best:
            raise AttributeError("best_iteration_ is there only where training may stop early.")
        return best

    @property
    def feature_importances_(self) -> NDArray[Any]:
        """Those of the engine's estimator, by its ``importance_type``."""
        importances: NDArray[Any] = self._of_fitted("feature_importances_", "feature_importances")
        return importances

    def _of_fitted(self, name: str, question: str) -> Any:
        """What the engine answers about a fitted estimator; before that an AttributeError."""
        if not hasattr(self, "estimator_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted.")
        return getattr(engine_of(self.estimator_, self._kind), question)(self.estimator_)


def _pairs(eval_set: Any, eval_X: Any, eval_y: Any) -> list[tuple[Any, Any]]:
    """Evaluation sets as a list of (X, y)."""
    if eval_X is None and eval_y is None:
        pairs = [eval_set] if isinstance(eval_set, tuple) else list(eval_set or ())
        for k, pair in enumerate(pairs):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"eval_set[{k}] is no (X, y), must be a tuple of features and labels.")
        return pairs
    if eval_set is not None or eval_X is None or eval_y is None:
        raise ValueError("eval_X and eval_y must be given together, and without eval_set.")
    return list(zip(eval_X, eval_y, strict=True)) if isinstance(eval_X, tuple) else [(eval_X, eval_y)]
