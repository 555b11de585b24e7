"""Loss: everything that follows from one scalar definition, whatever kind of loss it is."""

import copy
import functools
import inspect
import re
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from boostloss._types import Array, Memory
from boostloss._validation import as_kernel_array, check_choice, check_raw_prediction
from boostloss.kernels.threads import empty_like

if TYPE_CHECKING:
    from boostloss.objective import Metric

    class BaseEstimator:
        """That of scikit-learn, which has no types: whatever a loss is asked for would be `Any`."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Hyper-parameters by name."""

        def set_params(self, **params: Any) -> Self:
            """Set some of them."""

        @classmethod
        def _get_param_names(cls) -> list[str]: ...
else:
    from sklearn.base import BaseEstimator

ENGINES = ("xgboost", "lightgbm")


@dataclass(frozen=True)
class Targets:
    """Labels and weights of one data set, checked, in the kernels' types."""

    y_true: Array  # (n,); (n, K) for soft labels of K classes
    sample_weight: Array  # (n,), or empty: no weights
    n_outputs: int  # 1, or the number of columns of a raw prediction
    soft: bool = False  # labels between the classes

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y_true)

    @property
    def n_classes(self) -> int:
        """Number of classes of a classification loss: one raw prediction per row is two of them."""
        return max(self.n_outputs, 2)

    @functools.cached_property
    def by_class(self) -> Array:
        """Soft labels of K classes on flat, one class after the other."""
        return self.y_true.T.ravel()

    @functools.cached_property
    def total_weight(self) -> float:
        """The sum of the weights; the number of rows without weights."""
        return float(self.sample_weight.sum(dtype=np.float64)) if self.sample_weight.size else float(self.n_rows)


@dataclass(frozen=True)
class Training:
    """What an objective knows of the training it serves."""

    learning_rate: float | None = None  # None: unknown
    n_rounds_before: int = 0  # in the model that it continues
    row_count: float = 1.0  # the mean curvature of a row: `lambda` and `min_child_weight` are in units of it


def target_of(dtype: DTypeLike, raw_dtype: DTypeLike) -> str:
    """The compile target of a result type and that of raw predictions: fast float32, or accurate float64."""
    if dtype != np.float32:
        return "double"
    return "simd" if raw_dtype == np.float32 else "mixed"


@functools.cache
def formula_parameters(point: Callable[..., Any], n_arguments: int) -> tuple[str, ...]:
    """The names of the hyper-parameters a `point` takes after its first `n_arguments` arguments."""
    return tuple(inspect.signature(point).parameters)[n_arguments:]


def _inside_an_engine(frame: FrameType) -> bool:
    """Whether `frame` runs a method of an estimator of XGBoost or LightGBM."""
    owner = type(frame.f_locals.get("self"))
    return any(base.__module__.partition(".")[0] in ENGINES for base in owner.__mro__)


