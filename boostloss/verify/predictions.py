"""Losses of the target and the raw prediction, on pairs of them."""

from typing import Any, ClassVar

import numpy as np

from boostloss.kernels import templates
from boostloss.losses.regression_base import RegressionLoss
from boostloss.verify.arrays import Floats, as_columns, float32_values, largest, rounded
from boostloss.verify.exact import exact_derivatives, exact_kernel, exact_numbers
from boostloss.verify.problem import DTYPES, Batch, Problem, Truth, frozen_copy

TARGETS = np.array([-300.0, -2.0, -0.01, 0.0, 0.03, 0.5, 1.0, 7.0, 400.0, 1e6], np.float32).astype(np.float64)


class Predictions(Problem):
    """Targets of both signs, as far as the loss takes them, with raw predictions near and far."""

    symbol = "z"
    ranges: ClassVar = {"all": np.isfinite}

    def __init__(self, loss: RegressionLoss) -> None:
        targets = [y for y in TARGETS if _takes(loss, y)]
        pairs = [(y, z) for y in targets for z in _raw_predictions(loss, y)]
        y, z = np.array(pairs).T
        typical = np.resize([target for target in targets if target] or targets, 60)
        params, _ = loss.prepare(typical, typical * (1 + np.linspace(-1, 1, 60)), np.empty(0))
        self.params = rounded(params)
        super().__init__(frozen_copy(loss, self.params), [Batch(y, z)])

    def steps(self, x: Floats) -> list[Floats]:
        """The raw prediction, its distance from the target where the link is none, and one unit of a logarithm."""
        if self.loss.link != "identity":
            return [np.ones_like(x)]
        y = self.batches[0].y_true
        return [np.where(x == y, abs(y) + (y == 0), abs(x - y)), np.where(x == 0, 1.0, abs(x))]

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        """From the kernel, differences of it, and its neighbours."""
        (batch,) = self.batches
        quantities = self.kernel(batch, np.float64)
        third, _ = self.difference(batch, 2)
        delta = 1e-6
        sides = [self.kernel(Batch(batch.y_true * (1 + d), batch.x), np.float64) for d in (delta, -delta)]
        by_target = [(up - down) / (2 * delta) for up, down in zip(*sides, strict=True)]
        return [self._terms((*quantities, np.nan_to_num(third)), by_target)]

    def _terms(self, quantities: tuple[Floats, ...], by_target: list[Floats]) -> tuple[Floats, ...]:
        """The largest terms, from value and three derivatives, and from y times the derivatives by y."""
        value, gradient, hessian, third = quantities
        z = self.batches[0].x
        f, g, h = by_target
        return largest(value, z * gradient, f), largest(gradient, z * hessian, g), largest(hessian, z * third, h)

    def truth(self, ctx: Any) -> dict[Any, list[Truth]]:
        """The formula at every pair, and at targets beside it."""
        kernel = exact_kernel(ctx, templates.elementwise_value, self.loss.point, "prediction")
        scalars = (exact_numbers(ctx, self.params),)
        batch = self.batches[0]
        unit = self.steps(batch.x)[0]
        columns = [
            as_columns(
                [
                    exact_derivatives(ctx, kernel, z, u, ctx.mpf(y) * (1 + d * ctx.mpf(10) ** -20), scalars)
                    for y, z, u in zip(batch.y_true, batch.x, unit, strict=True)
                ]
            )
            for d in (-1, 0, 1)
        ]
        below, here, above = columns
        by_target = [((a - b) * ctx.mpf(10) ** 20 / 2).astype(float) for a, b in zip(above[:3], below[:3], strict=True)]
        terms = self._terms(tuple(column.astype(float) for column in here[:4]), by_target)
        truth = Truth(here[:3], terms, tuple(column.astype(bool) for column in here[4:]))
        return {dtype: [truth] for dtype in DTYPES}


def _takes(loss: RegressionLoss, y: float) -> bool:
    """Whether `y` is a target of the loss; with a logarithm as its link 0 may be one."""
    if (loss.link == "log" and y < 0) or (loss.link == "log1p" and y <= -1):
        return False
    try:
        loss._check_domain(np.array([y]))
    except ValueError:
        return False
    return True


def _raw_predictions(loss: RegressionLoss, y: float) -> Floats:
    """Around the target and far from it; logarithms up to 30."""
    around = float32_values(np.concatenate([np.geomspace(1e-6, 30, 24), [0.5, 1.0, 2.0]]))
    if loss.link != "identity":
        near = np.log(y) + around / 30 if y > 0 else np.empty(0)
        return np.unique(float32_values(np.concatenate([abs(around), abs(near)])))
    far = float32_values(np.geomspace(1e-3, 1e6, 10))
    return np.unique(np.concatenate([y + abs(y) * around, far]).astype(np.float32).astype(np.float64))
