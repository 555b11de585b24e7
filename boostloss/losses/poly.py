"""Poly-1 losses: the first coefficient of the expansion of a loss in powers of q = 1 - p, moved by epsilon."""

import numpy as np

from boostloss._types import Floats, OfProbability
from boostloss._validation import check_number
from boostloss.kernels.scalar import power_q, real
from boostloss.losses.classification import Focal
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.smooth import artanh_tail


def log_rest(log_p: float, q: float) -> float:
    """-log p - q = q^2 / 2 + q^3 / 3 + .. by the series of 2 artanh(u) - q, u = q / (2 - q), cut below 1e-19."""
    u = q / (2.0 - q)
    t = u * u
    return u * q + 2.0 * u * t * artanh_tail(t) if q < 0.4 else -log_p - q


@hyper_parameters
class Poly1(ClassificationLoss):
    r"""Poly-1 cross-entropy: :math:`w_y (-\log p + \epsilon (1 - p))`.

    Parameters
    ----------
    epsilon : float >= -1, default=1.0
        By how much the first coefficient of -log p = (1 - p) + (1 - p)^2 / 2 + .. is moved; 0 is the cross-entropy.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the second derivative for two classes and abs(epsilon) <= 1, where it is positive, and else
        max(second derivative, abs(gradient) / 2).

    Notes
    -----
    Convex for abs(epsilon) <= 1. Not proper; `predict_proba` inverts exactly. Source: Leng et al., ICLR 2022.
    """

    epsilon: float = 1.0

    def _validate(self) -> None:
        super()._validate()
        check_number("epsilon", self.epsilon, low=-1)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, epsilon: float) -> OfProbability:
        """-log p + epsilon q, in sums of positive terms."""
        rest, kept = log_rest(log_p, q), 1.0 + epsilon
        return kept * q + rest, -q * (q + kept * p), -epsilon * p * q * q

    def _relative_floor(self, n_outputs: int) -> float:
        return 0.0 if n_outputs == 1 and abs(self.epsilon) <= 1 else super()._relative_floor(n_outputs)

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return _log_slope(0.0, self.epsilon, log_p, log_q, p, q)


@hyper_parameters
class Poly1Focal(Focal):
    r"""Poly-1 focal loss: :math:`w_y (-(1 - p)^\gamma \log p + \epsilon (1 - p)^{\gamma + 1})`.

    Parameters
    ----------
    gamma : float >= 0 or sequence of them, default=2.0
        Focusing, as in `Focal`; 0 is `Poly1`. A sequence has one for every class.
    epsilon : float >= -1, default=1.0
        By how much the first coefficient of the focal loss's expansion in powers of 1 - p is moved; 0 is `Focal`.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2), for two classes and gamma 0 that of `Poly1`.

    Notes
    -----
    Not convex and not proper; `predict_proba` inverts exactly. Source: Leng et al., ICLR 2022.
    """

    epsilon: float = 1.0

    def _validate(self) -> None:
        super()._validate()
        check_number("epsilon", self.epsilon, low=-1)

    @staticmethod
    def point(  # type: ignore[override]  # it has one hyper-parameter more
        log_p: float, log_q: float, p: float, q: float, gamma: float, epsilon: float
    ) -> OfProbability:
        """q^gamma (-log p + epsilon q), in sums of positive terms for small q."""
        m, g, shift, rest = power_q(q, log_q, gamma), real(gamma), real(epsilon), log_rest(log_p, q)
        a, kept = g + 1.0, 1.0 + real(epsilon)
        first = -m * (g * p * rest + q * (q + kept * a * p))
        second = m * (p * q * (q * (g - shift * a) + kept * g * a * p) + g * p * rest * ((g - 1.0) * p - q))
        return m * (kept * q + rest), first, second

    def _relative_floor(self, n_outputs: int) -> float:
        if n_outputs == 1 and not np.any(self.gamma) and abs(self.epsilon) > 1:
            return 0.5
        return super()._relative_floor(n_outputs)

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return _log_slope(np.asarray(self.gamma, np.float64), self.epsilon, log_p, log_q, p, q)


def _log_slope(gamma: float | Floats, epsilon: float, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
    """log(-f') = gamma log q + log(1 + gamma p l / q + epsilon (gamma + 1) p), l = -log p, in sums of positive terms.

    With s = (l / q - 1) / q the second logarithm is that of q (1 + gamma p s) + (1 + epsilon) (gamma + 1) p.
    """
    small = q < 1e-3
    large = np.where(small, 1.0, q)
    s = np.where(small, 1 / 2 + q / 3 + q * q / 4 + q**3 / 5 + q**4 / 6, (-log_p / large - 1) / large)
    excess = np.log1p(epsilon) + np.log1p(gamma) if epsilon > -1 else -np.inf
    return gamma * log_q + np.logaddexp(log_q + np.log1p(gamma * p * s), excess + log_p)
