"""The cross-entropy of Dice's followers: rows weighted by 1 - p, the weight not differentiated."""

import numpy as np

from boostloss._types import Array, Floats, OfProbability
from boostloss._validation import check_number
from boostloss.kernels.scalar import power_q, real
from boostloss.losses.base import Targets
from boostloss.losses.class_weight import class_weights
from boostloss.losses.classification import CrossEntropy
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import true_class_margins


@hyper_parameters
class SelfAdjusting(ClassificationLoss):
    r"""Self-adjusting cross-entropy: :math:`-w_y (1 - p)^\gamma \log p` with the weight :math:`(1 - p)^\gamma` frozen.

    Parameters
    ----------
    gamma : float >= 0, default=1.0
        0 is the cross-entropy; the weight is that of `Focal`, whose gradient has a second term.
    curvature : {"auto", "exact"}, default="auto"
        Two classes: both are the derivative of the gradient, (1 + gamma) p (1 - p)^(gamma + 1), at least 1e-16. K
        classes: "auto" is max(that, abs(gradient) / 2).

    Notes
    -----
    What can be trained of the self-adjusting Dice loss (X. Li et al., ACL 2020): that one taken literally is not
    monotone in p, leaves a confident mistake alone and has no posterior. Here the gradient is (1 - p)^gamma times that
    of the cross-entropy, and not the derivative of the value. `predict_proba` inverts exactly: of two classes it is
    sigmoid((1 + gamma) z). The metric is the cross-entropy of these probabilities.
    """

    convex = True
    row_by_row = False

    gamma: float = 1.0

    def _validate(self) -> None:
        super()._validate()
        check_number("gamma", self.gamma, low=0)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, gamma: float) -> OfProbability:
        """-weight log p; the third is what makes the curvature the derivative of the gradient."""
        weight = power_q(q, log_q, gamma)
        return -weight * log_p, -weight * q, real(gamma) * p * q * weight

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return self.gamma * log_q

    @property
    def metric_name(self) -> str:
        """The cross-entropy, of the probabilities."""
        return CrossEntropy().metric_name

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        margins = true_class_margins(raw)
        weights = class_weights(self, margins.shape[1])
        log_eta = self._log_posterior(margins) - np.log(weights)
        log_eta -= np.logaddexp.reduce(log_eta, axis=1, keepdims=True)
        y = targets.y_true
        labels = np.column_stack([1 - y, y]) if targets.n_outputs == 1 else np.eye(targets.n_outputs)[y]
        value[:] = -(labels * weights * log_eta).sum(axis=1)
        if targets.sample_weight.size:
            value *= targets.sample_weight
