"""Losses of the residual r that let far residuals pull less: convex ones, and ones that level off."""

from boostloss._types import OfNumber
from boostloss.kernels.scalar import exp_product, expm1, joined, log, log1p, real
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import ScaledLoss
from boostloss.losses.smooth import artanh_tail, smooth_abs

LARGEST = 1e30
FAR = 1e9  # beyond, 1 + x^2 is x^2 and its square may be too large
LEAST_WEIGHT = 1e-6  # of a row that pulls no more


def charbonnier(r: float, b: float) -> OfNumber:
    """sqrt(r^2 + b^2) - b, its derivatives and psi(r) / r, without cancellation and without overflow."""
    a = abs(r)
    s, excess, second = smooth_abs(r, b)
    value = (a - b) + excess if a > b else r * (r / (s + b))
    slope = 1.0 - excess / s if a > b else a / s
    return value, slope if r > 0.0 else -slope, second, 1.0 / s


@hyper_parameters
class AbsoluteError(ScaledLoss):
    r"""Smoothed absolute error: :math:`\sqrt{r^2 + b^2} - b`, also called Charbonnier loss.

    Parameters
    ----------
    bandwidth : "auto" or float > 0, default="auto"
        b, in the unit of y. "auto" is S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / sqrt(r^2 + b^2); "exact" is the second derivative, floored.

    Notes
    -----
    Convex; twice `Quantile` of the level 0.5. b -> 0 is the absolute error, which is also the metric; its own second
    derivative is zero. Source: Charbonnier et al. 1997.
    """

    scale_name, auto_factor = "bandwidth", 1.0
    leaf_quantile = 0.5
    step_without_learning_rate = 0.7

    bandwidth: float | str = "auto"

    @staticmethod
    def point(r: float, b: float) -> OfNumber:
        """sqrt(r^2 + b^2) - b."""
        return charbonnier(r, b)

    @property
    def _metric_is_absolute_error(self) -> bool:
        return True


@hyper_parameters
class PseudoHuber(ScaledLoss):
    r"""Pseudo-Huber loss: :math:`\delta^2 (\sqrt{1 + (r / \delta)^2} - 1)`.

    Parameters
    ----------
    delta : "auto" or float > 0, default="auto"
        Where the loss turns linear, in the unit of y. "auto" is 1.3 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / sqrt(1 + (r / delta)^2); "exact" is its third power, floored.

    Notes
    -----
    Convex. delta -> inf is half the squared error; divided by delta, delta -> 0 is the absolute error. With
    ``delta="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute error.
    """

    scale_name, auto_factor = "delta", 1.3

    delta: float | str = "auto"

    @staticmethod
    def point(r: float, delta: float) -> OfNumber:
        """delta (sqrt(r^2 + delta^2) - delta)."""
        value, gradient, _, curvature = charbonnier(r, delta)
        t = delta * curvature
        return delta * value, delta * gradient, t * t * t, t


@hyper_parameters
class Fair(ScaledLoss):
    r"""Fair loss: :math:`c^2 (x - \log(1 + x))` with :math:`x = |r| / c`.

    Parameters
    ----------
    scale : "auto" or float > 0, default="auto"
        c, in the unit of y. "auto" is 1.4 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / (1 + x); "exact" is its square, floored.

    Notes
    -----
    Convex. c -> inf is half the squared error; divided by c, c -> 0 is the absolute error. With ``scale="auto"`` the
    values of two rounds cannot be compared, so its metric is the mean absolute error. Source: Fair 1974.
    """

    scale_name, auto_factor = "scale", 1.4

    scale: float | str = "auto"

    @staticmethod
    def point(r: float, c: float) -> OfNumber:
        """x - log(1 + x) by the series of 2 artanh(u), u = x / (2 + x), below 0.6."""
        a = abs(r)
        x = a / c
        u = x / (2.0 + x)
        t = u * u
        value = c * (u * (x - 2.0 * t * artanh_tail(t))) if x < 0.6 else a - c * log1p(LARGEST if x > LARGEST else x)
        weight = c / (c + a)
        far_pull = c - c * weight  # also where r is infinite
        pull = r * weight if x < 1.0 else (far_pull if r > 0.0 else -far_pull)
        return c * value, pull, weight * weight, weight


@hyper_parameters
class LevelLoss(ScaledLoss):
    """A loss that levels off, by its ``scale``."""

    scale_name = "scale"
    has_far_minima = True

    scale: float | str = "auto"


