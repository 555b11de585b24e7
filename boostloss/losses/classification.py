"""Losses of p, the probability of the true class; q = 1 - p."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import xlogy

from boostloss._types import Array, Floats, OfProbability
from boostloss._validation import check_number, fail_at
from boostloss.kernels.scalar import power_q, real
from boostloss.losses.base import Targets
from boostloss.losses.class_weight import class_weights
from boostloss.losses.classification_base import ClassificationLoss, class_indices
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import minus_log_ratio


@hyper_parameters
class CrossEntropy(ClassificationLoss):
    r"""Cross-entropy, also called log loss or logistic loss: :math:`-w_y \log p`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        Two classes: both are the exact second derivative p q, at least 1e-16. K classes: "auto" is
        max(p q, abs(gradient) / 2), for p q alone is too small where trees are grown for all classes at once.

    Notes
    -----
    Convex; proper without class weights, which `predict_proba` takes out again. At most one of `alpha`, `pos_weight`
    and `class_weight` may be given. Labels may be soft: in [0, 1] for two classes, a distribution (n, K) per row for K.
    """

    convex = True

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float) -> OfProbability:
        """-log p."""
        return -log_p, -q, 0.0

    def _plain(self) -> "CrossEntropy":
        """The cross-entropy with the weights and the smoothing of this loss."""
        names = "alpha", "pos_weight", "class_weight", "label_smoothing"
        return CrossEntropy(**{name: getattr(self, name) for name in names})

    def _class_targets(self, y: Array, n_classes: int, dtype: DTypeLike) -> tuple[Array, bool]:
        if y.ndim == 1 or y.shape[1] != n_classes:
            labels = class_indices(y, n_classes)
            if not self.label_smoothing:
                return labels, False
            y = np.eye(n_classes)[labels]
        fail_at("y_true", y, ~((y >= 0) & (y <= 1)), "in [0, 1]")
        off = ~(abs(y.sum(axis=1) - 1) < 1e-4)  # float32 targets of a thousand classes still pass
        fail_at("y_true.sum(axis=1)", y.sum(axis=1), off, "1")
        smoothed = (1 - self.label_smoothing) * y.astype(np.float64) + self.label_smoothing / n_classes
        return np.ascontiguousarray(smoothed, dtype), True

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return np.zeros_like(p)


@hyper_parameters
class KLDivergence(CrossEntropy):
    r"""Kullback-Leibler divergence of p from soft labels t: :math:`\sum_k w_k t_k \log(t_k / p_k)`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        As of the cross-entropy.

    Notes
    -----
    The cross-entropy minus the entropy of the labels: gradient, curvature, start and probabilities are the same, and
    with hard labels the value as well. For labels in [0, 1], or a distribution (n, K) per row; the value is then 0
    where p = t. Convex.
    """

    def _of_labels(self, targets: Targets) -> float | Array:
        """Minus the weighted entropy of every row's labels."""
        if not targets.soft:
            return 0.0
        t = targets.y_true.astype(np.float64)
        t = t if t.ndim == 2 else np.column_stack([1 - t, t])
        values: Array = xlogy(t, t) @ class_weights(self, targets.n_classes)
        return values

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        super()._values(targets, raw, value)
        value += self._of_labels(targets) * (targets.sample_weight if targets.sample_weight.size else 1.0)


@hyper_parameters
class Focal(ClassificationLoss):
    r"""Focal loss, which turns down what is already well classified: :math:`-w_y (1 - p)^\gamma \log p`.

    Parameters
    ----------
    gamma : float >= 0 or sequence of them, default=2.0
        Focusing; 0 is the cross-entropy. A sequence has one for every class.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2): the second derivative is negative where p is small, and
        with rare positives a model would never learn. "exact" is the second derivative, at least 1e-16.

    Notes
    -----
    Not convex and not proper: sigmoid of the raw prediction is no probability; `predict_proba` inverts exactly
    (Charoenphakdee et al., CVPR 2021). Source: Lin et al., ICCV 2017.
    """

    gamma: float | Sequence[float] | Array = 2.0

    def _validate(self) -> None:
        super()._validate()
        if isinstance(self.gamma, (int, float)) or not np.ndim(self.gamma):
            check_number("gamma", self.gamma, low=0)
        else:
            for k, gamma in enumerate(self.gamma):
                check_number(f"gamma[{k}]", gamma, low=0)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, gamma: float) -> OfProbability:
        """-(1 - p)^gamma log p; the power takes gamma in all its digits, gamma log q ulp hang on it."""
        m, g = power_q(q, log_q, gamma), real(gamma)
        first = m * (g * p * log_p - q)
        second = g * p * m * (q * (log_p + 2.0) - (g - 1.0) * p * log_p)
        return -m * log_p, first, second

    def _relative_floor(self, n_outputs: int) -> float:
        if n_outputs == 1 and not np.any(self.gamma):
            return 0.0  # gamma 0 is the cross-entropy in everything
        return super()._relative_floor(n_outputs)

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        gamma = np.asarray(self.gamma, np.float64)
        return gamma * log_q + np.log1p(gamma * p * minus_log_ratio(log_p, q))
