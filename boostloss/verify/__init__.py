"""Is a loss right? Its kernels against differences of themselves, and against its formula in 50-digit arithmetic."""

from typing import Any

import numpy as np

from boostloss._validation import check_number
from boostloss.losses.base import Loss
from boostloss.losses.multilabel import MultiLabel
from boostloss.verify.margins import Margins
from boostloss.verify.predictions import Predictions
from boostloss.verify.problem import QUANTITIES
from boostloss.verify.report import Report, Row
from boostloss.verify.residuals import Residuals
from boostloss.verify.rows import (
    curvature_rows,
    difference_rows,
    finite_rows,
    posterior_rows,
    start_row,
    truths,
    ulp_rows,
)

__all__ = ["QUANTITIES", "Report", "Row", "assert_correct", "check"]


def check(loss: Loss, *, ulp: float = 8.0) -> Report:
    """Compare the kernels of a loss with differences and with 50-digit arithmetic, extremes included.

    Parameters
    ----------
    loss : ClassificationLoss or RegressionLoss
        A built-in loss or your own. Statistics of a batch, such as an automatic scale, are frozen for the check.
    ulp : float, default=8.0
        Tolerance of value, gradient and second derivative against 50 digits, in units in the last place of the
        dtype (near 0: of its smallest subnormal). A formula of your own in plain float32 arithmetic may need more.
        It grows in proportion to abs(z) beyond 20.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If gradients are not those of a row's value: a loss of the whole batch, or with frozen weights; and for
        `MultiLabel` and several quantiles, sums of losses that can be checked.

    Notes
    -----
    The truth is the value's formula in 120 to 460 digits, at the very numbers the kernel got, and its differences with
    steps of 1e-20: a mistake in the derivatives of `point` shows up. This needs mpmath. Without it, and besides,
    gradient and second derivative are compared with fourth-order central differences of the float64 kernel, with the
    best of several steps. Points and hyper-parameters are float32 numbers, so that both dtypes have one truth; only a
    formula with `power_q` gets its hyper-parameters in double for both.
    Classification losses are checked for two classes; the formula is the same for more.

    An error counts relative to the result, except where a quantity passes through zero, which no sum of rounded terms
    can follow. There it counts relative to the largest term: a second derivative of a classification loss to
    ``second`` and ``p * first``, its every quantity f to half of x df/dx, x being log p, p or q; a soft label's
    result to either label's share; a gradient g(r) or second derivative h(r) of a regression loss to r g'(r) or r
    h'(r), which is what rounding r alone does, and of a loss f(y, z) likewise to z and y times the derivatives by
    these; a gradient of a loss with a hyper-parameter `quantile` to that (r <= 0)
    or one minus that (r > 0). Where p is subnormal, what is p times a factor that may be large counts in the spacing of
    p times that factor.

    A point is not judged where the quantity jumps (the differences to the left and to the right disagree), or where
    differences in float64 do not resolve it.

    Examples
    --------
    >>> import boostloss as bl
    >>> from boostloss.verify import check
    >>> check(bl.Focal(gamma=2.0))
    <Report on Focal(): ok>
    """
    loss._validate()
    check_number("ulp", ulp, low=0)
    if not loss.row_by_row:
        raise ValueError(f"{loss!r} has gradients that are not those of its value row by row: check cannot judge them.")
    if isinstance(loss, MultiLabel):
        raise ValueError(f"{loss!r} is a sum over labels: check the losses of its labels.")
    if getattr(loss, "n_outputs", 1) > 1 or np.ndim(getattr(loss, "quantile", 0.5)):
        raise ValueError(f"{loss!r} is a sum over levels: check the losses of its levels.")
    kinds: dict[str, Any] = {"residual": Residuals, "prediction": Predictions}
    problem = kinds.get(loss.variable, Margins)(loss)
    with np.errstate(all="ignore"):
        arithmetic, known = truths(problem)
        rows = [*ulp_rows(problem, known, ulp), *difference_rows(problem, ulp), *finite_rows(problem, known)]
        rows += [*curvature_rows(problem), start_row(loss), *posterior_rows(problem, loss)]
    return Report(repr(loss), tuple(rows), f"{problem.n_points} points, {arithmetic}")


def assert_correct(loss: Loss, *, ulp: float = 8.0) -> None:
    """Raise an AssertionError that shows the failing rows of `check`, if there are any.

    Parameters
    ----------
    loss : ClassificationLoss or RegressionLoss
        A built-in loss or your own.
    ulp : float, default=8.0
        As in `check`.
    """
    report = check(loss, ulp=ulp)
    if not report.ok:
        raise AssertionError(report._text(report.failures))
