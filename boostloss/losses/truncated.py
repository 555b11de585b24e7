"""Truncated cross-entropies: what is classified well enough pulls no more, or less; q = 1 - p."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from boostloss._types import Floats, OfProbability, Parameters
from boostloss._validation import check_number
from boostloss.kernels.scalar import exp_product, joined, log, margin_exp, number, real
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import minus_log_ratio, probability_parts, softplus

FURTHEST = -1e30
NO_SLOPE = -690.0  # stands for log 0: its exp is still a normal number
FURTHEST_K = 1e4  # that is looked at

LogSlope: TypeAlias = Callable[[Floats, Floats, Floats, Floats, float, float], Floats]


@hyper_parameters
class HardTruncated(ClassificationLoss):
    r"""Hard-truncated cross-entropy, nothing beyond a probability: :math:`w_y \max(0, \log \theta - \log p)`.

    Parameters
    ----------
    theta : float in (0.5, 1), default=0.6
        From which probability of the true class on a row has no gradient.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2); the second derivative is p q up to theta and 0 beyond.

    Notes
    -----
    Of historical interest: rows switched off no longer hold the model, and it trains worse than the cross-entropy. It
    cannot learn rare classes: wherever their probability is below 1 - theta, the best raw prediction is the same
    constant. Convex. Not proper, and without posterior: beyond theta its probability is lost, so that `predict_proba`
    raises an error; scikit-learn's CalibratedClassifierCV fits probabilities on held-out data. The value is continuous.
    """

    has_posterior = False

    theta: float = 0.6

    def _validate(self) -> None:
        super()._validate()
        check_number("theta", self.theta, low=0.5, high=1, low_open=True, high_open=True)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, theta: float) -> OfProbability:
        """max(0, log theta - log p)."""
        inside = p <= theta
        value = log(theta) - log_p
        return value if inside and value > 0.0 else 0.0, -q if inside else 0.0, 0.0

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return np.where(p <= self.theta, 0.0, NO_SLOPE)


@hyper_parameters
class SoftTruncated(ClassificationLoss):
    r"""Soft-truncated cross-entropy, probability form: :math:`-w_y \sigma(k (\theta - p)) \log p`.

    Parameters
    ----------
    k : float > 0, default=10.0
        How steeply the weight of a row falls around p = theta.
    theta : float in (0, 1), default=0.5
        The probability of the true class at which the weight is a half.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2), for the second derivative is negative where p is small.

    Notes
    -----
    Not convex and not proper; `predict_proba` inverts exactly. A posterior is unique for theta <= 0.5 and any k, for a
    larger theta up to some k (13 at 0.6, 44 at 0.9), with more than two classes up to about 12 at 0.5: beyond, the loss
    is refused.
    """

    k: float = 10.0
    theta: float = 0.5

    def _validate(self) -> None:
        super()._validate()
        check_number("k", self.k, low=0, low_open=True)
        check_number("theta", self.theta, low=0, high=1, low_open=True, high_open=True)
        _check_unique("k", self.k, {"theta": self.theta}, _log_slope_of_probability, 2)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, k: float, theta: float) -> OfProbability:
        """-w log p with w = sigma(k (theta - p)), c = 1 - w."""
        # x = k (p - theta) in more digits than p has: k multiplies their error
        near, far = p if p < 0.5 else -q, -theta if p < 0.5 else 1.0 - theta
        above = near + far > 0.0
        e = exp_product(joined(-far if above else far, -near if above else near), k)
        larger = 1.0 / (1.0 + e)
        w, c, k = e * larger if above else larger, larger if above else e * larger, real(k)
        pull = k * p * c
        first = -w * q * (1.0 - pull * log_p)
        second = q * q * w * k * c * (2.0 + log_p - k * p * (c - w) * log_p) * p
        return -w * log_p, first, second

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        _check_unique("k", self.k, {"theta": self.theta}, _log_slope_of_probability, n_classes)
        return super()._class_parameters(n_classes)

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return _log_slope_of_probability(log_p, log_q, p, q, self.k, self.theta)


@hyper_parameters
class MarginTruncated(ClassificationLoss):
    r"""Soft-truncated cross-entropy, margin form: :math:`-w_y \sigma(k (t - m)) \log p`, with the margin m of p.

    Parameters
    ----------
    k : float > 0, default=1.0
        How steeply the weight of a row falls around m = t.
    t : float, default=0.0
        The margin log(p / (1 - p)) of the true class at which the weight is a half.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is max(second derivative, abs(gradient) / 2).

    Notes
    -----
    k = 1 and t = 0 are the focal loss with gamma = 1. Not convex and not proper; `predict_proba` inverts exactly. A
    posterior is unique for t <= 0 and any k, for a larger t up to some k (3.4 at 0.4, 4.7 at 2.2), with more than two
    classes up to about 4 at 0: beyond, the loss is refused.
    """

    k: float = 1.0
    t: float = 0.0

    def _validate(self) -> None:
        super()._validate()
        check_number("k", self.k, low=0, low_open=True)
        check_number("t", self.t)
        _check_unique("k", self.k, {"t": self.t}, _log_slope_of_margin, 2)

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, k: float, t: float) -> OfProbability:
        """-w log p with w = sigma(k (t - m)), c = 1 - w."""
        x, e = margin_exp(log_p, log_q, t, k)
        log_p, k = number(log_p), real(k)
        log_p = FURTHEST if log_p < FURTHEST else log_p  # where c is 0, k log p must be a number
        larger = 1.0 / (1.0 + e)
        w, c = e * larger if x > 0.0 else larger, larger if x > 0.0 else e * larger
        first = -w * (q - k * c * log_p)
        second = k * w * c * (2.0 * q + p * log_p - k * (c - w) * log_p)
        return -w * log_p, first, second

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        _check_unique("k", self.k, {"t": self.t}, _log_slope_of_margin, n_classes)
        return super()._class_parameters(n_classes)

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        return _log_slope_of_margin(log_p, log_q, p, q, self.k, self.t)


def _log_slope_of_probability(log_p: Floats, log_q: Floats, p: Floats, q: Floats, k: float, theta: float) -> Floats:
    """log(-f') = log w + log(1 - k c p log p)."""
    x = k * (p - theta)
    return -softplus(x) + np.log1p(-k * np.exp(-softplus(-x)) * p * log_p)


def _log_slope_of_margin(log_p: Floats, log_q: Floats, p: Floats, q: Floats, k: float, t: float) -> Floats:
    """log(-f') = log w + log(1 - k c log p / q)."""
    x = k * (log_p - log_q - t)
    return -softplus(x) + np.log1p(k * np.exp(-softplus(-x)) * minus_log_ratio(log_p, q))


def _grid(k: float, centre: float) -> Floats:
    """Margins, symmetric to 0 and dense where the weight falls."""
    fall = centre + np.linspace(-30, 30, 1201) / k
    half = np.abs(np.concatenate([np.linspace(0, 40 + abs(centre), 2001), fall, np.linspace(-0.1, 0.1, 401) + centre]))
    return np.unique(np.concatenate([-half, half]))


def _is_unique(log_slope: LogSlope, k: float, place: float, n_classes: int) -> bool:
    """Whether the posterior rises with the margin: of two classes their difference must, of more the share of each."""
    centre = place if log_slope is _log_slope_of_margin else np.log(place / (1 - place))
    parts = probability_parts(_grid(k, centre))
    share = parts[0] - log_slope(*parts, k, place)
    log_odds = share - share[::-1] if n_classes == 2 else share
    return bool((np.diff(log_odds) > -1e-12).all())


@functools.lru_cache
def _largest_unique(log_slope: LogSlope, place: float, n_classes: int) -> float:
    """The largest k with a unique posterior, by bisection."""
    low, high = 0.0, FURTHEST_K
    if _is_unique(log_slope, high, place, n_classes):
        return np.inf
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _is_unique(log_slope, middle, place, n_classes) else (low, middle)
    return low


def _check_unique(name: str, k: float, place: dict[str, float], log_slope: LogSlope, n_classes: int) -> None:
    """Refuse a k without unique posterior at this `place`, {name: value}."""
    (place_name, value), = place.items()
    limit = _largest_unique(log_slope, float(value), min(n_classes, 3))
    if k > limit:
        raise ValueError(
            f"{name} == {k!r}, must be <= {limit:.4g} for {place_name} == {value!r} and "
            f"{'two' if n_classes == 2 else 'more than two'} classes: beyond, it has no posterior that is unique."
        )
