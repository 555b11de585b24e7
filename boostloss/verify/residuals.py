"""Losses of a residual, over many orders of magnitude."""

from typing import Any, ClassVar

import numpy as np

from boostloss.kernels import templates
from boostloss.losses.regression_base import RegressionLoss
from boostloss.verify.arrays import Floats, as_columns, float32_values, largest, rounded
from boostloss.verify.exact import exact_derivatives, exact_kernel, exact_numbers
from boostloss.verify.problem import DTYPES, Batch, Problem, Truth, frozen_copy


class Residuals(Problem):
    """Residuals over many orders of magnitude, and around every parameter of the loss, which may be a scale."""

    symbol = "r"
    ranges: ClassVar = {"|r| <= 1e30": np.isfinite}

    def __init__(self, loss: RegressionLoss) -> None:
        typical = np.linspace(-3, 3, 61)
        params, _ = loss.prepare(np.zeros_like(typical), typical, np.empty(0))
        self.params = rounded(params)
        self.scales = sorted({1.0, *(p for p in self.params if 0 < p < np.inf)})
        around = np.concatenate([np.geomspace(0.05, 20, 22), [1 - 1e-3, 1 - 1e-6, 1, 1 + 1e-6, 1 + 1e-3]])
        r = float32_values(np.concatenate([np.geomspace(1e-8, 1e30, 77), *(s * around for s in self.scales)]))
        r = r[abs(r) < np.finfo(np.float32).max]
        origin = loss.predict(np.zeros_like(r))  # the target whose link is 0
        super().__init__(frozen_copy(loss, self.params), [Batch(origin, r)])

    def steps(self, x: Floats) -> list[Floats]:
        """The residual itself, and the smallest scale of the loss."""
        least = self.scales[0]  # with longer steps a loss that levels off would look flat
        return [np.where(x == 0, least, abs(x)), np.full_like(x, least)]

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        """From the kernel and differences of it."""
        (batch,) = self.batches
        quantities = self.kernel(batch, np.float64)
        third, _ = self.difference(batch, 2)
        value, gradient, hessian = self._terms((*quantities, batch.x * quantities[2], batch.x * third))
        # a second derivative far below the majoriser psi(r) / r is beyond the digits of differences
        return [(value, gradient, largest(hessian, np.divide(quantities[1], batch.x)))]

    def _terms(self, quantities: tuple[Floats, ...]) -> tuple[Floats, ...]:
        """The largest terms, from value, two derivatives, and r times the second and the third."""
        value, gradient, hessian, r_hessian, r_third = quantities
        r = self.batches[0].x
        quantile = getattr(self.loss, "quantile", None)
        slope = 0.0 if quantile is None else np.where(r > 0, 1 - quantile, quantile)
        return abs(value), largest(gradient, r_hessian, slope), largest(hessian, r_third)

    def truth(self, ctx: Any) -> dict[Any, list[Truth]]:
        """The formula at every residual."""
        kernel = exact_kernel(ctx, templates.elementwise_value, self.loss.point, "residual")
        scalars = (exact_numbers(ctx, self.params),)
        step = min(self.scales)
        rows = [exact_derivatives(ctx, kernel, r, abs(r) or step, 0.0, scalars) for r in self.batches[0].x]
        columns = as_columns(rows)
        products = [self.batches[0].x * column for column in columns[2:4]]  # a factor alone may underflow
        terms = self._terms(tuple(column.astype(float) for column in (*columns[:3], *products)))
        truth = Truth(columns[:3], terms, tuple(column.astype(bool) for column in columns[4:]))
        return {dtype: [truth] for dtype in DTYPES}
