"""Barron's loss of the residual r: one parameter leads from the squared error to losses that level off."""

from boostloss._types import Array, OfNumber, Parameters
from boostloss._validation import check_number
from boostloss.kernels.double import two_sum
from boostloss.kernels.scalar import exp_product, expm1, joined, log1p_parts, real, sqrt
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.regression_base import ScaledLoss
from boostloss.losses.robust import LEAST_WEIGHT

# Shapes beyond these change nothing that float64 could show
LEAST_ALPHA = -1e20
LEAST_GAP = 1e-30  # of alpha to 2: the next smaller alpha than 2 has 2e-16
LEAST_SHAPE = 1e-18  # abs(alpha)
NEAR = 1e-9  # below, the loss is r^2 / 2 whatever alpha is, and y may be subnormal
FAR = 2.0**60  # the square root of a y to which 1 adds nothing, less a factor of 2
LOG_FAR_HIGH, LOG_FAR_LOW = 60 * 355 / 512, 60 * -2.1219444005469057e-4  # their sum is log(FAR), the first part exact
LARGEST = 8e37


@hyper_parameters
class Barron(ScaledLoss):
    r"""Barron's general robust loss: :math:`c^2 (b / \alpha) ((1 + x^2 / b)^{\alpha / 2} - 1)`, :math:`b = 2 - \alpha`.

    Parameters
    ----------
    alpha : float <= 2, default=1.0
        The shape, a finite number: 2 is half the squared error, 1 `PseudoHuber`, 0 the limit
        :math:`c^2 \log(1 + x^2 / 2)`, -2 Geman-McClure. The smaller, the less far residuals pull.
    scale : "auto" or float > 0, default="auto"
        c in x = r / c, in the unit of y. "auto" is 1.3 S, with S = (mean of sqrt(abs(r)))^2 of the round.
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the majoriser (1 + x^2 / b)^(alpha / 2 - 1), at least 1e-6 where alpha < 1; "exact" is the second
        derivative, floored.

    Notes
    -----
    Convex for alpha >= 1; for a smaller alpha the start is the minimum near the median. alpha = 0 is `Cauchy` of the
    scale sqrt(2) c, alpha -> -inf `Welsch` of that scale. The loss of the paper is this one divided by c^2. With
    ``scale="auto"`` the values of two rounds cannot be compared, so its metric is the mean absolute error. Source:
    Barron, CVPR 2019.
    """

    scale_name, auto_factor = "scale", 1.3

    alpha: float = 1.0
    scale: float | str = "auto"

    def _validate(self) -> None:
        super()._validate()
        check_number("alpha", self.alpha, high=2)

    @property
    def has_far_minima(self) -> bool:  # type: ignore[override]  # read only, because it follows from alpha
        """Whether it is not convex."""
        return self.alpha < 1

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[Parameters, Array | None]:
        """Return alpha and the scale as numbers, and the weights."""
        scale, sample_weight = super().prepare(y_true, raw_prediction, sample_weight)
        return (float(self.alpha), *scale), sample_weight

    @staticmethod
    def point(r: float, alpha: float, c: float) -> OfNumber:
        """With y = x^2 / b and t = log(1 + y) the weight is exp(-b t / 2): its root, for r root^2 underflows later."""
        alpha = LEAST_ALPHA if alpha < LEAST_ALPHA else alpha
        gap, lost = two_sum(2.0, -alpha)
        gap = LEAST_GAP if gap < LEAST_GAP else gap
        b, scale, shape = real(gap), real(c), real(LEAST_SHAPE if abs(alpha) < LEAST_SHAPE else alpha)

        a = abs(r)
        a = LARGEST if 1.0 / a == 0.0 else a  # an infinite one, for the pull is finite
        x = a / c
        y = x * (x / gap)  # in float32 the square alone may be too large
        far = y > 4.0 * FAR * FAR  # there t is log(y) + 1 / y = 2 log(FAR) + 2 log(1 + z) + 1 / y
        z = real(a / FAR / c / sqrt(gap) - 1.0)
        z = LARGEST if 4.0 * z == 8.0 * z else z  # where it is infinite, or nearly
        near_y = real(y)
        high, low = log1p_parts(z if far else near_y)
        high = 2.0 * (high + LOG_FAR_HIGH) if far else high
        low = 2.0 * (low + LOG_FAR_LOW) + 1.0 / near_y if far else low
        t = high + low

        root = exp_product(joined(-high, -low - t * real(lost / gap)), 0.25 * gap)
        weight = root * root
        half_pull = a * root
        pull = half_pull * root

        rise = 0.5 * shape * t
        value = scale * (scale * (b * expm1(rise) / shape))
        large = half_pull * (half_pull / shape) - scale * (scale * (b * (1.0 - weight) / shape))
        value = value if rise < 2.0 else large  # with 0.5 for 2 the difference costs up to 10 ulp
        value = 0.5 * a * a if x < NEAR else value

        inverse = 1.0 / (1.0 + near_y)
        second = root * (root * (inverse + real(alpha - 1.0) * (1.0 if far else near_y * inverse)))
        least = LEAST_WEIGHT if alpha < 1.0 else 0.0
        return value, pull if r > 0.0 else -pull, second, least if weight < least else weight
