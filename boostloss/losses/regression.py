"""Squared error, and what is squared near 0 and linear far out; r = raw_prediction - y_true."""

from boostloss._types import Array, OfNumber, Parameters
from boostloss._validation import check_number
from boostloss.kernels.scalar import exp, expm1, log1p
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import RegressionLoss, ScaledLoss


@hyper_parameters
class SquaredError(RegressionLoss):
    r"""Half the squared error: :math:`r^2 / 2`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        Both are 1.

    Notes
    -----
    The engines have it built in; here for comparison. Its start is the mean.
    """

    has_newton_step = True

    @staticmethod
    def point(r: float) -> OfNumber:
        """r^2 / 2."""
        return 0.5 * r * r, r, 1.0, 1.0


def huber(r: float, delta: float) -> OfNumber:
    """Value, derivatives and psi(r) / r: quadratic inside, linear outside."""
    a = abs(r)
    outside = a > delta  # false for a NaN, which stays
    reach = delta if outside else a
    gradient = delta if r > delta else (-delta if r < -delta else r)
    return reach * (a - 0.5 * reach), gradient, 0.0 if outside else 1.0, delta / (a if outside else delta)


@hyper_parameters
class Huber(ScaledLoss):
    r"""Huber loss: :math:`r^2 / 2` up to :math:`|r| = \delta`, :math:`\delta (|r| - \delta / 2)` beyond.

    Parameters
    ----------
    delta : "auto" or float > 0, default="auto"
        Where the loss turns linear, in the unit of y. "auto" is 1.3 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser delta / max(abs(r), delta); "exact" is 1 inside and 0 outside, floored.

    Notes
    -----
    Convex. delta -> inf is half the squared error; Huber / delta with delta -> 0 is the absolute error. With
    ``delta="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute error.
    Source: Huber 1964.
    """

    scale_name, auto_factor = "delta", 1.3

    delta: float | str = "auto"

    @staticmethod
    def point(r: float, delta: float) -> OfNumber:
        """Quadratic inside, linear outside."""
        return huber(r, delta)


@hyper_parameters
class AsymmetricHuber(ScaledLoss):
    r"""Huber loss times :math:`\tau` where the prediction is too low, times :math:`1 - \tau` above.

    Parameters
    ----------
    asymmetry : float in (0, 1), default=0.5
        tau; 0.5 is half the Huber loss.
    delta : "auto" or float > 0, default="auto"
        Where the loss turns linear, in the unit of y. "auto" is 1.3 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is delta / max(abs(r), delta) times the weight of the side; "exact" is that inside, 0 outside, floored.

    Notes
    -----
    Convex. For tau != 0.5 its minimiser is neither a quantile nor an expectile, but between them: for quantiles use
    `Quantile`, for expectiles `Expectile`. The curvature is no majoriser where a step crosses the target. With
    ``delta="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute error.
    """

    scale_name, auto_factor = "delta", 1.3

    asymmetry: float = 0.5
    delta: float | str = "auto"

    def _validate(self) -> None:
        super()._validate()
        check_number("asymmetry", self.asymmetry, low=0, high=1, low_open=True, high_open=True)

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return tau, 1 - tau and delta, and the weights."""
        scale, sample_weight = super().prepare(y_true, raw_prediction, sample_weight)
        return (float(self.asymmetry), float(1 - self.asymmetry), *scale), sample_weight

    @staticmethod
    def point(r: float, tau: float, complement: float, delta: float) -> OfNumber:
        """The Huber loss times the weight of the side."""
        side = complement if r > 0.0 else tau
        value, gradient, second, curvature = huber(r, delta)
        return side * value, side * gradient, side * second, side * curvature


@hyper_parameters
class LogCosh(ScaledLoss):
    r"""Log-cosh loss: :math:`c^2 \log \cosh(r / c)`, smooth everywhere, squared near 0 and absolute far out.

    Parameters
    ----------
    scale : "auto" or float > 0, default="auto"
        c, in the unit of y. "auto" is 1.2 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser tanh(x) / x, x = r / c; "exact" is sech(x)^2, floored.

    Notes
    -----
    Convex. c -> inf is half the squared error; log-cosh / c with c -> 0 is the absolute error. With ``scale="auto"``
    the values of two rounds cannot be compared, so its metric is the mean absolute error.
    """

    scale_name, auto_factor = "scale", 1.2

    scale: float | str = "auto"

    @staticmethod
    def point(r: float, c: float) -> OfNumber:
        """All from u = exp(-x) - 1 and e = exp(-x), x = abs(r) / c: cosh(x) - 1 = u^2 / (2 e).

        Gradient and majoriser need u alone, and no second exponential.
        """
        a = abs(r)
        x = a / c
        low = (a - x * c) * (1.0 / c) if x < 1e4 else 0.0  # what rounding took from x: exp(x) alone loses x ulp
        u, e = expm1(-x), exp(-x)
        u, e = u - (1.0 + u) * low, e - e * low
        rest = 1.0 + u  # e, but for digits that a sum with 1 has not
        near = log1p(0.5 * u * (u / e)) if x < 1.0 else 0.0
        value = near if x < 1.0 else x - 0.6931471805599453 + log1p(e * e)
        slope = -u * (2.0 + u) / (1.0 + rest * rest)  # tanh(x)
        sech = 2.0 * e / (1.0 + e * e)
        weight = slope / x if x > 1e-4 else 1.0 - x * x / 3.0
        return c * (c * value), c * slope if r > 0.0 else -c * slope, sech * sech, weight
