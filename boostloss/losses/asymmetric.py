"""The asymmetric loss: a focusing of its own for either class, and negatives that are easy enough count nothing."""

import numpy as np

from boostloss._types import Array, Floats, OfProbability, Parameters
from boostloss._validation import check_number
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled
from boostloss.kernels.scalar import log, log1p, plus, power_q, real
from boostloss.kernels.threads import run_rows
from boostloss.losses.base import Targets, target_of
from boostloss.losses.classification_base import LEAST_CURVATURE, ClassificationLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import minus_log_ratio

LARGEST_CURVATURE = 10.0  # of abs(gradient)
NO_SLOPE = -1e6  # stands for log 0


@hyper_parameters
class Asymmetric(ClassificationLoss):
    r"""Asymmetric loss of two classes: focal for positives; negatives with :math:`u = \max(p_1 - c, 0)` for 1 - p.

    Positives have :math:`-w_1 (1 - p_1)^{\gamma_+} \log p_1`, negatives :math:`-w_0 u^{\gamma_-} \log(1 - u)`.

    Parameters
    ----------
    gamma_pos : float >= 0, default=1.0
        Focusing of positives.
    gamma_neg : float >= 0, default=4.0
        Focusing of negatives.
    clip : float in [0, 1), default=0.05
        c: negatives with a probability p_1 below it count nothing.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2), and at most 10 abs(gradient).

    Notes
    -----
    Not convex: a negative with p_1 close to 1 has a small gradient too, as if its label were wrong. Not proper;
    `predict_proba` inverts, exactly for clip = 0. For clip > 0 the posterior is 0 below p_1 = clip, where ranking is
    lost, and with gamma_pos = 0 it never reaches 1. With clip = 0 and equal exponents it is the focal loss. Most used
    for several labels per row, each a sigmoid of its own: see `MultiLabel`. Source: Ridnik et al., ICCV 2021, eq. 4-7.
    """

    binary_only = True

    gamma_pos: float = 1.0
    gamma_neg: float = 4.0
    clip: float = 0.05

    def _validate(self) -> None:
        super()._validate()
        check_number("gamma_pos", self.gamma_pos, low=0)
        check_number("gamma_neg", self.gamma_neg, low=0)
        check_number("clip", self.clip, low=0, high=1, high_open=True)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, gamma: float, clip: float) -> OfProbability:
        """-u^gamma log(1 - u), u = max(q - clip, 0), v = 1 - u; the focal loss where clip is 0."""
        c, g = real(clip), real(gamma)
        plain, gap = c == 0.0, q - c
        counts = gap > 0.0
        u, v = gap if counts else 1.0, p + c
        log_v = log_p if plain else (log1p(-gap) if gap < 0.5 else log(v))
        power = power_q(u, plus(log_q, 0.0 if plain else log1p(-c / q if counts else 0.0)), gamma)
        over, share, excess = 1.0 if plain else q / u, 1.0 if plain else p / v, 0.0 if plain else c / (v * v)
        first = power * (g * p * over * log_v - q * share)
        inner = q * (2.0 * share + log_v) - (g - 1.0) * p * over * log_v
        second = power * (g * over * p * inner - p * q * q * excess)
        return -power * log_v if counts else 0.0, first if counts else 0.0, second if counts else 0.0

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        return [(float(self.gamma_neg), float(self.clip)), (float(self.gamma_pos), 0.0)]

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        super()._derivatives(targets, raw, curvature, gradient, hessian)
        if (curvature or self.curvature) == "auto" and self.clip and 0 < self.gamma_neg < 1:
            # the second derivative has a pole where negatives begin to count
            target = target_of(gradient.dtype, hessian.dtype)
            limits = tuple(map(gradient.dtype.type, (LARGEST_CURVATURE, LEAST_CURVATURE)))
            run_rows(compiled(templates.limit, None, None, target), (gradient, hessian), limits, ())

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        columns = []
        for k, (gamma, clip) in enumerate(self._class_parameters(2)):
            parts = (part[:, k] for part in (log_p, log_q, p, q))
            columns.append(_log_slope(gamma, clip, *parts))
        return np.column_stack(columns)


def _log_slope(gamma: float, clip: float, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
    """log(-f') = gamma log u + log(gamma p ratio + p / v) of one class; NO_SLOPE where nothing counts."""
    counts = q > clip
    u = np.where(counts, q - clip, 1.0)
    ratio = minus_log_ratio(log_p if clip == 0 else np.log(p + clip), u)
    if clip == 0:
        slope = gamma * log_q + np.log1p(gamma * p * ratio)
    else:
        log_u = log_q + np.log1p(-clip / np.where(counts, q, 1.0))
        slope = gamma * log_u + log_p + np.log(gamma * ratio + 1 / (p + clip))
    return np.where(counts, slope, NO_SLOPE)
