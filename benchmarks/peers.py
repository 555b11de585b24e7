"""The same losses by other packages, where they are installed, and by NumPy."""

import sys
from types import SimpleNamespace

import numpy as np

import numpy_losses
from boostloss import Asymmetric, CrossEntropy, Focal, Huber, LogCosh, Quantile
from numpy_losses import BANDWIDTH, DELTA, GAMMA, TAU

POS_WEIGHT, GAMMA_NEGATIVE, CLIP = 2.0, 4.0, 0.05
# boostloss's side of the comparison, by the name of what is computed
TWO_CLASSES = {
    "cross-entropy": CrossEntropy(),
    "weighted cross-entropy": CrossEntropy(pos_weight=POS_WEIGHT),
    "focal": Focal(gamma=GAMMA),
    "asymmetric": Asymmetric(gamma_pos=GAMMA, gamma_neg=GAMMA_NEGATIVE, clip=CLIP),
}
RESIDUALS = {
    "Huber": Huber(delta=DELTA),
    "log-cosh": LogCosh(scale=DELTA),
    "quantile": Quantile(quantile=TAU, bandwidth=BANDWIDTH),
}
CLASSES = {"cross-entropy": CrossEntropy(), "focal": Focal(gamma=GAMMA)}


def bokbokbok_two_classes(y, z):
    from bokbokbok.loss_functions.classification import WeightedCrossEntropyLoss, WeightedFocalLoss

    data = SimpleNamespace(get_label=lambda: y)
    weighted, focal = WeightedCrossEntropyLoss(alpha=POS_WEIGHT), WeightedFocalLoss(alpha=1.0, gamma=GAMMA)
    return {"weighted cross-entropy": lambda: weighted(z, data), "focal": lambda: focal(z, data)}


def bokbokbok_residuals(y, z):
    from bokbokbok.loss_functions.regression import LogCoshLoss

    data, loss = SimpleNamespace(get_label=lambda: y), LogCoshLoss()
    return {"log-cosh": lambda: loss(z, data)}


def gbdtcbl_two_classes(y, z):
    from gbdtCBL.binary import ASLLoss, FLLoss, WCELoss

    losses = {
        "weighted cross-entropy": WCELoss(POS_WEIGHT),
        "focal": FLLoss(GAMMA),
        "asymmetric": ASLLoss(GAMMA, GAMMA_NEGATIVE, CLIP),
    }
    return {name: lambda loss=loss: loss(y, z) for name, loss in losses.items()}


def gbdtcbl_classes(y, z):
    from gbdtCBL.xgbmulti import XGBFLMulti

    loss = XGBFLMulti(GAMMA)
    return {"focal": lambda: loss(y, z)}


def imlightgbm_two_classes(y, z):
    from imlightgbm.objective import binary_focal_objective, binary_weighted_objective

    return {
        "weighted cross-entropy": lambda: binary_weighted_objective(y, z, POS_WEIGHT),
        "focal": lambda: binary_focal_objective(y, z, GAMMA),
    }


def imlightgbm_classes(y, z):
    from imlightgbm.objective import multiclass_focal_objective

    return {"focal": lambda: multiclass_focal_objective(y, z, GAMMA, z.shape[1])}


def numpy_two_classes(y, z):
    return {"cross-entropy": lambda: numpy_losses.logistic(y, z), "focal": lambda: numpy_losses.focal(y, z)}


def numpy_residuals(y, z):
    return {
        "Huber": lambda: numpy_losses.huber(y, z),
        "log-cosh": lambda: numpy_losses.log_cosh(y, z),
        "quantile": lambda: numpy_losses.smooth_pinball(y, z),
    }


def numpy_classes(y, z):
    return {"cross-entropy": lambda: numpy_losses.softmax(y, z)}


OF_TWO_CLASSES = bokbokbok_two_classes, gbdtcbl_two_classes, imlightgbm_two_classes, numpy_two_classes
OF_RESIDUALS = bokbokbok_residuals, numpy_residuals
OF_CLASSES = gbdtcbl_classes, imlightgbm_classes, numpy_classes


NAMES = {"bokbokbok": "bokbokbok", "gbdtcbl": "gbdtCBL", "imlightgbm": "imlightgbm", "numpy": "NumPy"}


def installed(peers, y, z):
    """Calls by (name, package), each tried once: a package may not be there, or not run with today's NumPy."""
    calls = {}
    for peer in peers:
        package = NAMES[peer.__name__.partition("_")[0]]
        try:
            found = peer(y, z)
            with np.errstate(all="ignore"):
                for call in found.values():
                    call()
        except Exception as error:
            print(f"({package} left out: {error!r})", file=sys.stderr)
            continue
        calls |= {(name, package): call for name, call in found.items()}
    return calls
