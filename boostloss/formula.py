"""The words a formula (`point`) may use besides arithmetic, ternaries and `math`; see `boostloss.kernels.scalar`.

``exp(x)``, ``expm1(x)``, ``log(x)``, ``log1p(x)``, ``sqrt(x)``, ``tanh(x)``, ``hypot(x, y)``
    As in `math`.
``log1p_unit(x)``
    log(1 + x) for x in [0, 1], for half the price.
``power_q(q, log_q, gamma)``
    q ** gamma for gamma >= 0, 0 ** 0 being 1. A formula with this word or with one of those below gets log q with more
    digits than a row's type has, for a factor multiplies its error, and its hyper-parameters in double.
``exp_product(log_x, k)``
    exp(k log_x) for log_x <= 0 with such digits, and k >= 0.
``margin_exp(log_p, log_q, shift, scale)``
    x = scale (m - shift) of the margin m = log p - log q, and exp(-abs(x)). A formula with it gets log p in more digits
    too.
``joined(high, low)``
    high + low with more digits than a row's type has.
``plus(log_q, x)``
    log_q + x, of as many digits as log_q.
``number(log_q)``
    What has more digits, in a row's type: wherever arithmetic follows.
``real(gamma)``
    A hyper-parameter in a row's type: the same.
"""

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
