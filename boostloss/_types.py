"""Short names of the types that formulas, loops and what lies between them are made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]  # float32 or float64; during a training on a device what numba-cuda has in its place
Floats: TypeAlias = NDArray[np.float64]

Function: TypeAlias = Callable[..., Any]  # a formula or a template, plain Python

# What a formula returns. It is written for floats, and so it runs as it stands; compiled it has the kernel's numbers
OfProbability: TypeAlias = tuple[float, float, float]  # f, q f', q^2 f''
OfNumber: TypeAlias = tuple[float, float, float, float]  # value, gradient, second derivative, curvature

Parameters: TypeAlias = tuple[float, ...]  # hyper-parameters of a formula
Memory: TypeAlias = dict[Any, Any]  # of a training: what a loss keeps from round to round

OfClasses: TypeAlias = Sequence[float] | Array  # a number for every class
ClassWeight: TypeAlias = str | Mapping[Any, float] | OfClasses | None

Number: TypeAlias = Any  # in a kernel: float32 or float64, and where there are no doubles a pair of float32
Numbers: TypeAlias = tuple[Number, ...]
