"""Several labels per row, each yes or no: one loss of two classes for every column of raw predictions."""

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from boostloss._types import Array, Memory
from boostloss._validation import check_raw_prediction, check_real_array, check_sample_weight, fail_at
from boostloss.kernels.threads import flat
from boostloss.losses.base import Targets
from boostloss.losses.classification import CrossEntropy
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.columns import derivatives_by_column, summed_values

LossPerLabel: TypeAlias = list[ClassificationLoss] | tuple[ClassificationLoss, ...]
Result = TypeVar("Result")
# `LabelTargets`, or what a device has in their place: less than the `Targets` that other losses take
TargetsOfLabels: TypeAlias = Any


@dataclass(frozen=True)
class LabelTargets(Targets):
    """Labels (n, L) of one data set, and as targets of losses of two classes."""

    losses: tuple[ClassificationLoss, ...] = ()  # of the labels, or one for all of them

    def _of(self, loss: ClassificationLoss, y_true: Array, weight: Array) -> Targets:
        return loss._targets(y_true, weight if weight.size else None, 1, self.y_true.dtype)

    @cached_property
    def by_row(self) -> Targets:
        """All labels of the first row, then of the second, ..."""
        return self._of(self.losses[0], self.y_true.ravel(), np.repeat(self.sample_weight, self.n_outputs))

    @cached_property
    def by_label(self) -> Targets:
        """The first label of all rows, then the second, ..."""
        return self._of(self.losses[0], self.y_true.T.ravel(), np.tile(self.sample_weight, self.n_outputs))

    @cached_property
    def columns(self) -> list[Targets]:
        """Targets of one label each."""
        losses = self.losses if len(self.losses) > 1 else self.losses * self.n_outputs
        rows = zip(losses, self.y_true.T, strict=True)
        return [self._of(loss, np.ascontiguousarray(y), self.sample_weight) for loss, y in rows]


