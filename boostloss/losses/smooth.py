"""Pieces that several formulas share, in scalar Python like them."""

from boostloss.kernels.scalar import hypot

C3, C5, C7, C9, C11, C13, C15, C17, C19, C21, C23, C25, C27, C29, C31, C33 = (1 / n for n in range(3, 35, 2))


def artanh_tail(t: float) -> float:
    """1/3 + t/5 + t^2/7 + .., of artanh(u) = u + u t (..) with t = u^2; cut below 1e-19 for abs(u) <= 1/4."""
    t2 = t * t
    t4 = t2 * t2
    y = (C33 * t + C31) * t2 + (C29 * t + C27)
    y = y * t4 + ((C25 * t + C23) * t2 + (C21 * t + C19))
    y = y * t4 + ((C17 * t + C15) * t2 + (C13 * t + C11))
    return y * t4 + ((C9 * t + C7) * t2 + (C5 * t + C3))


def smooth_abs(r: float, b: float) -> tuple[float, float, float]:
    """s = sqrt(r^2 + b^2), what it exceeds abs(r) by, without cancellation, and its second derivative b^2 / s^3."""
    s = hypot(r, b)
    t = b / s
    return s, b * (b / (s + abs(r))), t * t / s
