"""What is timed: one evaluation of gradient and curvature into buffers, as in a round of boosting."""

import numpy as np
from numba import njit

from boostloss.kernels.threads import empty_like
from boostloss.losses.base import Training


def _prepared(loss, y, z, sample_weight):
    """What stays the same over the rounds: a loss of numbers, checked targets; and the buffers that engines get."""
    targets = loss._targets(y, sample_weight, 1 if z.ndim == 1 else z.shape[1], np.float32)
    buffers = empty_like(z, np.float32), empty_like(z, np.float32)
    return loss._with_numbers(targets), targets, buffers


def kernel_of(loss, y, z, sample_weight=None):
    """The derivatives of a loss alone."""
    loss, targets, buffers = _prepared(loss, y, z, sample_weight)
    return lambda: loss._derivatives(targets, z, None, *buffers)


def engine_call_of(loss, y, z):
    """The derivatives as an engine gets them: those of a regression loss divided by the mean curvature."""
    loss, targets, buffers = _prepared(loss, y, z, None)
    return lambda: loss._engine_derivatives(targets, z, Training(), *buffers)


def scikit_learn_call(loss, y, z, n_threads):
    """One of scikit-learn's losses."""
    y = y.astype(z.dtype)
    buffers = {"gradient_out": empty_like(z), "hessian_out": empty_like(z)}
    return lambda: loss.gradient_hessian(y_true=y, raw_prediction=z, n_threads=n_threads, **buffers)


@njit(nogil=True)
def _copy(z, first, second):
    for i in range(z.shape[0]):
        first[i], second[i] = z[i], z[i]


def plain_copy(z):
    """Read raw predictions once and write float32 twice: what memory alone takes."""
    z = z.ravel(order="K")
    buffers = empty_like(z, np.float32), empty_like(z, np.float32)
    return lambda: _copy(z, *buffers)
