"""Losses of classes, at every margin with both labels, then with soft ones."""

import copy
import math
from typing import Any, ClassVar

import numpy as np

from boostloss.kernels import templates
from boostloss.kernels.cpu import rebind, takes_powers
from boostloss.losses.class_weight import class_weights
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.probability import probability_parts
from boostloss.verify.arrays import Array, Floats, as_columns, float32_values, largest, rounded
from boostloss.verify.exact import exact_derivatives, exact_kernel, exact_numbers
from boostloss.verify.problem import CORE, DTYPES, Batch, Problem, Truth, frozen_copy

SOFT_LABELS = (0.125, 0.5, 0.75)
SENSITIVE, STEP = 0.5, 1e-6


class Margins(Problem):
    """Two classes: every margin with both labels, then with soft ones."""

    symbol = "z"
    ranges: ClassVar = {"|z| <= 20": lambda z: abs(z) <= CORE, "|z| > 20, x 20/|z|": lambda z: abs(z) > CORE}

    def __init__(self, loss: ClassificationLoss) -> None:
        core = [1e-8, 1e-6, 1e-4, 1e-3, 1e-2, *np.linspace(0.05, 2, 14), *np.linspace(2.3, CORE, 26)]
        far = [22, 25, 30, 35, 40, 50, 60, 70, 80, 86, 88, 90, 95, 100, 103, 105]  # float32 underflows from 87 to 104
        very_far = [200, 400, 700, 708, 720, 740, 745, 750, 1e3, 1e4]  # float64 from 708 to 745
        self.margins = float32_values([*core, *far, *very_far])
        batches = [
            Batch(np.repeat(labels, len(self.margins)), np.tile(self.margins, len(labels)))
            for labels in ((1.0, 0.0), SOFT_LABELS)
        ]
        y_true, margins = batches[0].y_true, batches[0].x
        loss = loss.resolve(y_true)
        params, _ = loss.prepare(y_true, margins, np.empty(0))
        self.params = [row if takes_powers(loss.point) else rounded(row) for row in params]
        super().__init__(frozen_copy(loss, self.params), batches)
        self.shares = {sign: self._shares(sign) for sign in (-1, 1)}

    def _shares(self, sign: int) -> Floats:
        """Half of what log p, p and q contribute to each quantity of a label, (3, points): of x what x df/dx is.

        Where they cancel, a quantity passes through zero, or ends there because a row is switched off.
        """
        if self.loss.variable != "probability":
            return np.zeros((3, len(self.margins)))
        params = self.params[sign > 0]
        return np.array([SENSITIVE * contributions(self.loss.point, sign * m, params) for m in self.margins]).T

    @staticmethod
    def _evaluate(loss: Any, batch: Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        value, *derivatives = Problem._evaluate(loss, batch, dtype, shift)
        return (value - loss._of_labels(loss._targets(batch.y_true, None, 1, dtype))).astype(dtype), *derivatives

    def growth(self, x: Floats) -> Floats:
        """In proportion to the margin beyond the core."""
        return np.maximum(1.0, abs(x) / CORE)

    def steps(self, x: Floats) -> list[Floats]:
        """One unit of the margin."""
        return [np.ones_like(x)]

    def judged(self, errors: list[Floats]) -> list[Floats]:
        """Soft labels not where hard ones have a jump."""
        hard, soft = errors  # two jumps may hide each other in a mixture
        jumps = np.isnan(hard).reshape(2, -1).any(axis=0)
        return [hard, np.where(np.tile(jumps, len(SOFT_LABELS)), np.nan, soft)]

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        """The terms of both labels, mixed."""
        hard = copy.copy(self.loss)
        hard.label_smoothing = 0.0
        columns = self._evaluate(hard, self.batches[0], np.float64)
        positive, negative = zip(*(np.split(column, 2) for column in columns), strict=True)
        return [self._terms(batch, dtype, positive, negative) for batch in self.batches]

    def truth(self, ctx: Any) -> dict[Any, list[Truth]]:
        """The formula for label 1, of which label 0 is the mirror image."""
        kernel = exact_kernel(ctx, templates.binary_value, self.loss.point, self.loss.variable)
        known = {}
        for numbers in {tuple(row) for row in self.params}:
            exact = exact_numbers(ctx, numbers)
            scalars = exact, exact, (ctx.one, ctx.one)
            known[numbers] = [exact_derivatives(ctx, kernel, m, 1.0, 1.0, scalars) for m in self.margins]
        labels = []
        for params, weight, sign in zip(self.params, class_weights(self.loss, 2), (-1, 1), strict=True):
            rows = known[params][::sign]  # label 0 at z is label 1 at -z
            f, first, second, _, *jumps = as_columns(rows)
            labels.append((weight * f, sign * weight * first, weight * second, *(jump.astype(bool) for jump in jumps)))
        negative, positive = labels
        return {dtype: [self._mixture(batch, dtype, positive, negative) for batch in self.batches] for dtype in DTYPES}

    def _mixture(self, batch: Batch, dtype: Any, positive: tuple[Array, ...], negative: tuple[Array, ...]) -> Truth:
        mixed = [self._mixed(batch, dtype, np.add, *pair) for pair in zip(positive, negative, strict=True)]
        parts = ([column.astype(float) for column in label[:3]] for label in (positive, negative))
        terms = zip(mixed, self._terms(batch, dtype, *parts), strict=False)  # the terms end before the jumps
        return Truth(tuple(mixed[:3]), tuple(largest(*pair) for pair in terms), tuple(jump > 0 for jump in mixed[3:]))

    def _mixed(self, batch: Batch, dtype: Any, combine: Any, positive: Array, negative: Array) -> Array:
        """Combine the shares of both labels, which are what the loss makes of `y_true`."""
        y = self.loss._targets(batch.y_true, None, 1, dtype).y_true.astype(float)
        repeats = len(y) // len(self.margins)
        combined: Array = combine(y * np.tile(positive, repeats), (1 - y) * np.tile(negative, repeats))
        return combined

    def _terms(self, batch: Batch, dtype: Any, positive: Any, negative: Any) -> tuple[Floats, ...]:
        """The largest terms, from value, gradient and second derivative for label 1 and for label 0 at every margin."""
        labels = []
        weights = class_weights(self.loss, 2)[::-1]
        for (value, gradient, hessian), sign, weight in zip((positive, negative), (1, -1), weights, strict=True):
            p = probability_parts(sign * self.margins)[2]
            pull = sign * p * gradient  # p * first
            coarse = hessian / p * float(np.finfo(dtype).tiny)  # larger than `hessian` where p is subnormal
            proportional = np.where(abs(gradient) < 1e6 * p, gradient / p * float(np.finfo(dtype).tiny), 0.0)
            terms = value, largest(gradient, proportional), largest(hessian + pull, pull, coarse)
            shares = self.shares[sign] * weight
            labels.append(tuple(largest(term, share) for term, share in zip(terms, shares, strict=True)))
        return tuple(self._mixed(batch, dtype, np.maximum, *pair) for pair in zip(*labels, strict=True))


def contributions(point: Any, margin: float, params: Any) -> Floats:
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
    largest_found: Floats = np.nan_to_num(np.max(found, axis=0), nan=0.0, posinf=0.0)
    return largest_found
