"""Every loss on its kind of data, beside the nearest of scikit-learn's losses.

A problem is a function (n_rows, dtype, order) of raw predictions, calls by name, and for every name the loss of
scikit-learn, labels and raw predictions that it is compared with.
"""

import numpy as np
from sklearn._loss import loss as scikit_learn

from boostloss import ClassificationLoss, CrossEntropy, Focal, MultiLabel, Quantile, losses
from calls import engine_call_of, kernel_of

BASES = {"ClassificationLoss", "Loss", "MarginLoss", "RegressionLoss", "hyper_parameters"}  # what losses are made of
DEFAULTS = {name: getattr(losses, name)() for name in losses.__all__ if name not in BASES}
CLASSES = {
    name: loss
    for name, loss in DEFAULTS.items()
    if isinstance(loss, ClassificationLoss) and not isinstance(loss, MultiLabel)
}
NUMBERS = [name for name, loss in DEFAULTS.items() if not isinstance(loss, ClassificationLoss)]
SCALES = ("delta", "scale", "bandwidth")
LEVELS = (0.05, 0.5, 0.95)
N_LABELS = 5

# What is nearest among scikit-learn's losses, which have no scale that follows the residuals
NEAREST_OF_POSITIVE = {
    "Gamma": scikit_learn.HalfGammaLoss(),
    "MAPE": scikit_learn.AbsoluteError(),
    "MSLE": scikit_learn.HalfSquaredError(),
    "Poisson": scikit_learn.HalfPoissonLoss(),
    "SMAPE": scikit_learn.AbsoluteError(),
    "Tweedie": scikit_learn.HalfTweedieLoss(power=1.5),
}
NEAREST = {
    "AbsoluteError": scikit_learn.AbsoluteError(),
    "Expectile": scikit_learn.HalfSquaredError(),
    "Exponential": scikit_learn.ExponentialLoss(),
    "Quantile": scikit_learn.PinballLoss(quantile=0.5),
    "SquaredError": scikit_learn.HalfSquaredError(),
}
LOGISTIC, HUBER, PINBALL = scikit_learn.HalfBinomialLoss(), scikit_learn.HuberLoss(delta=1.0), NEAREST["Quantile"]


def with_fixed_scale(loss):
    """The loss with 1 for a scale that would follow the residuals; others as they are."""
    automatic = [name for name in SCALES if getattr(loss, name, None) == "auto"]
    return type(loss)(**{**loss.get_params(), **dict.fromkeys(automatic, 1.0)})


def two_classes(n_rows, dtype, order):
    """Losses of two classes, those of a whole batch among them."""
    rng = np.random.default_rng(0)
    y, z = (rng.random(n_rows) < 0.3).astype(np.float32), (2 * rng.normal(size=n_rows)).astype(dtype)
    calls = {name: kernel_of(loss, y, z) for name, loss in CLASSES.items()}
    calls["CrossEntropy, soft labels"] = kernel_of(CrossEntropy(label_smoothing=0.1), y, z)
    calls["Focal, weights"] = kernel_of(Focal(), y, z, rng.uniform(0.5, 2, n_rows))
    return z, calls, {name: (NEAREST.get(name, LOGISTIC), y, z) for name in calls}


def of_numbers(chosen, nearest, y, z):
    """Regression losses in two forms: as an engine gets them, and the kernel alone with a fixed scale."""
    calls, references = {}, {}
    for name in chosen:
        calls[name] = engine_call_of(DEFAULTS[name], y, z)
        calls[f"{name}, kernel"] = kernel_of(with_fixed_scale(DEFAULTS[name]), y, z)
        references |= dict.fromkeys([name, f"{name}, kernel"], (nearest.get(name, HUBER), y, z))
    return z, calls, references


def residuals(n_rows, dtype, order):
    """Losses of residuals, heavy-tailed ones."""
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=n_rows)
    y = (z + rng.standard_t(4, n_rows)).astype(np.float32)
    return of_numbers([name for name in NUMBERS if name not in NEAREST_OF_POSITIVE], NEAREST, y, z.astype(dtype))


def positive_targets(n_rows, dtype, order):
    """Losses of targets greater than 0."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=n_rows)
    y = np.exp(z + 0.5 * rng.normal(size=n_rows)).astype(np.float32)
    return of_numbers(NEAREST_OF_POSITIVE, NEAREST_OF_POSITIVE, y, z.astype(dtype))


def k_classes(n_classes, n_rows, dtype, order):
    """Losses of K classes."""
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, n_classes, n_rows), rng.normal(size=(n_rows, n_classes)).astype(dtype)
    raw = np.asarray(z, order=order)
    calls = {name: kernel_of(loss, y, raw) for name, loss in CLASSES.items() if not loss.binary_only}
    calls["CrossEntropy, soft labels"] = kernel_of(CrossEntropy(label_smoothing=0.1), y, raw)
    calls["Focal, weights"] = kernel_of(Focal(), y, raw, rng.uniform(0.5, 2, n_rows))
    return raw, calls, dict.fromkeys(calls, (scikit_learn.HalfMultinomialLoss(n_classes=n_classes), y, z))


def labels_of_a_row(n_rows, dtype, order):
    """Several labels per row."""
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, (n_rows, N_LABELS)), (2 * rng.normal(size=(n_rows, N_LABELS))).astype(dtype)
    calls = {"MultiLabel": kernel_of(MultiLabel(), y, np.asarray(z, order=order))}
    return z, calls, {"MultiLabel": (LOGISTIC, y.ravel(), z.ravel())}


def levels_of_a_row(n_rows, dtype, order):
    """Several quantiles."""
    rng = np.random.default_rng(0)
    y, z = rng.standard_t(4, n_rows).astype(np.float32), rng.normal(size=(n_rows, len(LEVELS))).astype(dtype)
    raw, loss = np.asarray(z, order=order), Quantile(quantile=LEVELS)
    calls = {"Quantile": engine_call_of(loss, y, raw), "Quantile, kernel": kernel_of(with_fixed_scale(loss), y, raw)}
    return raw, calls, dict.fromkeys(calls, (PINBALL, np.repeat(y, len(LEVELS)), z.ravel()))
