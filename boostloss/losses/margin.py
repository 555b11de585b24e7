"""Losses of the signed margin m of two classes: exponential, the hinge family, the perceptron."""

import numpy as np

from boostloss._types import Floats, OfNumber
from boostloss._validation import check_number
from boostloss.kernels.scalar import exp
from boostloss.losses.margin_base import MarginLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.smooth import smooth_abs

REACH = 30.0  # from m = -30 on the exponential loss goes on as a line: one row would outweigh 1e13 others
HIGHEST = 10686474581524.463  # exp(30)
LEAST_WIDTH = 1e-30  # of a bend: the curvature is one over it, in float32 too


@hyper_parameters
class Exponential(MarginLoss):
    r"""Exponential loss, that of AdaBoost: :math:`w_y e^{-m}`, a straight line below m = -30.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is exp(-m), the second derivative and abs(gradient), also on the line; "exact" is 0 there, floored.

    Notes
    -----
    Convex. `predict_proba` is sigmoid(2 z), its exact inversion. A mislabelled row weighs exponentially. Sources:
    Freund & Schapire 1997; Friedman, Hastie & Tibshirani 2000.
    """

    @staticmethod
    def point(m: float) -> OfNumber:
        """exp(-m)."""
        inside = m >= -REACH
        e = exp(-m) if inside else HIGHEST
        return e if inside else e * (1.0 - REACH - m), -e, e if inside else 0.0, e

    def _log_posterior(self, margins: Floats) -> Floats:
        return np.maximum(margins, -REACH)


def half_smooth(d: float, b: float) -> OfNumber:
    """(d + sqrt(d^2 + b^2)) / 2, a smooth max(d, 0), and derivatives by -d: without cancellation for d < 0."""
    s, excess, second = smooth_abs(d, b)
    half = 0.5 * (excess / s)  # how far the slope stays from 0 or 1
    return 0.5 * (s + d) if d > 0.0 else 0.5 * excess, half - 1.0 if d > 0.0 else -half, 0.5 * second, 0.5 / s


class RoundedLoss(MarginLoss):
    """A loss with a corner, rounded by the hyper-parameter `width_name`: of its raw predictions only the sign tells."""

    has_posterior = False
    width_name: str

    def _validate(self) -> None:
        super()._validate()
        check_number(self.width_name, getattr(self, self.width_name), low=LEAST_WIDTH)


@hyper_parameters
class Hinge(RoundedLoss):
    r"""Smoothed hinge loss: :math:`w_y (d + \sqrt{d^2 + b^2}) / 2` with :math:`d = 1 - m`.

    Parameters
    ----------
    bandwidth : float >= 1e-30, default=0.1
        b, in units of the margin; to 0 it is the hinge max(1 - m, 0), which has no second derivative.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the sharp majoriser 1 / (2 sqrt(d^2 + b^2)); "exact" is the second derivative, floored.

    Notes
    -----
    Convex. It aims at the sign: raw predictions gather at -1 and 1, and probabilities cannot be told from them.
    `predict_proba` raises an error; scikit-learn's CalibratedClassifierCV fits probabilities on held-out data. Sources:
    Cortes & Vapnik 1995; Charbonnier et al. 1997.
    """

    width_name = "bandwidth"

    bandwidth: float = 0.1

    @staticmethod
    def point(m: float, bandwidth: float) -> OfNumber:
        """A smooth max(1 - m, 0)."""
        return half_smooth(1.0 - m, bandwidth)


@hyper_parameters
class Perceptron(RoundedLoss):
    r"""Smoothed perceptron loss: :math:`w_y (\sqrt{m^2 + b^2} - m) / 2`.

    Parameters
    ----------
    bandwidth : float >= 1e-30, default=0.1
        b, in units of the margin; to 0 it is the perceptron's max(-m, 0).
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the sharp majoriser 1 / (2 sqrt(m^2 + b^2)); "exact" is the second derivative, floored.

    Notes
    -----
    Of historical interest: without b the raw prediction 0 solves it perfectly, so that the scale of the raw predictions
    is that of b. Convex. `predict_proba` raises an error; scikit-learn's CalibratedClassifierCV fits probabilities on
    held-out data. Source: Rosenblatt 1958.
    """

    width_name = "bandwidth"

    bandwidth: float = 0.1

    @staticmethod
    def point(m: float, bandwidth: float) -> OfNumber:
        """A smooth max(-m, 0)."""
        return half_smooth(-m, bandwidth)


