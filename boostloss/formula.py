"""The words a formula (`point`) may use besides arithmetic, ternaries and `math`; see `boostloss.kernels.scalar`."""

from boostloss.kernels.scalar import exp, expm1, hypot, log, log1p, log1p_unit, number, power_q, real, sqrt, tanh

__all__ = ["exp", "expm1", "hypot", "log", "log1p", "log1p_unit", "number", "power_q", "real", "sqrt", "tanh"]
