"""Losses of the residual r whose two sides weigh differently: expectiles, and the asymmetric Huber loss."""

from boostloss._validation import check_number
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
    def point(r):
        """r^2 / 2."""
        return 0.5 * r * r, r, 1.0, 1.0


@hyper_parameters
class Expectile(RegressionLoss):
    r"""Asymmetric squared error: :math:`\tau r^2` where the prediction is too low, :math:`(1 - \tau) r^2` above.

    Parameters
    ----------
    expectile : float in (0, 1), default=0.5
        The level tau; 0.5 is half the squared error, whose minimiser is the mean.
    curvature : {"auto", "exact"}, default="auto"
        Both are the second derivative, 2 tau or 2 (1 - tau).

    Notes
    -----
    Convex. An expectile is to the mean what a quantile is to the median: it answers to the size of residuals, not to
    their number. The curvature is that of the side a row is on: no majoriser where a step crosses the target, but a
    step of Newton's. Source: Newey & Powell 1987.
    """

    has_newton_step = True

    expectile: float = 0.5

    def _validate(self):
        super()._validate()
        check_number("expectile", self.expectile, low=0, high=1, low_open=True, high_open=True)

    def prepare(self, y_true, raw_prediction, sample_weight=None):
        """Return tau and 1 - tau, and the weights."""
        return (float(self.expectile), float(1 - self.expectile)), sample_weight

    @staticmethod
    def point(r, tau, complement):
        """The weight of the side times r^2."""
        a = complement if r > 0.0 else tau
        return a * r * r, 2.0 * a * r, 2.0 * a, 2.0 * a


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

    scale_name = "delta"
    auto_factor = 1.3

    asymmetry: float = 0.5
    delta: float | str = "auto"

    def _validate(self):
        super()._validate()
        check_number("asymmetry", self.asymmetry, low=0, high=1, low_open=True, high_open=True)

    def prepare(self, y_true, raw_prediction, sample_weight=None):
        """Return tau, 1 - tau and delta, and the weights."""
        scale, sample_weight = super().prepare(y_true, raw_prediction, sample_weight)
        return (float(self.asymmetry), float(1 - self.asymmetry), *scale), sample_weight

    @staticmethod
    def point(r, tau, complement, delta):
        """The Huber loss times the weight of the side."""
        a, side = abs(r), complement if r > 0.0 else tau
        inside = a <= delta
        value = 0.5 * r * r if inside else delta * (a - 0.5 * delta)
        gradient = r if inside else (delta if r > 0.0 else -delta)
        return side * value, side * gradient, side if inside else 0.0, side if inside else side * (delta / a)
