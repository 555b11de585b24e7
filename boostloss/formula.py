"""The words a formula (`point`) may use besides arithmetic, ternaries and `math`; see `boostloss.kernels.scalar`."""

from boostloss.kernels.scalar import (
    exp,
    exp_product,
    expm1,
    hypot,
    joined,
    log,
    log1p,
    log1p_unit,
    margin_exp,
    number,
    plus,
    power_q,
    real,
    sqrt,
    tanh,
)

__all__ = [
    "exp",
    "exp_product",
    "expm1",
    "hypot",
    "joined",
    "log",
    "log1p",
    "log1p_unit",
    "margin_exp",
    "number",
    "plus",
    "power_q",
    "real",
    "sqrt",
    "tanh",
]
