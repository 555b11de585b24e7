"""ClassificationLoss: what follows from a formula of the probability of the true class."""

import copy
import numbers

import numpy as np
from scipy.optimize import brentq

from boostloss._validation import (
    as_kernel_array,
    check_number,
    check_raw_prediction,
    check_real_array,
    check_rows,
    check_sample_weight,
    fail_at,
)
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled
from boostloss.kernels.threads import run_rows
from boostloss.losses.base import Loss, Targets, formula_parameters, target_of
from boostloss.losses.probability import normalised, probability_parts, true_class_margins

LEAST_CURVATURE = 1e-16  # p q underflows in float32 from abs(z) = 88; XGBoost's own logistic loss has this floor too
UNFLOORED = float("nan")  # every comparison with it is false


class ClassificationLoss(Loss):
    """A loss of p, the probability of the true class: derive from it and write `point`.

    ``point(log_p, log_q, p, q, *params)`` is a static method of plain scalar Python. It returns the value f and its
    derivatives with respect to log p, scaled so that they stay finite: f, q f', q^2 f'' (q = 1 - p without
    cancellation). Its arguments after the first four are hyper-parameters, attributes of the same names. Gradient and
    curvature, start, posterior and metric follow from it.
    """

    alpha = None
    pos_weight = None
    class_weight = None
    convex = False  # in the margin: then the exact second derivative is a curvature as good as any

    def _validate(self):
        super()._validate()
        given = [name for name in ("alpha", "pos_weight", "class_weight") if getattr(self, name) is not None]
        if len(given) > 1:
            values = " and ".join(f"{name} == {getattr(self, name)!r}" for name in given)
            raise ValueError(f"{values}, must not be given together: each of them is a weight of the classes.")
        if self.alpha is not None:
            check_number("alpha", self.alpha, low=0, high=1, low_open=True, high_open=True)
        if self.pos_weight is not None:
            check_number("pos_weight", self.pos_weight, low=0, low_open=True)
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise ValueError(f"class_weight == {self.class_weight!r}, must be 'balanced', a dict or a sequence.")
        elif isinstance(self.class_weight, numbers.Number):
            raise TypeError(f"class_weight == {self.class_weight!r}, must be 'balanced', a dict or a sequence.")
        elif self.class_weight is not None:
            for k, weight in _weight_items(self.class_weight):
                check_number(f"class_weight[{k!r}]", weight, low=0, low_open=True)

    # ------------------------------------------------------------------------------------------- labels and weights

    def resolve(self, y_true, sample_weight=None, *, n_classes=None):
        """Return a copy in which class weights are numbers and the number of classes is known.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Training labels: class indices 0 .. K-1, or for two classes any number in [0, 1].
        sample_weight : array-like of shape (n,), optional
            They count in "balanced".
        n_classes : int, optional
            K; by default one more than the largest label, and at least 2.
        """
        self._validate()
        n_outputs = self._n_outputs_of(y_true) if n_classes is None else _n_outputs(n_classes)
        targets = self._targets(y_true, sample_weight, n_outputs, np.float64)
        resolved = self._with_numbers(targets)
        resolved = copy.copy(self) if resolved is self else resolved
        resolved.n_classes_ = max(n_outputs, 2)
        resolved._class_weights(resolved.n_classes_)
        return resolved

    def _n_outputs_of(self, y_true):
        y = check_real_array("y_true", y_true)
        return _n_outputs(int(y.max()) + 1 if y.size and y.max() >= 2 else 2)

    def _targets(self, y_true, sample_weight, n_outputs, dtype):
        y = check_real_array("y_true", y_true)
        if y.size == 0:
            raise ValueError("y_true has 0 rows, must have at least one.")
        y = check_rows("y_true", y, len(y))
        weight = check_sample_weight(sample_weight, len(y), dtype)
        fail_at("y_true", y, ~((y >= 0) & (y <= 1)), "in [0, 1]")
        soft = bool(((y != 0) & (y != 1)).any())
        return Targets(as_kernel_array(y, dtype), weight, 1, soft)

    def _with_numbers(self, targets):
        if not isinstance(self.class_weight, str):
            return self
        totals = _class_totals(targets)
        present = totals > 0
        balanced = np.ones(len(totals))  # a class without rows: no weight would be wrong, this one changes nothing
        balanced[present] = totals.sum() / (present.sum() * totals[present])
        resolved = copy.copy(self)
        resolved.class_weight = balanced.tolist()
        return resolved

    def _class_weights(self, n_classes):
        """Weights of the classes as an array (n_classes,)."""
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight == {self.class_weight!r} depends on the training labels: "
                "use loss.resolve(y_true, sample_weight), which returns a loss with numbers."
            )
        if n_classes > 2 and (self.alpha is not None or self.pos_weight is not None):
            name = "alpha" if self.alpha is not None else "pos_weight"
            raise ValueError(f"{name} == {getattr(self, name)!r} with {n_classes} classes, must have two classes.")
        weights = np.ones(n_classes)
        if self.alpha is not None:
            weights[:] = 1 - self.alpha, self.alpha
        if self.pos_weight is not None:
            weights[1] = self.pos_weight
        if self.class_weight is not None:
            for k, weight in _weight_items(self.class_weight):
                if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 0 <= k < n_classes:
                    raise ValueError(f"class_weight has key {k!r}, must be a class index in [0, {n_classes}).")
                weights[k] = weight
            if not isinstance(self.class_weight, dict) and len(self.class_weight) != n_classes:
                raise ValueError(f"class_weight has {len(self.class_weight)} entries, must have {n_classes}.")
        return weights

    # --------------------------------------------------------------------------------------------- value, derivatives

    def prepare(self, y_true, raw_prediction, sample_weight=None):
        """Return the parameters of `point`, one tuple per class, and the weights of this round."""
        n_classes = 2 if np.ndim(raw_prediction) == 1 else np.shape(raw_prediction)[1]
        names = formula_parameters(self.point, 4)
        return [tuple(float(getattr(self, name)) for name in names) for _ in range(n_classes)], sample_weight

    def _relative_floor(self):
        return 0.0 if self.convex else 0.5

    def _floors(self, curvature):
        """The least curvature, relative to abs(gradient) and absolute."""
        if curvature == "exact":
            return UNFLOORED, UNFLOORED
        policy = curvature or self.curvature
        return (self._relative_floor() if policy == "auto" else 0.0), LEAST_CURVATURE

    def _kernel_arguments(self, targets, raw, real):
        params, weight = self.prepare(targets.y_true, raw, targets.sample_weight)
        params = tuple(tuple(map(real, row)) for row in params)
        class_weights = tuple(map(real, self._class_weights(2)))
        return (targets.y_true, raw, weight), (*params, class_weights)

    def _derivatives(self, targets, raw, curvature, gradient, hessian):
        template = templates.soft_binary_derivatives if targets.soft else templates.binary_derivatives
        real = gradient.dtype.type
        rows, scalars = self._kernel_arguments(targets, raw, real)
        kernel = compiled(template, self.point, target_of(real))
        run_rows(kernel, rows, (*scalars, *map(real, self._floors(curvature))), (gradient, hessian))

    def _values(self, targets, raw, value):
        template = templates.soft_binary_value if targets.soft else templates.binary_value
        real = value.dtype.type
        rows, scalars = self._kernel_arguments(targets, raw, real)
        run_rows(compiled(template, self.point, target_of(real)), rows, scalars, (value,))

    # ----------------------------------------------------------------------------------------------- start, posterior

    def _log_slope(self, log_p, log_q, p, q):
        """log(-df/d log p), without class weights, elementwise in float64, for a two-class problem or one column each.

        This one evaluates `point`; a loss whose slope underflows where its posterior does not has a closed form.
        """
        margin = (log_p - log_q).ravel()
        first = np.empty_like(margin)
        unweighted = copy.copy(self)
        unweighted.alpha = unweighted.pos_weight = unweighted.class_weight = None
        targets = Targets(np.ones_like(margin), np.empty(0), 1)
        unweighted._derivatives(targets, margin, None, first, np.empty_like(margin))
        if not (first < 0).all():
            raise ValueError(
                f"{self!r} has no posterior at a margin of {margin[np.argmax(~(first < 0))]:g}: its slope is 0 there. "
                "Use scikit-learn's CalibratedClassifierCV on held-out data."
            )
        return (np.log(-first).reshape(p.shape)) - log_q

    def _log_posterior(self, margins):
        """log eta up to a constant per row, (n, K); without class weights: with them, subtract their logs.

        Where z is stationary for a mixture of labels, eta_j is proportional to p_j / (w_j slope_j).
        """
        parts = probability_parts(margins)
        return parts[0] - self._log_slope(*parts)

    def predict_proba(self, raw_prediction):
        """Posterior class probabilities, by exact inversion where the loss is not proper.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,), (n, 1) or (n, K)

        Returns
        -------
        ndarray of shape (n, 2) or (n, K)
            Float32 for float32 raw predictions, else float64; rows sum to one.
        """
        self._validate()
        raw = check_raw_prediction(raw_prediction)
        margins = true_class_margins(raw[:, 0] if raw.shape[1:] == (1,) else raw)
        log_weights = np.log(self._class_weights(margins.shape[1]))
        return normalised(self._log_posterior(margins) - log_weights).astype(raw.dtype)

    def predict(self, raw_prediction):
        """Class indices argmax_j w_j eta_j: the decision with the loss's class weights as costs.

        Parameters
        ----------
        raw_prediction : array-like of shape (n,), (n, 1) or (n, K)

        Returns
        -------
        ndarray of int, shape (n,)
        """
        self._validate()
        raw = check_raw_prediction(raw_prediction)
        margins = true_class_margins(raw[:, 0] if raw.shape[1:] == (1,) else raw)
        self._class_weights(margins.shape[1])
        return self._log_posterior(margins).argmax(axis=1)

    def fit_intercept_only(self, y_true, sample_weight=None):
        """Best constant raw prediction: a float for two classes.

        Parameters
        ----------
        y_true : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ValueError
            If there is one class only: the best constant is infinite then.
        """
        self._validate()
        targets = self._targets(y_true, sample_weight, self._n_outputs_of(y_true), np.float64)
        totals = _class_totals(targets)
        if (totals > 0).sum() < 2:
            raise ValueError(f"y_true has one class only ({int(np.argmax(totals > 0))}), must have at least two.")
        log_totals = np.log(totals * self._with_numbers(targets)._class_weights(len(totals)))
        return self._best_margin(log_totals[1] - log_totals[0])

    def _best_margin(self, log_odds):
        """Margin whose posterior log-odds are `log_odds`."""

        def excess(z):
            log_eta = self._log_posterior(np.array([[-z, z]]))
            return log_eta[0, 1] - log_eta[0, 0] - log_odds

        bound = 1.0
        while excess(bound) < 0 or excess(-bound) > 0:
            bound *= 2
        return float(brentq(excess, -bound, bound, xtol=1e-14, rtol=1e-14))


def _n_outputs(n_classes):
    """Columns of a raw prediction: one for two classes."""
    return 1 if n_classes == 2 else n_classes


def _weight_items(class_weight):
    return class_weight.items() if isinstance(class_weight, dict) else enumerate(class_weight)


def _class_totals(targets):
    """Summed weight of every class."""
    weight = targets.sample_weight if targets.sample_weight.size else np.ones_like(targets.y_true)
    positive = float(weight @ targets.y_true)
    return np.array([float(weight @ (1 - targets.y_true)), positive])
