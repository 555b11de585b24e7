"""Is a loss right? Its kernels against differences of themselves, and against its formula in 50-digit arithmetic."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from boostloss.kernels import templates
from boostloss.kernels.cpu import bound_template, rebind, takes_powers
from boostloss.kernels.scalar import mpmath_words
from boostloss.losses.base import Loss
from boostloss.losses.class_weight import class_weights
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.probability import probability_parts
from boostloss.losses.regression_base import RegressionLoss

__all__ = ["Report", "Row", "assert_correct", "check"]

Floats = NDArray[np.float64]
Array = NDArray[Any]
DTYPES = (np.float32, np.float64)
QUANTITIES = ("value", "gradient", "hessian")

CORE = 20.0  # the bound in ulp is constant up to this margin, and grows with the margin beyond
SOFT_LABELS = (0.125, 0.5, 0.75)
DIFFERENCE_TOLERANCE = 1e-7  # of fourth-order central differences of the float64 kernel
SENSITIVE, STEP = 0.5, 1e-6
ROOT_TOLERANCE = 1e-9  # of sums and mixtures of gradients that must vanish


@dataclass(frozen=True)
class Row:
    """One line of a report: the largest error of one quantity, and where it is."""

    quantity: str
    against: str
    dtype: str
    range: str
    error: float
    unit: str
    tolerance: float
    at: str = ""
    not_judged: int = 0

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance; a NaN is not."""
        return bool(self.error <= self.tolerance)

    def _cells(self) -> tuple[str, ...]:
        unit = f" {self.unit}" if self.unit else ""
        skipped = str(self.not_judged) if self.not_judged else ""
        error, tolerance = f"{self.error:.2g}{unit}", f"{self.tolerance:.2g}{unit}"
        verdict = "yes" if self.ok else "NO"
        return self.quantity, self.against, self.dtype, self.range, error, tolerance, self.at, skipped, verdict


HEADER = ("quantity", "against", "dtype", "range", "largest error", "tolerance", "at", "not judged", "ok")


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True, repr=False)
class Report:
    """What `check` found; ``print(report)`` is a table, ``report.ok`` the verdict.

    Attributes
    ----------
    loss : str
        The loss that was checked.
    rows : tuple of Row
        One per quantity, dtype and range.
    arithmetic : str
        What the kernels were compared with besides differences of themselves, or why with nothing else.
    """

    loss: str
    rows: tuple[Row, ...]
    arithmetic: str

    @property
    def ok(self) -> bool:
        """Whether every row is within its tolerance."""
        return not self.failures

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that are not."""
        return tuple(row for row in self.rows if not row.ok)

    def _text(self, rows: tuple[Row, ...]) -> str:
        return f"{self.loss}: {self.arithmetic}\n{_table([HEADER, *(row._cells() for row in rows)])}"

    def __str__(self) -> str:
        return self._text(self.rows)

    def __repr__(self) -> str:
        verdict = "ok" if self.ok else f"{len(self.failures)} of {len(self.rows)} rows failed"
        return f"<Report on {self.loss}: {verdict}>"


def check(loss: Loss, *, ulp: float = 8.0) -> Report:
    """Compare the kernels of a loss with differences and with 50-digit arithmetic, extremes included.

    Parameters
    ----------
    loss : ClassificationLoss or RegressionLoss
        A built-in loss or your own. Statistics of a batch, such as an automatic scale, are frozen for the check.
    ulp : float, default=8.0
        Tolerance of value, gradient and second derivative against 50 digits, in units in the last place of the
        dtype (near 0: of its smallest subnormal). A formula of your own in plain float32 arithmetic may need more.
        It grows in proportion to abs(z) beyond 20, and in float64 with a hyper-parameter named gamma from 2 on (half
        as much again at 5, in proportion beyond), because a power multiplies the relative error of its base.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If gradients are not those of a row's value: a loss of the whole batch, or with frozen weights.

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
    h'(r), which is what rounding r alone does; a gradient of a loss with a
    hyper-parameter `quantile` to that (r <= 0) or one minus that (r > 0). Where p is subnormal, a second derivative,
    which is p times a factor that may be large, counts in the spacing of p times that factor.

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
    if not loss.row_by_row:
        raise ValueError(f"{loss!r} has gradients that are not those of its value row by row: check cannot judge them.")
    problem = _Margins(loss) if isinstance(loss, ClassificationLoss) else _Residuals(loss)
    with np.errstate(all="ignore"):
        arithmetic, truths = _truths(problem)
        rows = [*_ulp_rows(problem, truths, ulp), *_difference_rows(problem, ulp), *_finite_rows(problem, truths)]
        rows += [*_curvature_rows(problem), _start_row(loss), *_posterior_rows(problem, loss)]
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