@hyper_parameters
class QuadraticHinge(RoundedLoss):
    r"""Hinge loss rounded by a parabola: 0, :math:`w_y d^2 / (2 k)` or :math:`w_y (d - k / 2)`, :math:`d = 1 - m`.

    Parameters
    ----------
    width : float >= 1e-30, default=1.0
        k: the parabola goes from d = 0 to d = k.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1 / k; "exact" is the second derivative, 0 outside of the parabola, floored.

    Notes
    -----
    Convex. `predict_proba` raises an error, for outside of the parabola no probability can be told from the raw
    prediction; scikit-learn's CalibratedClassifierCV fits probabilities on held-out data. With rare positives it
    over-fits at an engine's default parameters, as `SquaredHinge` does. Sources: Rennie & Srebro 2005; Shalev-Shwartz &
    Zhang 2013.
    """

    width_name = "width"

    width: float = 1.0

    @staticmethod
    def point(m: float, width: float) -> OfNumber:
        """0, d^2 / (2 width) or d - width / 2, d = 1 - m."""
        d, near = 1.0 - m if m < 1.0 else 0.0, m > 1.0 - width
        t = d / width
        bend = 1.0 / width
        return 0.5 * d * t if near else d - 0.5 * width, -t if near else -1.0, bend if near and m < 1.0 else 0.0, bend


@hyper_parameters
class SquaredHinge(MarginLoss):
    r"""Squared hinge loss: :math:`w_y \max(1 - m, 0)^2 / 2`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 1; "exact" is the second derivative, 0 for m > 1, floored.

    Notes
    -----
    Convex. `predict_proba` is (1 + z) / 2, exactly 0 and 1 where z is beyond -1 and 1: ranking is lost there, and a
    log-loss may be infinite. With rare positives it over-fits at an engine's default parameters, exactly as the squared
    error of 0 and 1 does: its curvature is 1 for every row, the logistic loss's a hundredth of that (0.3 % positives:
    AUC .20 and .08 below it in XGBoost and LightGBM). Larger leaves help: LightGBM min_child_samples=500, XGBoost
    min_child_weight and reg_lambda of one over the base rate. Source: Cortes & Vapnik 1995.
    """

    @staticmethod
    def point(m: float) -> OfNumber:
        """max(1 - m, 0)^2 / 2."""
        d = 1.0 - m if m < 1.0 else 0.0
        return 0.5 * d * d, -d, 1.0 if m < 1.0 else 0.0, 1.0


@hyper_parameters
class ModifiedHuber(MarginLoss):
    r"""Modified Huber loss: :math:`w_y \max(1 - m, 0)^2` for :math:`m \geq -1`, else :math:`-4 w_y m`.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser 2; "exact" is the second derivative, 0 outside of (-1, 1), floored.

    Notes
    -----
    Convex, and linear for rows that are far on the wrong side. `predict_proba` is (1 + z) / 2, exactly 0 and 1 where z
    is beyond -1 and 1: ranking is lost there, and a log-loss may be infinite. With rare positives it over-fits at an
    engine's default parameters, as `SquaredHinge` does and for the same reason. Source: T. Zhang 2004.
    """

    @staticmethod
    def point(m: float) -> OfNumber:
        """max(1 - m, 0)^2 or -4 m."""
        d, near = 1.0 - m if m < 1.0 else 0.0, m >= -1.0
        value, slope = d * d if near else -4.0 * m, -2.0 * d if near else -4.0
        return value, slope, 2.0 if near and m < 1.0 else 0.0, 2.0
