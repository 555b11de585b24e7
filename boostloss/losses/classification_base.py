"""ClassificationLoss: what follows from a formula of the probability of the true class."""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from boostloss._types import Array, ClassWeight, Floats, Parameters
from boostloss._validation import (
    as_kernel_array,
    check_number,
    check_raw_prediction,
    check_real_array,
    check_rows,
    check_sample_weight,
    fail_at,
)
from boostloss.kernels import softmax, templates
from boostloss.kernels.cpu import compiled, takes_powers
from boostloss.kernels.threads import run_flat, run_rows
from boostloss.losses.base import Loss, Targets, formula_parameters, target_of
from boostloss.losses.class_weight import check_class_weight, class_weights, resolve_class_weight
from boostloss.losses.constant import best_margins
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import normalised, probability_parts, true_class_margins

LEAST_CURVATURE = 1e-16  # p q underflows in float32 from abs(z) = 88; XGBoost's own logistic loss has this floor too
SATURATED = 100.0  # a margin
UNFLOORED = float("nan")  # every comparison with it is false
PARAMETERS = """\
alpha : float in (0, 1), optional
    Weight of class 1 against 1 - alpha of class 0 (two classes; Lin et al. 2017, section 3.1).
pos_weight : float > 0 or "balanced", optional
    Weight of class 1 against 1 of class 0 (two classes): `scale_pos_weight` of the engines. "balanced" is n_0 / n_1.
class_weight : "balanced", "effective", dict or sequence, optional
    Weight of every class, by class index; "balanced" is n / (K n_k), "effective" prop. to 1 / (1 - beta^n_k), with sum
    K (Cui et al., CVPR 2019); n_k is the summed sample weight of class k. At most one of the three may be given.
beta : float in [0, 1), default=0.999
    Of "effective": 0 weighs all classes alike, close to 1 it is "balanced" but for a factor.
label_smoothing : float in [0, 1), default=0.0
    epsilon: labels become (1 - epsilon) y + epsilon / K (Szegedy et al. 2016), which `predict_proba` takes out again.
    With more than two classes for the cross-entropy only.
"""


