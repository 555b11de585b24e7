"""What is checked: points, what the kernels give there, and what they should."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from boostloss.verify.arrays import Array, Floats
from boostloss.verify.differences import difference

DTYPES = (np.float32, np.float64)
QUANTITIES = ("value", "gradient", "hessian")
CORE = 20.0  # the bound in ulp is constant up to this margin, and grows with the margin beyond


@dataclass(frozen=True)
class Batch:
    """Rows that one kernel call evaluates."""

    y_true: Floats
    x: Floats  # the raw prediction: a margin, or a residual because y_true is 0

    def place(self, i: Any, symbol: str) -> str:
        """Row `i` in words."""
        label = f"y = {self.y_true[i]:g}, " if symbol == "z" else ""
        return f"{label}{symbol} = {self.x[i]:.9g}"


@dataclass(frozen=True)
class Truth:
    """What a batch's quantities should be, the size of the largest term of each, and where each of them jumps."""

    quantities: tuple[Array, ...]
    terms: tuple[Floats, ...]
    jumps: tuple[Array, ...]


class Problem:
    """The points at which a loss is checked, and the loss with everything that depends on a batch frozen."""

    symbol = ""
    ranges: ClassVar[dict[str, Callable[[Floats], Array]]]

    def __init__(self, loss: Any, batches: list[Batch]) -> None:
        self.loss = loss
        self.batches = batches

    @property
    def n_points(self) -> int:
        """Of all batches."""
        return sum(len(batch.x) for batch in self.batches)

    def kernel(self, batch: Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        """Value, gradient and exact second derivative, the points moved by `shift`."""
        return self._evaluate(self.loss, batch, dtype, shift)

    @staticmethod
    def _evaluate(loss: Any, batch: Batch, dtype: Any, shift: Any = 0.0) -> tuple[Array, ...]:
        y_true, raw = batch.y_true.astype(dtype), (batch.x + shift).astype(dtype)
        return loss.loss(y_true, raw), *loss.gradient_hessian(y_true, raw, curvature="exact")

    def difference(self, batch: Batch, k: int) -> tuple[Floats, Floats]:
        """The derivative of the float64 kernel's k-th result by differences, and its uncertainty."""
        return difference(lambda shift: self.kernel(batch, np.float64, shift)[k], batch.x, self.steps(batch.x))

    def growth(self, x: Floats) -> Floats:
        """By how much the tolerance is wider at `x`."""
        return np.ones_like(x)

    def steps(self, x: Floats) -> list[Floats]:
        """Lengths over which the loss may change its shape at `x`."""
        raise NotImplementedError  # each kind of problem has its own

    def judged(self, errors: list[Floats]) -> list[Floats]:
        """Errors of differences per batch, NaN where they are not to be judged."""
        return errors

    def kernel_terms(self, dtype: Any) -> list[tuple[Floats, ...]]:
        """The largest terms of every batch for results of `dtype`, from the float64 kernel."""
        raise NotImplementedError  # each kind of problem has its own

    def truth(self, ctx: Any) -> dict[Any, list[Truth]]:
        """The truth of every batch, per dtype."""
        raise NotImplementedError  # each kind of problem has its own


def frozen_copy(loss: Any, params: Any) -> Any:
    """A copy with these parameters whatever the batch. Row weights of a batch are left out: they multiply all alike."""
    frozen = copy.copy(loss)
    frozen.prepare = lambda y_true, raw_prediction, sample_weight=None: (params, sample_weight)
    return frozen