@hyper_parameters
class Cauchy(LevelLoss):
    r"""Cauchy loss, also called Lorentzian: :math:`(c^2 / 2) \log(1 + (r / c)^2)`.

    Parameters
    ----------
    scale : "auto" or float > 0, default="auto"
        c, in the unit of y. "auto" is 2.3 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / (1 + (r / c)^2), at least 1e-6; "exact" is the second derivative, negative beyond c,
        floored.

    Notes
    -----
    Not convex: far residuals pull less and less. The start is the minimum near the median. c -> inf is half the squared
    error. With ``scale="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute error.
    """

    auto_factor = 2.3

    @staticmethod
    def point(r: float, c: float) -> OfNumber:
        """log(1 + x^2) / 2, x = r / c; beyond FAR 1 + x^2 is x^2."""
        a = abs(r) / c
        far = a > FAR
        x2 = FAR if far else a * a
        near_weight = 1.0 / (1.0 + x2)
        inverse = 1.0 / a if far else 0.0
        weight = inverse * inverse if far else near_weight
        value = log(a) if far else 0.5 * log1p(x2)
        pull = (c * inverse if r > 0.0 else -c * inverse) if far else r * weight
        second = -weight if far else (1.0 - x2) * weight * weight
        return c * (c * value), pull, second, weight if weight > LEAST_WEIGHT else LEAST_WEIGHT


@hyper_parameters
class Welsch(LevelLoss):
    r"""Welsch loss, also called Leclerc: :math:`(c^2 / 2) (1 - e^{-(r / c)^2})`.

    Parameters
    ----------
    scale : "auto" or float > 0, default="auto"
        c, in the unit of y. "auto" is 2.9 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser exp(-(r / c)^2), at least 1e-6; "exact" is the second derivative, floored.

    Notes
    -----
    Not convex: residuals of more than some c are given up. The start is the minimum near the median. c -> inf is half
    the squared error. With ``scale="auto"`` the values of two rounds cannot be compared, so its metric is the mean
    absolute error. Sources: Dennis & Welsch 1978; Holland & Welsch 1977.
    """

    auto_factor = 2.9

    @staticmethod
    def point(r: float, c: float) -> OfNumber:
        """-expm1(-x^2) / 2, x = r / c; the exponential takes x in more digits, for x^2 multiplies its error."""
        a = abs(r) / c
        a = 50.0 if a > 50.0 else a
        low = (abs(r) - a * c) / c if a < 50.0 else 0.0  # what rounding took from a
        root = exp_product(joined(-a, -2.0 * low), 0.5 * a)  # of the weight, which may be subnormal
        weight = root * root
        x2 = real(a * a)
        value = -0.5 * expm1(-x2) if x2 < 1.0 else 0.5 * (1.0 - weight)
        scale = real(c)
        second = (1.0 - 2.0 * x2) * root * root
        pull = r * root * root if root > 0.0 else 0.0
        return scale * (scale * value), pull, second, weight if weight > LEAST_WEIGHT else LEAST_WEIGHT


@hyper_parameters
class Tukey(LevelLoss):
    r"""Tukey's biweight: :math:`(c^2 / 6) (1 - (1 - (r / c)^2)^3)` up to :math:`|r| = c`, :math:`c^2 / 6` beyond.

    Parameters
    ----------
    scale : "auto" or float > 0, default="auto"
        c, in the unit of y. "auto" is 4.5 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser (1 - (r / c)^2)^2, at least 1e-6; "exact" is the second derivative, floored.

    Notes
    -----
    Not convex: residuals beyond c pull nothing at all. The start is the minimum near the median. c -> inf is half the
    squared error. With ``scale="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute
    error. Source: Beaton & Tukey 1974.
    """

    auto_factor = 4.5

    @staticmethod
    def point(r: float, c: float) -> OfNumber:
        """With u = 1 - x^2: 1 - u^3 = x^2 (1 + u + u^2)."""
        x = abs(r) / c
        x = 1.0 if x > 1.0 else x
        u = (1.0 - x) * (1.0 + x)
        weight = u * u
        value = x * x * (1.0 + u + weight) / 6.0
        second = u * (1.0 - 5.0 * x * x)
        pull = r * weight if weight > 0.0 else 0.0
        return c * (c * value), pull, second, weight if weight > LEAST_WEIGHT else LEAST_WEIGHT