@hyper_parameters
class ClassificationLoss(Loss):
    """A loss of p, the probability of the true class: derive from it and write `point`.

    ``point(log_p, log_q, p, q, *params)`` is a static method of plain scalar Python. It returns the value f and its
    derivatives with respect to log p, scaled so that they stay finite: f, q f', q^2 f'' (q = 1 - p without
    cancellation). Its arguments after the first four, three at most, are hyper-parameters, attributes of the same
    names. Gradient and curvature, start, posterior and metric follow from it, for two classes (sigmoid of one raw
    prediction per row) and for K (softmax).

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2), for a loss of two classes that says it is `convex` the
        second derivative; "exact" is the second derivative, at least 1e-16.
    """

    variable = "probability"  # of `point`
    n_arguments = 4  # of `point`, before the hyper-parameters
    has_posterior = True
    convex = False  # in the margin of two classes: then the exact second derivative is as good a curvature as any
    binary_only = False

    _shared_parameters = PARAMETERS
    alpha: float | None = None
    pos_weight: float | str | None = None
    class_weight: ClassWeight = None
    beta: float = 0.999
    label_smoothing: float = 0.0
    curvature: str = "auto"

    def __post_init__(self) -> None:
        self._validate()

    def _validate(self) -> None:
        super()._validate()
        check_class_weight(self.alpha, self.pos_weight, self.class_weight, self.beta)
        check_number("label_smoothing", self.label_smoothing, low=0, high=1, high_open=True)

    # ------------------------------------------------------------------------------------------- labels and weights

    def resolve(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, *, n_classes: int | None = None
    ) -> Self:
        """Return a copy in which class weights are numbers and the number of classes is known.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Training labels: class indices 0 .. K-1, or for two classes any number in [0, 1].
        sample_weight : array-like of shape (n,), optional
            They count in "balanced" and "effective".
        n_classes : int, optional
            K; by default one more than the largest label, and at least 2.

        Returns
        -------
        ClassificationLoss
            It has the number of classes in `n_classes_`.
        """
        self._validate()
        n_outputs = self._n_outputs_of(y_true) if n_classes is None else _n_outputs(n_classes)
        targets = self._targets(y_true, sample_weight, n_outputs, np.float64)
        resolved = self._with_numbers(targets)
        resolved = copy.copy(self) if resolved is self else resolved
        resolved.n_classes_ = targets.n_classes
        class_weights(resolved, targets.n_classes)
        resolved._class_parameters(targets.n_classes)
        return resolved

    def _n_outputs_of(self, y_true: ArrayLike) -> int:
        y = check_real_array("y_true", y_true)
        if y.ndim == 2 and y.shape[1] > 1:
            return int(y.shape[1])
        fail_at("y_true", y, ~np.isfinite(y), "finite")
        return _n_outputs(int(y.max()) + 1 if y.size and y.max() >= 2 else 2)

    def _targets(self, y_true: ArrayLike, sample_weight: ArrayLike | None, n_outputs: int, dtype: DTypeLike) -> Targets:
        y = check_real_array("y_true", y_true)
        if y.size == 0:
            raise ValueError("y_true has 0 rows, must have at least one.")
        weight = check_sample_weight(sample_weight, len(y), dtype)
        if n_outputs > 1 and self.binary_only:
            raise ValueError(f"{self!r} has {n_outputs} outputs, must have one: it is a loss of two classes.")
        if n_outputs > 1:
            y, soft = self._class_targets(y, n_outputs, dtype)
            return Targets(y, weight, n_outputs, soft)
        y = check_rows("y_true", y, len(y))
        fail_at("y_true", y, ~((y >= 0) & (y <= 1)), "in [0, 1]")
        soft = bool(((y != 0) & (y != 1)).any()) or self.label_smoothing > 0
        if self.label_smoothing:
            y = (1 - self.label_smoothing) * y.astype(np.float64) + self.label_smoothing / 2
        return Targets(as_kernel_array(y, dtype), weight, 1, soft)

    def _class_targets(self, y: Array, n_classes: int, dtype: DTypeLike) -> tuple[Array, bool]:
        """Class indices, and whether labels are soft: of K classes only the cross-entropy takes a distribution."""
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"y_true.shape == {y.shape}, must be ({len(y)},) for {self!r}.")
        if self.label_smoothing:
            what = f"label_smoothing == {self.label_smoothing!r} with {n_classes} classes"
            raise ValueError(f"{what}, must be 0 for {type(self).__name__}.")
        return class_indices(y, n_classes), False

    def _class_totals(self, targets: Targets) -> Floats:
        """Summed weight of every class, before smoothing."""
        weight = targets.sample_weight if targets.sample_weight.size else np.ones(targets.n_rows)
        if targets.n_outputs == 1:
            totals = np.array([float(weight @ (1 - targets.y_true)), float(weight @ targets.y_true)])
        elif targets.y_true.ndim == 2:
            totals = weight @ targets.y_true
        else:
            totals = np.bincount(targets.y_true, weight, minlength=targets.n_outputs)
        smoothed, K = self.label_smoothing * totals.sum(), len(totals)
        return np.maximum(totals - smoothed / K, 0) / (1 - self.label_smoothing) if smoothed else totals

    def _with_numbers(self, targets: Targets) -> Self:
        if not self._depends_on_labels():
            return self
        resolved = copy.copy(self)
        self._take_numbers(resolved, targets)
        return resolved

    def _depends_on_labels(self) -> bool:
        """Whether something is still to be computed from the training labels."""
        return isinstance(self.class_weight, str) or isinstance(self.pos_weight, str)

    def _take_numbers(self, resolved: Self, targets: Targets) -> None:
        """Put into `resolved` what depends on the training labels."""
        resolve_class_weight(resolved, self._class_totals(targets))

    # --------------------------------------------------------------------------------------------- value, derivatives

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[list[Parameters], Array | None]:
        """Return the parameters of `point`, one tuple per class, and the weights of this round."""
        return self._class_parameters(2 if np.ndim(raw_prediction) == 1 else np.shape(raw_prediction)[1]), sample_weight

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        """The parameters of `point` for every class: a list of tuples; an attribute may be a sequence of K numbers."""
        columns = []
        for name in formula_parameters(self.point, self.n_arguments):
            value = getattr(self, name)
            if np.ndim(value) and len(value) != n_classes:
                raise ValueError(f"{name} == {value!r} has {len(value)} entries, must have one per class: {n_classes}.")
            columns.append([float(v) for v in value] if np.ndim(value) else [float(value)] * n_classes)
        return list(zip(*columns, strict=True)) if columns else [()] * n_classes

    def _relative_floor(self, n_outputs: int) -> float:
        """What of abs(gradient) the recommended curvature has at least.

        A diagonal p (1 - p) is no bound for trees grown for all classes at once; max(exact, abs(g) / 2) was best.
        """
        return 0.0 if self.convex and n_outputs == 1 else 0.5

    def _floors(self, curvature: str | None, n_outputs: int) -> tuple[float, float]:
        """The least curvature, relative to abs(gradient) and absolute."""
        if curvature == "exact":
            return UNFLOORED, UNFLOORED
        policy = curvature or self.curvature
        return (self._relative_floor(n_outputs) if policy == "auto" else 0.0), LEAST_CURVATURE

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        exact = (curvature or self.curvature) == "exact"
        floors = self._floors(curvature, targets.n_outputs)
        self._run("derivatives", targets, raw, (exact, *floors), (gradient, hessian))

    def _of_labels(self, targets: Targets) -> float | Array:
        """The part of the value, without sample weights, that depends on labels and nothing else."""
        return 0.0

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        self._run("value", targets, raw, (), (value,))

    def _run(
        self, result: str, targets: Targets, raw: Array, policy: tuple[float, ...], outputs: tuple[Array, ...]
    ) -> None:
        """Run the template of this kind of labels that computes `result`: "value" or "derivatives".

        `policy` of the curvature: exact or not, and its floors.
        """
        real = outputs[0].dtype.type
        params, weight = self._prepared(targets, raw)
        n_classes = targets.n_classes
        class_weight = class_weights(self, n_classes)
        exact, floors = policy[:1], tuple(map(real, policy[1:]))
        kind = np.float64 if takes_powers(self.point) else real
        if targets.n_outputs == 1:
            template = getattr(templates, f"{'soft_' if targets.soft else ''}binary_{result}")
            scalars = *(tuple(map(kind, row)) for row in params), tuple(map(real, class_weight)), *exact, *floors
            kernel = compiled(template, self.point, self.variable, target_of(real, raw.dtype))
            return run_rows(kernel, (targets.y_true, raw, weight), scalars, outputs)
        target, layout = target_of(real, raw.dtype), softmax.layout_of(raw)
        if targets.soft:
            kernel = compiled(getattr(softmax, f"soft_softmax_{result}"), None, None, target, layout=layout)
            labels = targets.y_true.ravel() if raw.flags["C_CONTIGUOUS"] else targets.by_class
            return run_flat(kernel, (labels, weight), raw, (class_weight.astype(real), *floors), outputs)
        table = _in_two_parts(np.array(params if len(set(params)) > 1 else params[:1]), real)
        kernel = compiled(getattr(softmax, f"softmax_{result}"), self.point, self.variable, target, layout=layout)
        return run_flat(kernel, (targets.y_true, weight), raw, (table, class_weight.astype(real), *floors), outputs)

    # ----------------------------------------------------------------------------------------------- start, posterior

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        """log(-df/d log p) of column k as the true class, without class weights, elementwise in float64, (n, K).

        This one evaluates `point`, beyond a margin of SATURATED at that margin, for q f' underflows further out; a loss
        whose slope goes on changing there has a closed form.
        """
        slopes = np.empty_like(log_p)
        kernel = compiled(templates.binary_derivatives, self.point, self.variable, "double")
        for k, row in enumerate(self._class_parameters(log_p.shape[1])):
            margin = np.clip(log_p[:, k] - log_q[:, k], -SATURATED, SATURATED)
            first, scalars = np.empty_like(margin), (row, row, (1.0, 1.0), False, 0.0, 0.0)
            run_rows(kernel, (np.ones_like(margin), margin, np.empty(0)), scalars, (first, np.empty_like(margin)))
            if not (first < 0).all():
                where = margin[np.argmax(~(first < 0))]
                raise ValueError(
                    f"{self!r} has no posterior at a margin of {where:g}, where its slope is 0: "
                    "use scikit-learn's CalibratedClassifierCV on held-out data."
                )
            slopes[:, k] = np.log(-first) - probability_parts(margin)[1]
        return slopes

    def _log_posterior(self, margins: Floats) -> Floats:
        """log eta up to a constant per row, (n, K), apart from class weights and smoothing.

        Where z is stationary for a mixture of labels, eta_j is proportional to p_j / (w_j slope_j): composite losses
        of Reid & Williamson 2010; for focal the map of Charoenphakdee et al., CVPR 2021.
        """
        parts = probability_parts(margins)
        return parts[0] - self._log_slope(*parts)

    def _margins(self, raw: Array) -> Floats:
        """Margins of every class, of raw predictions that fit the loss."""
        if self.binary_only and raw.ndim == 2 and raw.shape[1] > 1:
            raise ValueError(f"raw_prediction has {raw.shape[1]} columns, must have one for {self!r}.")
        return true_class_margins(raw[:, 0] if raw.shape[1:] == (1,) else raw)

    def _posterior(self, raw: Array) -> tuple[Floats, Floats]:
        """Class probabilities and class weights."""
        margins = self._margins(raw)
        weights = class_weights(self, margins.shape[1])
        eta = normalised(self._log_posterior(margins) - np.log(weights))
        if self.label_smoothing:
            eta = np.maximum(eta - self.label_smoothing / len(weights), 0)
            eta /= eta.sum(axis=1, keepdims=True)
        return eta, weights

    def predict_proba(self, raw_prediction: ArrayLike) -> Array:
        """Posterior class probabilities, by exact inversion where the loss is not proper.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,), (n, 1) or (n, K)

        Returns
        -------
        ndarray of shape (n, 2) or (n, K)
            Float32 for float32 raw predictions, else float64; rows sum to one.

        Raises
        ------
        AttributeError
            If no probabilities follow from the raw predictions of this loss: the hinge family, hard truncation, ...
        """
        self._validate()
        self._check_posterior()
        raw = check_raw_prediction(raw_prediction)
        return self._posterior(raw)[0].astype(raw.dtype)

    def uncalibrated(self) -> "ClassificationLoss":
        """Return the cross-entropy, whose probabilities are the plain sigmoid or softmax of raw predictions.

        Returns
        -------
        ClassificationLoss
        """
        from boostloss.losses.classification import CrossEntropy

        return CrossEntropy()

    def _check_posterior(self) -> None:
        """Refuse probabilities where none follow from a raw prediction."""
        if not self.has_posterior:
            raise AttributeError(
                f"{self!r} has no posterior: its raw predictions do not determine probabilities. Use scikit-learn's "
                "CalibratedClassifierCV on held-out data, or LossClassifier(calibrate=False) for their plain sigmoid."
            )

    def predict(self, raw_prediction: ArrayLike) -> Array:
        """Class indices argmax_j w_j eta_j: the decision with the loss's class weights as costs.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,), (n, 1) or (n, K)

        Returns
        -------
        ndarray of int, shape (n,)
        """
        self._validate()
        return self._decision(check_raw_prediction(raw_prediction))

    def _decision(self, raw: Array) -> NDArray[np.intp]:
        """The class of every row."""
        if self.label_smoothing and self.has_posterior:
            eta, weights = self._posterior(raw)
            return np.asarray((weights * eta).argmax(axis=1))
        margins = self._margins(raw)
        class_weights(self, margins.shape[1])
        log_eta = self._log_posterior(margins)  # in logs: no probability has rounded to 0 or 1 yet
        return np.asarray(log_eta.argmax(axis=1))

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float | Array:
        """By the posterior, which there is the share of every class; one without rows counts as half an average row."""
        n_outputs = getattr(self, "n_classes_", 0)
        n_outputs = n_outputs if n_outputs > 2 else self._n_outputs_of(y_true)
        targets = self._targets(y_true, sample_weight, n_outputs, np.float64)
        totals = self._class_totals(targets)
        if (totals > 0).sum() < 2:
            raise ValueError(f"y_true has one class only ({int(np.argmax(totals))}), must have at least two.")
        loss = self._with_numbers(targets)
        weights = class_weights(loss, len(totals))
        totals[totals == 0] = targets.total_weight / targets.n_rows / 2
        totals = (1 - self.label_smoothing) * totals / totals.sum() + self.label_smoothing / len(totals)
        margins = best_margins(loss._log_posterior, np.log(totals * weights))
        if np.abs(margins).max() > SATURATED:
            raise ValueError(
                f"{self!r} has no best constant within {SATURATED:g} for classes with shares of {totals.tolist()}: its "
                "posterior does not reach them."
            )
        return float(margins[1]) if targets.n_outputs == 1 else _centred_raw(margins)


def class_indices(y: Array, n_classes: int) -> Array:
    """Labels of K classes, checked."""
    y = check_rows("y_true", y, len(y))
    fail_at("y_true", y, ~((y >= 0) & (y < n_classes) & (y == np.floor(y))), f"an integer in [0, {n_classes})")
    return y.astype(np.uint32)


def _in_two_parts(table: Floats, real: type[np.floating[Any]]) -> Array:
    """Columns rounded to `real`, and then what rounding took from them, in `real` as well."""
    table = table.reshape(len(table), -1)
    high = table.astype(real)
    return np.hstack([high, (table - high).astype(real)])


def _n_outputs(n_classes: int) -> int:
    """Columns of a raw prediction: one for two classes."""
    return 1 if n_classes == 2 else n_classes


def _centred_raw(margins: Floats) -> Floats:
    """Raw predictions with mean 0 whose margins, each class against the others, are these."""
    log_p = probability_parts(margins)[0]
    raw: Floats = log_p - log_p.mean()
    return raw