class MultiLabel(ClassificationLoss):
    """Several labels per row, in any number: the sum of a loss of two classes over the L columns of raw predictions.

    Parameters
    ----------
    label_loss : ClassificationLoss or sequence of them, optional
        Of two classes, for all labels or one for each. None is `CrossEntropy()`. What depends on training labels, such
        as ``class_weight="balanced"``, is worked out label by label.

    Notes
    -----
    y_true and raw predictions are (n, L), gradient and curvature as well; the value of a row is the sum over its
    labels, which may be soft. `predict_proba` returns the probability of every label, (n, L), `predict` zeros and ones.
    In XGBoost it is one model of L outputs; LightGBM has no custom objective of several labels.
    """

    def __init__(self, *, label_loss: ClassificationLoss | LossPerLabel | None = None) -> None:
        self.label_loss = label_loss
        self._validate()

    def _validate(self) -> None:
        if not self._given():
            raise ValueError(f"label_loss == {self.label_loss!r}, must have one loss per label.")
        for loss in self._given():
            if not isinstance(loss, ClassificationLoss) or isinstance(loss, MultiLabel):
                raise TypeError(f"label_loss == {loss!r}, must be a ClassificationLoss of two classes.")
            loss._validate()

    def _given(self) -> Sequence[ClassificationLoss]:
        """The losses as given: one, or one for each label."""
        if self.label_loss is None:
            return [CrossEntropy()]
        return self.label_loss if isinstance(self.label_loss, (list, tuple)) else [self.label_loss]

    def _losses(self, n_labels: int) -> list[ClassificationLoss]:
        """One loss for each label."""
        given = self._given()
        if len(given) not in (1, n_labels):
            raise ValueError(f"label_loss has {len(given)} entries, must have one per label: {n_labels}.")
        return list(given) if len(given) == n_labels else list(given) * n_labels

    @property
    def row_by_row(self) -> bool:  # type: ignore[override]  # read only, because it follows from the losses
        """Whether the losses of all labels are."""
        return all(loss.row_by_row for loss in self._given())

    @property
    def of_batch(self) -> bool:  # type: ignore[override]  # read only as well
        """Whether the loss of any label is."""
        return any(loss.of_batch for loss in self._given())

    def _depends_on_labels(self) -> bool:
        return any(loss._depends_on_labels() for loss in self._given())

    @property
    def has_posterior(self) -> bool:  # type: ignore[override]  # read only as well
        """Whether the losses of all labels have one."""
        return all(loss.has_posterior for loss in self._given())

    # ------------------------------------------------------------------------------------------- labels and weights

    def _n_outputs_of(self, y_true: ArrayLike) -> int:
        return int(_label_matrix(y_true).shape[1])

    def _targets(self, y_true: ArrayLike, sample_weight: ArrayLike | None, n_outputs: int, dtype: DTypeLike) -> Targets:
        y = _label_matrix(y_true)
        if y.shape[1] != n_outputs:
            raise ValueError(f"y_true has {y.shape[1]} labels, must have {n_outputs} as raw_prediction has columns.")
        fail_at("y_true", y, ~((y >= 0) & (y <= 1)), "in [0, 1]")
        weight = check_sample_weight(sample_weight, len(y), dtype)
        return LabelTargets(np.ascontiguousarray(y, dtype), weight, n_outputs, losses=tuple(self._given()))

    def _targets_key(self) -> Hashable:
        return type(self), tuple(loss._targets_key() for loss in self._given())

    def resolve(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, *, n_classes: int | None = None
    ) -> Self:
        """Return a copy with one loss for each label, in which what depends on training labels is a number.

        Parameters
        ----------
        y_true : array-like of shape (n, L)
            Training labels.
        sample_weight : array-like of shape (n,), optional
            They count in "balanced" and "effective".
        n_classes : {2}, optional
            A label is yes or no.

        Returns
        -------
        MultiLabel
        """
        self._validate()
        if n_classes not in (None, 2):
            raise ValueError(f"n_classes == {n_classes!r}, must be 2: every label of {self!r} is yes or no.")
        targets = self._targets(y_true, sample_weight, self._n_outputs_of(y_true), np.float64)
        resolved = self._with_numbers(targets)
        resolved = copy.copy(self) if resolved is self else resolved
        resolved.n_classes_, resolved.n_labels_ = 2, targets.n_outputs
        resolved._losses(targets.n_outputs)
        return resolved

    def _with_numbers(self, targets: TargetsOfLabels) -> Self:
        if not self._depends_on_labels():
            return self
        resolved = copy.copy(self)
        resolved.label_loss = [
            _of_label(k, loss._with_numbers, targets.columns[k])
            for k, loss in enumerate(self._losses(targets.n_outputs))
        ]
        return resolved

    def _remembering(self, memory: Memory | None) -> Self:
        if memory is None:
            for loss in self._given():
                loss._remembering(None)
            return self
        remembering = copy.copy(self)
        remembering._memory = memory
        return remembering

    # --------------------------------------------------------------------------------------------- value, derivatives

    def _is_one(self) -> bool:
        """Whether all columns may run as one, being rows of one loss."""
        given = self._given()
        return len(given) == 1 and not given[0].of_batch

    def _derivatives(
        self, targets: TargetsOfLabels, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        if self._is_one():
            rows, labels = _flat(targets, raw, gradient, hessian)
            return self._given()[0]._derivatives(labels, rows[0], curvature, *rows[1:])
        losses = self._losses(targets.n_outputs)

        def of_label(k: int, column: Array, *out: Array) -> None:
            loss = losses[k]
            if (memory := getattr(self, "_memory", None)) is not None:
                loss = loss._remembering(memory.setdefault(k, {}))
            loss._derivatives(targets.columns[k], column, curvature, *out)

        return derivatives_by_column(of_label, raw, gradient, hessian)

    def _values(self, targets: TargetsOfLabels, raw: Array, value: Array) -> None:
        self._sum_values("_values", targets, raw, value)

    def _metric_values(self, targets: TargetsOfLabels, raw: Array, value: Array) -> None:
        self._sum_values("_metric_values", targets, raw, value)

    def _sum_values(self, method: str, targets: TargetsOfLabels, raw: Array, value: Array) -> None:
        """Add up over the labels what `method` of their losses gives."""
        losses = self._losses(targets.n_outputs)
        summed_values(lambda k, column, part: getattr(losses[k], method)(targets.columns[k], column, part), raw, value)

    @property
    def metric_name(self) -> str:
        """That of the labels' loss."""
        return self._given()[0].metric_name

    # ----------------------------------------------------------------------------------------------- start, posterior

    def predict_proba(self, raw_prediction: ArrayLike) -> Array:
        """Probability of every label, by exact inversion where its loss is not proper.

        Parameters
        ----------
        raw_prediction : array-like of shape (n, L)

        Returns
        -------
        ndarray of shape (n, L)
            Float32 for float32 raw predictions, else float64.
        """
        raw = _label_matrix(check_raw_prediction(raw_prediction))
        losses = self._losses(raw.shape[1])
        return np.column_stack([loss.predict_proba(z)[:, 1] for loss, z in zip(losses, raw.T, strict=True)])

    def uncalibrated(self) -> ClassificationLoss:
        """Return the cross-entropy of every label, whose probabilities are the plain sigmoid of raw predictions.

        Returns
        -------
        MultiLabel
        """
        return MultiLabel()

    def predict(self, raw_prediction: ArrayLike) -> Array:
        """Which labels a row has, decided with the class weights of their losses as costs.

        Parameters
        ----------
        raw_prediction : array-like of shape (n, L)

        Returns
        -------
        ndarray of int, shape (n, L)
        """
        raw = _label_matrix(check_raw_prediction(raw_prediction))
        losses = self._losses(raw.shape[1])
        return np.column_stack([loss.predict(z) for loss, z in zip(losses, raw.T, strict=True)])

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> Array:
        """That of every label; one that all rows have, or none, counts as if half an average row were different."""
        targets = self._targets(y_true, sample_weight, self._n_outputs_of(y_true), np.float64)
        starts = []
        for k, loss in enumerate(self._losses(targets.n_outputs)):
            y = np.ascontiguousarray(targets.y_true[:, k])
            starts.append(_of_label(k, _start, loss, y, targets.sample_weight))
        return np.array(starts)


def _label_matrix(y: ArrayLike) -> Array:
    """Labels or raw predictions as (n, L); (n,) is one label."""
    y = check_real_array("y_true", y)
    if y.ndim == 1:
        y = y[:, None]
    if y.ndim != 2 or 0 in y.shape:
        raise ValueError(f"y_true.shape == {y.shape}, must be (n, L) with at least one row and one label.")
    return y


def _of_label(k: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """function(*arguments), whose error says which label it is about."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise ValueError(f"label {k}: {error}") from error


def _flat(targets: TargetsOfLabels, raw: Array, *outputs: Array) -> tuple[list[Array], Targets]:
    """Arrays (n, L) of one memory order as rows, and the labels of these rows."""
    return [flat(array) for array in (raw, *outputs)], targets.by_row if raw.flags["C_CONTIGUOUS"] else targets.by_label


def _start(loss: ClassificationLoss, y: Array, weight: Array) -> float | Array:
    """The start of one label; an additional row where all are alike."""
    weight = weight if weight.size else np.ones(len(y))
    used = y[weight > 0]
    if (used == used[0]).all() and used[0] in (0, 1):
        y, weight = np.append(y, 1 - used[0]), np.append(weight, weight.mean() / 2)
    return loss.fit_intercept_only(y, weight)