# ----------------------------------------------------------------------------------------------------------- points


def _float32_values(values: Any) -> Floats:
    """0 and the values with both signs, as float32 numbers in float64: one truth serves both dtypes."""
    values = np.asarray(values, np.float32).astype(np.float64)
    return np.unique(np.concatenate([-values, [0.0], values]))


@dataclass(frozen=True)
class _Batch:
    """Rows that one kernel call evaluates."""

    y_true: Floats
    x: Floats  # the raw prediction: a margin, or a residual because y_true is 0

    def place(self, i: Any, symbol: str) -> str:
        label = f"y = {self.y_true[i]:g}, " if symbol == "z" else ""
        return f"{label}{symbol} = {self.x[i]:.9g}"


@dataclass(frozen=True)
class _Truth:
    """What a batch's quantities should be, the size of the largest term of each, and where each of them jumps."""

    quantities: tuple[Array, ...]
    terms: tuple[Floats, ...]
    jumps: tuple[Array, ...]


class _Problem:
    """The points at which a loss is checked, and the loss with everything that depends on a batch frozen."""

    symbol = ""
    ranges: ClassVar[dict[str, Callable[[Floats], Array]]]

    def __init__(self, loss: Any, batches: list[_Batch]) -> None:
        self.loss = loss
        self.batches = batches

    @property
    def n_points(self) -> int:
        return sum(len(batch.x) for batch in self.batches)

    def kernel(self, batch: _Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        """Value, gradient and exact second derivative, the points moved by `shift`."""
        return self._evaluate(self.loss, batch, dtype, shift)

    @staticmethod
    def _evaluate(loss: Any, batch: _Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        y_true, raw = batch.y_true.astype(dtype), (batch.x + shift).astype(dtype)
        return loss.loss(y_true, raw), *loss.gradient_hessian(y_true, raw, curvature="exact")

    def difference(self, batch: _Batch, k: int) -> tuple[Floats, Floats]:
        """The derivative of the float64 kernel's k-th result by differences, and its uncertainty."""
        return _difference(lambda shift: self.kernel(batch, np.float64, shift)[k], batch.x, self.steps(batch.x))

    def growth(self, x: Floats) -> Floats:
        """By how much the tolerance is wider at `x`."""
        return np.ones_like(x)

    def steps(self, x: Floats) -> list[Floats]:
        """Lengths over which the loss may change its shape at `x`."""
        raise NotImplementedError

    def judged(self, errors: list[Floats]) -> list[Floats]:
        """Errors of differences per batch, NaN where they are not to be judged."""
        return errors

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        """The largest terms of every batch for results of `dtype`, from the float64 kernel."""
        raise NotImplementedError

    def truth(self, ctx: Any) -> dict[Any, list[_Truth]]:
        """The truth of every batch, per dtype."""
        raise NotImplementedError


class _Margins(_Problem):
    """Two classes: every margin with both labels, then with soft ones."""

    symbol = "z"
    ranges: ClassVar = {"|z| <= 20": lambda z: abs(z) <= CORE, "|z| > 20, x 20/|z|": lambda z: abs(z) > CORE}

    def __init__(self, loss: ClassificationLoss) -> None:
        core = [1e-8, 1e-6, 1e-4, 1e-3, 1e-2, *np.linspace(0.05, 2, 14), *np.linspace(2.3, CORE, 26)]
        far = [22, 25, 30, 35, 40, 50, 60, 70, 80, 86, 88, 90, 95, 100, 103, 105]  # float32 underflows from 87 to 104
        very_far = [200, 400, 700, 708, 720, 740, 745, 750, 1e3, 1e4]  # float64 from 708 to 745
        self.margins = _float32_values([*core, *far, *very_far])
        batches = [
            _Batch(np.repeat(labels, len(self.margins)), np.tile(self.margins, len(labels)))
            for labels in ((1.0, 0.0), SOFT_LABELS)
        ]
        y_true, margins = batches[0].y_true, batches[0].x
        loss = loss.resolve(y_true)
        params, _ = loss.prepare(y_true, margins, np.empty(0))
        self.params = [row if takes_powers(loss.point) else _rounded(row) for row in params]
        super().__init__(_frozen(loss, self.params), batches)
        self.shares = {sign: self._shares(sign) for sign in (-1, 1)}

    def _shares(self, sign: int) -> Floats:
        """Half of what log p, p and q contribute to each quantity of a label, (3, points): of x what x df/dx is.

        Where they cancel, a quantity passes through zero, or ends there because a row is switched off.
        """
        if self.loss.variable != "probability":
            return np.zeros((3, len(self.margins)))
        params = self.params[sign > 0]
        return np.array([SENSITIVE * _contributions(self.loss.point, sign * m, params) for m in self.margins]).T

    @staticmethod
    def _evaluate(loss: Any, batch: _Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        value, *derivatives = _Problem._evaluate(loss, batch, dtype, shift)
        return (value - loss._of_labels(loss._targets(batch.y_true, None, 1, dtype))).astype(dtype), *derivatives

    def growth(self, x: Floats) -> Floats:
        return np.maximum(1.0, abs(x) / CORE)

    def steps(self, x: Floats) -> list[Floats]:
        return [np.ones_like(x)]

    def judged(self, errors: list[Floats]) -> list[Floats]:
        hard, soft = errors  # two jumps may hide each other in a mixture
        jumps = np.isnan(hard).reshape(2, -1).any(axis=0)
        return [hard, np.where(np.tile(jumps, len(SOFT_LABELS)), np.nan, soft)]

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        hard = copy.copy(self.loss)
        hard.label_smoothing = 0.0
        columns = self._evaluate(hard, self.batches[0], np.float64)
        positive, negative = zip(*(np.split(column, 2) for column in columns), strict=True)
        return [self._terms(batch, dtype, positive, negative) for batch in self.batches]

    def truth(self, ctx: Any) -> dict[Any, list[_Truth]]:
        kernel = _exact_kernel(ctx, templates.binary_value, self.loss.point, self.loss.variable)
        known = {}
        for numbers in {tuple(row) for row in self.params}:
            exact = _exact_numbers(ctx, numbers)
            scalars = exact, exact, (ctx.one, ctx.one)
            known[numbers] = [_exact_derivatives(ctx, kernel, m, 1.0, 1.0, scalars) for m in self.margins]
        labels = []
        for params, weight, sign in zip(self.params, class_weights(self.loss, 2), (-1, 1), strict=True):
            rows = known[params][::sign]  # label 0 at z is label 1 at -z
            f, first, second, _, *jumps = _columns(rows)
            labels.append((weight * f, sign * weight * first, weight * second, *(jump.astype(bool) for jump in jumps)))
        negative, positive = labels
        return {dtype: [self._mixture(batch, dtype, positive, negative) for batch in self.batches] for dtype in DTYPES}

    def _mixture(self, batch: _Batch, dtype: Any, positive: tuple[Array, ...], negative: tuple[Array, ...]) -> _Truth:
        mixed = [self._mixed(batch, dtype, np.add, *pair) for pair in zip(positive, negative, strict=True)]
        parts = ([column.astype(float) for column in label[:3]] for label in (positive, negative))
        terms = zip(mixed, self._terms(batch, dtype, *parts), strict=False)  # the terms end before the jumps
        return _Truth(tuple(mixed[:3]), tuple(_largest(*pair) for pair in terms), tuple(jump > 0 for jump in mixed[3:]))

    def _mixed(self, batch: _Batch, dtype: Any, combine: Any, positive: Array, negative: Array) -> Array:
        """Combine the shares of both labels, which are what the loss makes of `y_true`."""
        y = self.loss._targets(batch.y_true, None, 1, dtype).y_true.astype(float)
        repeats = len(y) // len(self.margins)
        return combine(y * np.tile(positive, repeats), (1 - y) * np.tile(negative, repeats))

    def _terms(self, batch: _Batch, dtype: Any, positive: Any, negative: Any) -> tuple[Floats, ...]:
        """The largest terms, from value, gradient and second derivative for label 1 and for label 0 at every margin."""
        labels = []
        weights = class_weights(self.loss, 2)[::-1]
        for (value, gradient, hessian), sign, weight in zip((positive, negative), (1, -1), weights, strict=True):
            p = probability_parts(sign * self.margins)[2]
            pull = sign * p * gradient  # p * first
            coarse = hessian / p * float(np.finfo(dtype).tiny)  # larger than `hessian` where p is subnormal
            proportional = np.where(abs(gradient) < 1e6 * p, gradient / p * float(np.finfo(dtype).tiny), 0.0)
            terms = value, _largest(gradient, proportional), _largest(hessian + pull, pull, coarse)
            shares = self.shares[sign] * weight
            labels.append(tuple(_largest(term, share) for term, share in zip(terms, shares, strict=True)))
        return tuple(self._mixed(batch, dtype, np.maximum, *pair) for pair in zip(*labels, strict=True))


def _contributions(point: Any, margin: float, params: Any) -> Floats:
    """The largest x df/dx of value, gradient and second derivative f, x being log p, p and q; by differences."""
    log_p, log_q, p, q = (float(part) for part in probability_parts(margin))

    def margin_exp(log_p: float, log_q: float, shift: float, scale: float) -> tuple[float, float]:
        x = scale * (margin - shift)  # log p and q stay related to the margin
        return x, math.exp(-abs(x))

    plain = rebind(point, {"margin_exp": margin_exp, "real": float})

    def quantities(factors: tuple[float, ...]) -> Any:
        f, first, second = plain(log_p * factors[0], log_q, p * factors[1], q * factors[2], *params)
        return np.array([f, first, second - p * factors[1] * first])

    found = [np.zeros(3)]
    for k in range(3):
        up, down = (tuple(1 + sign * STEP if j == k else 1.0 for j in range(3)) for sign in (1, -1))
        try:
            found.append(abs(quantities(up) - quantities(down)) / (2 * STEP))
        except (ArithmeticError, ValueError):  # p or q underflows, or the formula wants numbers that belong together
            continue
    return np.nan_to_num(np.max(found, axis=0), nan=0.0, posinf=0.0)


class _Residuals(_Problem):
    """Residuals over many orders of magnitude, and around every parameter of the loss, which may be a scale."""

    symbol = "r"
    ranges: ClassVar = {"|r| <= 1e30": np.isfinite}

    def __init__(self, loss: RegressionLoss) -> None:
        typical = np.linspace(-3, 3, 61)
        params, _ = loss.prepare(np.zeros_like(typical), typical, np.empty(0))
        self.params = _rounded(params)
        self.scales = sorted({1.0, *(p for p in self.params if 0 < p < np.inf)})
        around = np.concatenate([np.geomspace(0.05, 20, 22), [1 - 1e-3, 1 - 1e-6, 1, 1 + 1e-6, 1 + 1e-3]])
        r = _float32_values(np.concatenate([np.geomspace(1e-8, 1e30, 77), *(s * around for s in self.scales)]))
        r = r[abs(r) < np.finfo(np.float32).max]
        super().__init__(_frozen(loss, self.params), [_Batch(np.zeros_like(r), r)])

    def steps(self, x: Floats) -> list[Floats]:
        return [np.where(x == 0, 1.0, abs(x)), *(np.full_like(x, scale) for scale in self.scales)]

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        (batch,) = self.batches
        quantities = self.kernel(batch, np.float64)
        third, _ = self.difference(batch, 2)
        value, gradient, hessian = self._terms((*quantities, third))
        # a second derivative far below the majoriser psi(r) / r is beyond the digits of differences
        return [(value, gradient, _largest(hessian, np.divide(quantities[1], batch.x)))]

    def _terms(self, quantities: tuple[Floats, ...]) -> tuple[Floats, ...]:
        """The largest terms, from value and three derivatives."""
        value, gradient, hessian, third = quantities
        r = self.batches[0].x
        quantile = getattr(self.loss, "quantile", None)
        slope = 0.0 if quantile is None else np.where(r > 0, 1 - quantile, quantile)
        return abs(value), _largest(gradient, r * hessian, slope), _largest(hessian, r * third)

    def truth(self, ctx: Any) -> dict[Any, list[_Truth]]:
        kernel = _exact_kernel(ctx, templates.elementwise_value, self.loss.point, "residual")
        scalars = (_exact_numbers(ctx, self.params),)
        step = min(self.scales)
        rows = [_exact_derivatives(ctx, kernel, r, abs(r) or step, 0.0, scalars) for r in self.batches[0].x]
        columns = _columns(rows)
        terms = self._terms(tuple(column.astype(float) for column in columns[:4]))
        truth = _Truth(columns[:3], terms, tuple(column.astype(bool) for column in columns[4:]))
        return {dtype: [truth] for dtype in DTYPES}


def _largest(*terms: Any) -> Floats:
    """The largest of the terms' sizes; a term that is NaN is none."""
    return np.fmax.reduce([abs(np.asarray(term, float)) for term in np.broadcast_arrays(*terms)])


def _rounded(params: Any) -> tuple[float, ...]:
    """Hyper-parameters as float32 numbers, so that both dtypes compute the same loss."""
    return tuple(float(np.float32(p)) for p in params)


def _frozen(loss: Any, params: Any) -> Any:
    """A copy with these parameters whatever the batch. Row weights of a batch are left out: they multiply all alike."""
    frozen = copy.copy(loss)
    frozen.prepare = lambda y_true, raw_prediction, sample_weight=None: (params, sample_weight)
    return frozen


# -------------------------------------------------------------------------------------------------- 50-digit arithmetic


def _truths(problem: _Problem) -> tuple[str, dict[Any, list[_Truth]]]:
    """What the truth was computed with, and the truth of every dtype; none without mpmath."""
    try:
        import mpmath
    except ImportError:
        return "differences only: mpmath is not installed", {}
    try:
        truths = problem.truth(mpmath.MPContext())
    except AttributeError as error:  # a function of `math` that mpmath does not have
        return f"differences only: {error}", {}
    return f"50-digit arithmetic by mpmath {mpmath.__version__}", truths


def _exact_kernel(ctx: Any, template: Any, point: Any, variable: str) -> Any:
    return bound_template(template, point, variable, mpmath_words(ctx), lambda function: function)


def _exact_numbers(ctx: Any, numbers: Any) -> tuple[Any, ...]:
    return tuple(ctx.mpf(number) for number in numbers)


def _exact_derivatives(ctx: Any, kernel: Any, x: float, unit: float, y: float, scalars: Any) -> tuple[Any, ...]:
    """Value, three derivatives, and whether value, first and second derivative jump, at `x`.

    Central differences with steps of 1e-20 units are right to 1e-40. The digits pay for the two divisions by the step
    and for what cancels, which may underflow in float64: exp(-|x|) beside 1 for a margin, any tail for a residual.
    """
    ctx.dps = 120 + int(0.45 * min(abs(x), 760)) if y else 440
    h = ctx.mpf(unit) * ctx.mpf(10) ** -20
    points = np.array([ctx.mpf(x) + k * h for k in range(-2, 3)], dtype=object)
    f = np.empty(5, dtype=object)
    try:
        kernel(np.array([ctx.mpf(y)] * 5, dtype=object), points, np.empty(0), *scalars, f)
        left, right = (3 * f[2] - 4 * f[1] + f[0]) / (2 * h), (4 * f[3] - 3 * f[2] - f[4]) / (2 * h)
        left_2, right_2 = (f[2] - 2 * f[1] + f[0]) / h**2, (f[2] - 2 * f[3] + f[4]) / h**2
        first, second = (f[3] - f[1]) / (2 * h), (f[3] - 2 * f[2] + f[1]) / h**2
        third = (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * h**3)
        noise = abs(f[2]) * ctx.mpf(10) ** (60 - ctx.dps)
        jump = abs(left - right) > max(abs(left), abs(right)) * 1e-30 + abs(h * second) * 1e-10 + noise / unit
        jump_2 = abs(left_2 - right_2) > max(abs(left_2), abs(right_2)) * 1e-15 + noise / unit**2
        if abs(second) < noise / unit**2:  # below the digits of the value, hence of both dtypes
            second = ctx.zero
        return f[2], first, second, third, False, bool(jump), bool(jump or jump_2)
    except (ZeroDivisionError, ValueError, TypeError):  # TypeError: comparing complex numbers
        return ctx.nan, ctx.nan, ctx.nan, ctx.nan, True, True, True


def _columns(rows: list[tuple[Any, ...]]) -> tuple[Array, ...]:
    return tuple(np.array(column, dtype=object) for column in zip(*rows, strict=True))


def _ulp_errors(computed: Array, truth: Array, terms: Floats) -> Floats:
    """Errors in units in the last place of the largest terms, in the dtype of `computed`."""
    info = np.finfo(computed.dtype)
    _, exponent = np.frexp(np.minimum(terms, float(info.max)))
    unit = np.ldexp(1.0, np.maximum(exponent - info.nmant - 1, info.minexp - info.nmant))
    errors = np.array([_distance(c, t) for c, t in zip(computed.tolist(), truth, strict=True)], dtype=object)
    errors = (errors / unit).astype(float)
    overflow = np.isinf(computed) & (terms >= float(info.max) * (1 - float(info.eps)))
    return np.where(overflow, 0.0, errors)


def _distance(computed: float, truth: Any) -> Any:
    return abs(truth - computed) if np.isfinite(computed) else truth.context.inf


def _tolerance_factor(loss: Loss, dtype: Any) -> float:
    """In float64 a power is that of a rounded base: its error grows with the exponent."""
    if dtype == np.float32:
        return 1.0
    values = [value for name, value in loss.get_params().items() if name.startswith("gamma") and value is not None]
    gamma = max([0.0, *(float(np.max(value)) for value in values)])
    return max(1.0, (4 + gamma) / 6, 0.3 * gamma)


def _ulp_rows(problem: _Problem, truths: dict[Any, list[_Truth]], ulp: float) -> Iterator[Row]:
    for dtype, truth in truths.items():
        tolerance = ulp * _tolerance_factor(problem.loss, dtype)
        kernels = [problem.kernel(batch, dtype) for batch in problem.batches]
        for k, quantity in enumerate(QUANTITIES):
            errors = [
                np.where(t.jumps[k], np.nan, _ulp_errors(computed[k], t.quantities[k], t.terms[k]))
                for computed, t in zip(kernels, truth, strict=True)
            ]
            for name, inside in problem.ranges.items():
                titles = quantity, "50 digits", dtype.__name__, name
                yield _worst_row(problem, titles, errors, inside, "ulp", tolerance)


def _worst_row(
    problem: _Problem,
    titles: tuple[str, str, str, str],
    errors: list[Floats],
    inside: Callable[[Floats], Array],
    unit: str,
    tolerance: float,
) -> Row:
    """The row of the largest error within a range; NaN marks points that are not judged."""
    worst, at, not_judged = np.nan, "", 0
    for batch, error in zip(problem.batches, errors, strict=True):
        scaled = np.where(inside(batch.x), error / problem.growth(batch.x), np.nan)
        not_judged += int((np.isnan(error) & inside(batch.x)).sum())
        if np.isnan(scaled).all():
            continue
        i = int(np.nanargmax(scaled))
        if not scaled[i] <= worst:
            worst, at = float(scaled[i]), batch.place(i, problem.symbol)
    return Row(*titles, worst, unit, tolerance, at, not_judged)


# ------------------------------------------------------------------------------------------------- finite differences


def _difference(function: Callable[[Any], Array], x: Floats, lengths: list[Floats]) -> tuple[Floats, Floats]:
    """Fourth-order central differences and their uncertainty: the best of four steps per length."""
    derivative, uncertainty = np.full_like(x, np.nan), np.full_like(x, np.inf)
    for length in lengths:
        for power in (-3, -6, -9, -12):
            h = np.ldexp(1.0, np.frexp(length)[1] + power)  # powers of two: adding them to a point rounds nothing
            f = {k: function(k * h) for k in (-4, -2, -1, 0, 1, 2, 4)}
            fine = (8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * h)
            coarse = (8 * (f[2] - f[-2]) - (f[4] - f[-4])) / (24 * h)
            noise = 8 * np.finfo(float).eps * (np.max(np.abs(list(f.values())), axis=0) + abs(x * fine)) / h
            two_sided = (4 * (f[1] + f[-1]) - 6 * f[0] - f[2] - f[-2]) / (2 * h)  # right minus left: not 0 at a kink
            doubt = np.maximum(abs(fine - coarse), abs(two_sided)) + noise
            better = doubt < uncertainty
            derivative, uncertainty = np.where(better, fine, derivative), np.where(better, doubt, uncertainty)
    return derivative, uncertainty


def _difference_rows(problem: _Problem, ulp: float) -> Iterator[Row]:
    kernels = {dtype: [problem.kernel(batch, dtype) for batch in problem.batches] for dtype in DTYPES}
    terms = {dtype: problem.kernel_terms(dtype) for dtype in DTYPES}
    for k, quantity in ((1, "gradient"), (2, "hessian")):
        differences = [problem.difference(batch, k - 1) for batch in problem.batches]
        for dtype in DTYPES:
            errors = [
                _difference_errors(computed[k], *difference, term[k])
                for computed, difference, term in zip(kernels[dtype], differences, terms[dtype], strict=True)
            ]
            errors = problem.judged(errors)
            tolerance = DIFFERENCE_TOLERANCE + (ulp * float(np.finfo(dtype).eps) if dtype == np.float32 else 0.0)
            titles = quantity, "differences", dtype.__name__, "all"
            yield _worst_row(problem, titles, errors, np.isfinite, "", tolerance)


def _difference_errors(computed: Array, derivative: Floats, uncertainty: Floats, terms: Floats) -> Floats:
    """Relative errors beyond the uncertainty; NaN where that is too large, or the result beyond the dtype."""
    info = np.finfo(computed.dtype)
    scale = _largest(terms, derivative, float(info.tiny))
    errors = np.maximum(abs(computed - derivative) - uncertainty, 0) / scale
    unclear = ~(uncertainty <= DIFFERENCE_TOLERANCE * scale) | ~(abs(derivative) <= float(info.max))
    return np.where(unclear, np.nan, np.where(np.isnan(errors), np.inf, errors))


# ------------------------------------------------------------------------------ finite, positive, start and posterior


def _count_row(titles: tuple[str, str, str, str], places: list[str]) -> Row:
    return Row(*titles, len(places), "points", 0, places[0] if places else "")


def _finite_rows(problem: _Problem, truths: dict[Any, list[_Truth]]) -> Iterator[Row]:
    """NaN nowhere, inf only where the truth exceeds the dtype: without mpmath, what float64 gives is the truth."""
    for dtype in DTYPES:
        limit, places = float(np.finfo(dtype).max), []
        for b, batch in enumerate(problem.batches):
            truth = truths[dtype][b].terms if truths else problem.kernel(batch, np.float64)
            for name, computed, reference in zip(QUANTITIES, problem.kernel(batch, dtype), truth, strict=True):
                beyond = abs(reference) >= limit * (1 - float(np.finfo(dtype).eps))
                beyond = beyond if truths else beyond & np.isfinite(reference)
                bad = np.isnan(computed) | (np.isinf(computed) & ~beyond)
                places += [f"{name}, {batch.place(i, problem.symbol)}" for i in np.flatnonzero(bad)]
        yield _count_row(("no NaN, no inf", "dtype's range", dtype.__name__, "all"), places)


def _curvature_rows(problem: _Problem) -> Iterator[Row]:
    """Every curvature one may train with, not the unfloored second derivative."""
    for dtype in DTYPES:
        places = []
        for name in problem.loss.curvatures:
            trained = copy.copy(problem.loss)
            trained.curvature = name
            for batch in problem.batches:
                _, hessian = trained.gradient_hessian(batch.y_true.astype(dtype), batch.x.astype(dtype))
                bad = np.flatnonzero(~((hessian > 0) & np.isfinite(hessian)))
                places += [f"curvature {name!r}, {batch.place(i, problem.symbol)}" for i in bad]
        yield _count_row(("curvature > 0, finite", "", dtype.__name__, "all"), places)


def _start_row(loss: Loss) -> Row:
    """The weighted gradients of some labels sum to zero at the best constant, or change sign there."""
    random = np.random.default_rng(0)
    y_true = random.lognormal(size=101)
    if isinstance(loss, ClassificationLoss):
        y_true = (y_true > 2).astype(float)
    weight = random.uniform(0.5, 2, 101)

    def gradients(z: float) -> Floats:
        return loss.gradient_hessian(y_true, np.full(101, z), weight)[0]

    titles = "start", "sum of gradients", "float64", "101 labels"
    try:
        start = loss.fit_intercept_only(y_true, weight)
    except (ValueError, RuntimeError) as failure:
        return Row(*titles, np.nan, "", ROOT_TOLERANCE, str(failure))
    at_start = gradients(start)
    error = float(abs(at_start.sum()) / abs(at_start).sum())
    near = ROOT_TOLERANCE * max(1.0, abs(start))
    if gradients(start - near).sum() <= 0 <= gradients(start + near).sum():
        error = min(error, ROOT_TOLERANCE)  # gradients that jump have no zero
    return Row(*titles, error, "", ROOT_TOLERANCE, f"{start:.6g}")


def _posterior_rows(problem: _Problem, loss: Any) -> Iterator[Row]:
    """The posterior does not fall with the margin, and is the mixture of labels that the margin is best for."""
    if not isinstance(problem, _Margins):
        return
    hard = problem.batches[0]
    loss = loss.resolve(hard.y_true)
    try:
        eta = loss.predict_proba(problem.margins)
    except (AttributeError, ValueError) as failure:
        if "no posterior" not in str(failure):
            raise
        return
    falls = np.flatnonzero(np.diff(eta[:, 1]) < -1e-14)
    yield _count_row(("posterior rises", "", "float64", "all"), [f"z = {problem.margins[i]:.9g}" for i in falls])
    positive, negative = np.split(loss.gradient_hessian(hard.y_true, hard.x)[0], 2)
    terms = eta[:, 1] * positive, eta[:, 0] * negative
    inside = (abs(problem.margins) <= CORE) & (eta.min(axis=1) > 1e-280)  # some posteriors end at 0 and 1
    error = np.where(inside, abs(terms[0] + terms[1]) / _largest(*terms), 0)
    i = int(np.argmax(error))
    titles = "posterior inverts", "gradients", "float64", "|z| <= 20"
    yield Row(*titles, float(error[i]), "", ROOT_TOLERANCE, f"z = {problem.margins[i]:.9g}")
