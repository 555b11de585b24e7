"""Every template in Numba's CUDA simulator against the kernels for the CPU: a program of its own, for test_cuda.

The simulator is chosen before Numba is imported, by NUMBA_ENABLE_CUDASIM=1. It is plain Python: it shows that the
right numbers meet, not how they are rounded.
"""

import sys
import warnings

import numpy as np
from conftest import Case

import boostloss as bl
from boostloss._device import DeviceTargets
from boostloss.kernels import cuda_launch
from boostloss.kernels.cuda_words import SIMULATED
from boostloss.losses.base import Training

N_ROWS = 150  # two whole chunks of a sum and a part of one
EACH_TEMPLATE = [
    Case(bl.Focal(gamma=(0.5, 3.0), class_weight={0: 2.0})),
    Case(bl.Focal(gamma=2.0, label_smoothing=0.1, pos_weight=3.0)),
    Case(bl.GradientHarmonized(bins=7)),
    Case(bl.Tversky(alpha=0.3, beta=0.7)),
    Case(bl.Focal(gamma=(0.0, 1.5, 4.0), class_weight=[0.5, 3.0, 1.0]), 3),
    Case(bl.CrossEntropy(class_weight=[0.5, 3.0, 1.0, 2.0], label_smoothing=0.2), 4),
    Case(bl.LogitAdjusted(class_prior=[5, 2, 1]), 3),
    Case(bl.Huber()),
    Case(bl.Tweedie()),
    Case(bl.Quantile(quantile=[0.05, 0.5, 0.95]), 3),
]
OTHERS = [
    Case(bl.Asymmetric(gamma_neg=0.5)),
    Case(bl.LDAM(margins=[0.3, 0.0], scale=2.0)),
    Case(bl.SoftTruncated(k=5.0)),
    Case(bl.Hinge()),
    Case(bl.Focal(), 2),
    Case(bl.Welsch()),
    Case(bl.Barron(alpha=-2.0, scale=3.0)),
    Case(bl.MAPE()),
]


def results(loss, targets, raw, empty):
    """Gradient and curvature as XGBoost gets them, and the values of a loss of rows."""
    gradient, hessian, value = empty(raw.shape), empty(raw.shape), empty((len(raw),))
    loss._engine_derivatives(targets, raw, Training(0.1), gradient, hessian)
    if isinstance(loss, bl.Tversky) or getattr(loss, "n_outputs", 1) > 1:
        return gradient, hessian  # its values are worked out in memory
    loss._values(targets, raw, value)
    return gradient, hessian, value


def check(case, weighted):
    """Compare them."""
    y, raw, weight = case.sample(N_ROWS, dtype=np.float32, weighted=weighted, spread=2.0)
    targets = case.loss._targets(y, weight, case.n_outputs, np.float32)
    on_device = DeviceTargets(targets, cuda_launch.upload)
    of_cpu = results(case.loss, targets, raw, lambda shape: np.zeros(shape, np.float32))
    found = results(case.loss, on_device, cuda_launch.upload(raw), lambda shape: cuda_launch.empty(shape, np.float32))
    for a, b in zip(found, of_cpu, strict=True):
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-6, err_msg=case.id)


if __name__ == "__main__":
    assert SIMULATED
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's numbers warn of what kernels let overflow
    everything = [(case, weighted) for case in (*EACH_TEMPLATE, *OTHERS) for weighted in (True, False)]
    for case, weighted in everything if sys.argv[1:] == ["all"] else [(case, True) for case in EACH_TEMPLATE]:
        check(case, weighted)
        print(case.id, flush=True)