class Loss(BaseEstimator):
    """What every loss has; a loss itself derives from `ClassificationLoss` or `RegressionLoss`.

    An object holds hyper-parameters and nothing else: no compiled code, no buffers, no state of a training.
    """

    curvature = "auto"
    curvatures: tuple[str, ...] = ("auto", "exact")
    of_batch = False  # values and gradients of a row depend on the other rows
    row_by_row = True  # a row's results depend on that row alone, and are derivatives of each other

    point: ClassVar[Callable[..., tuple[float, ...]]]  # the formula, a static method
    variable: str  # of `point`: "probability", "margin", "residual" or "prediction"
    n_outputs: int  # of a loss for numbers: raw predictions of a row
    n_classes_: int  # of a resolved loss for classes
    n_labels_: int  # of a resolved loss for several labels
    _memory: Memory | None  # where it has a training of its own

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of losses in it, as of `MultiLabel`, are listed as well.

        Returns
        -------
        dict
            Empty for the engines' own estimators: they call this on an ``objective`` and would pass what they get on
            to the engine as parameters it does not know.
        """
        if _inside_an_engine(sys._getframe(1)):
            return {}
        return super().get_params(deep=deep)

    def to_dict(self) -> dict[str, Any]:
        """Return the loss as a plain dict, which JSON can hold.

        Returns
        -------
        dict
            Name, parameters, a schema number, and of a resolved loss the number of classes. Numbers and types, also
            those of NumPy, come back exactly; a loss among the parameters is such a dict as well.

        Raises
        ------
        TypeError
            If a parameter is not made of finite numbers, strings, lists, dicts, arrays and losses.
        """
        from boostloss.losses.persistence import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> Self:
        """Make a loss from what `to_dict` returned.

        ``Loss.from_dict`` makes any loss of boostloss; one of your own is made by its class only,
        ``MyLoss.from_dict``. Nothing is imported or executed that the dict names.

        Parameters
        ----------
        description : dict

        Returns
        -------
        Loss

        Raises
        ------
        TypeError, ValueError
            If it is no such dict, the name is not that of such a loss, or a parameter is outside its domain.
        """
        from boostloss.losses.persistence import from_dict

        loss: Self = from_dict(cls, description)
        return loss

    def _validate(self) -> None:
        """Check the hyper-parameters; subclasses extend this."""
        check_choice("curvature", self.curvature, self.curvatures)

    def resolve(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Return a copy in which everything that depends on the training labels is a number.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Training labels.
        sample_weight : array-like of shape (n,), optional
            Their weights.

        Returns
        -------
        Loss
        """
        self._validate()
        self._targets(y_true, sample_weight, self._n_outputs_of(y_true), np.float64)
        return copy.copy(self)

    def _targets(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None, n_outputs: int, dtype: DTypeLike
    ) -> Targets:
        """Labels and weights, checked, for kernels of a type."""
        raise NotImplementedError  # each kind of losses has its own labels

    def _targets_key(self) -> Hashable:
        """What the targets of a data set depend on."""
        return type(self), getattr(self, "label_smoothing", None)

    def _n_outputs_of(self, y_true: ArrayLike) -> int:
        return 1

    def loss(self, y_true: ArrayLike, raw_prediction: ArrayLike, sample_weight: ArrayLike | None = None) -> Array:
        """Value of the loss of every row.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels, in the domain of the loss.
        raw_prediction : array-like of shape (n,), (n, 1) or (n, K)
            Raw predictions; float32 gives float32, anything else float64.
        sample_weight : array-like of shape (n,), optional
            Multiplies the values.

        Returns
        -------
        ndarray of shape (n,)
        """
        raw, targets, loss = self._checked(y_true, raw_prediction, sample_weight)
        value = np.empty(len(raw), raw.dtype)
        loss._values(targets, raw, value)
        return value

    def gradient_hessian(
        self,
        y_true: ArrayLike,
        raw_prediction: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        curvature: str | None = None,
    ) -> tuple[Array, Array]:
        """First derivative and curvature with respect to the raw prediction, row by row.

        Parameters
        ----------
        y_true, raw_prediction, sample_weight
            As in `loss`.
        curvature : {"auto", "exact"}, optional
            None: the positive curvature this loss was made with. "exact": the true second derivative, unfloored.

        Returns
        -------
        gradient, hessian : ndarrays shaped as `raw_prediction`
        """
        if curvature is not None:
            check_choice("curvature", curvature, self.curvatures)
        raw, targets, loss = self._checked(y_true, raw_prediction, sample_weight)
        gradient, hessian = empty_like(raw), empty_like(raw)
        loss._derivatives(targets, raw, curvature, gradient, hessian)
        shape = np.shape(raw_prediction)
        return gradient.reshape(shape), hessian.reshape(shape)

    def _checked(
        self, y_true: ArrayLike, raw_prediction: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Targets, Self]:
        """Raw predictions and targets ready for a kernel, and this loss with its class weights as numbers."""
        self._validate()
        raw = check_raw_prediction(raw_prediction)
        raw = as_kernel_array(raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw)
        n_outputs = 1 if raw.ndim == 1 else raw.shape[1]
        targets = self._targets(y_true, sample_weight, n_outputs, raw.dtype)
        if len(targets.y_true) != len(raw):
            raise ValueError(f"y_true has {len(targets.y_true)} rows, must have {len(raw)} as raw_prediction has.")
        return raw, targets, self._with_numbers(targets)

    def fit_intercept_only(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> float | Array:
        """Best constant raw prediction: where the weighted gradients sum to zero.

        Parameters
        ----------
        y_true : array-like of shape (n,), or (n, L) for L labels per row
            Training labels.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float, or ndarray of shape (K,) for K raw predictions per row
            For K classes margins with mean 0, a class without rows counting as half an average row; so does a row
            without the label, or with it, that several labels per row lack. For numbers in the unit of y; with a link
            the link of it.

        Raises
        ------
        ValueError
            If the best constant is infinite: there is one class only, or the posterior does not reach the share of one,
            or every count is 0.
        """
        self._validate()
        return self._best_constant(y_true, sample_weight)

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float | Array:
        """Find it, for hyper-parameters that are valid."""
        raise NotImplementedError  # each kind has its own equation for it

    def prepare(self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None) -> Any:
        """Return the parameters of `point`, and the weights of this round."""
        raise NotImplementedError  # each kind has its own parameters

    def _prepared(self, targets: Targets, raw: Array) -> tuple[Any, Array]:
        """What `prepare` makes of targets: their weights are an array in any case."""
        params, weight = self.prepare(targets.y_true, raw, targets.sample_weight)
        return params, weight

    def _with_numbers(self, targets: Targets) -> Self:
        """This loss, resolved with the labels at hand where it has not been."""
        return self

    def _remembering(self, memory: Memory | None) -> Self:
        """This loss with the memory of a training, a dict, or None where it has no training of its own."""
        return self

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        """Fill `value`."""
        raise NotImplementedError  # each kind has its own loops

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        """Fill `gradient` and `hessian`; None is the curvature this loss was made with."""
        raise NotImplementedError  # each kind has its own loops

    def _engine_derivatives(
        self, targets: Targets, raw: Array, training: Training, gradient: Array, hessian: Array
    ) -> None:
        """Gradient and curvature as an engine gets them: here, as they are."""
        self._derivatives(targets, raw, None, gradient, hessian)

    @property
    def metric_name(self) -> str:
        """What the metric is called in an engine's log."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def metric(self) -> "Metric":
        """Evaluation metric of this loss for every engine API: its weighted mean, lower is better."""
        from boostloss.objective import Metric

        return Metric(self)

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        """What the metric averages: the loss, unless its scale moves from round to round."""
        self._values(targets, raw, value)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> tuple[Array, Array]:
        """Evaluate the objective: (y_true, y_pred[, sample_weight]) arrays, or (y_pred, DMatrix or Dataset).

        Returns
        -------
        gradient, hessian : float32 ndarrays shaped as the raw prediction
        """
        from boostloss.objective import Objective

        return Objective(self, has_memory=False)(y_true, y_pred, sample_weight)
