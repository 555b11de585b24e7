"""Losses of two classes with a statistic of the whole batch: gradient harmonising, and overlap (Dice, Tversky)."""

import copy
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from boostloss._types import Array, Floats, Memory, Parameters
from boostloss._validation import check_integer, check_number
from boostloss.kernels import batch
from boostloss.kernels.cpu import compiled
from boostloss.kernels.threads import empty_like, run_rows, sum_chunks
from boostloss.losses.base import Targets, target_of
from boostloss.losses.classification import CrossEntropy
from boostloss.losses.classification_base import LEAST_CURVATURE, ClassificationLoss
from boostloss.losses.parameters import hyper_parameters


@hyper_parameters
class GradientHarmonized(CrossEntropy):
    r"""Gradient-harmonised cross-entropy (GHM-C): :math:`-w_y \beta_b \log p`, b the bin of :math:`1 - p`.

    Of M bins of equal width, M' of them not empty, with the summed sample weight R_b and the total R, a row in bin b
    has :math:`\beta_b = R / (M' R_b)`: rows as easy or as hard as many others count less. Weighted, the mean is one.

    Parameters
    ----------
    bins : int >= 1, default=10
        M; 1 is the cross-entropy.
    momentum : float in [0, 1), default=0.0
        mu: over the rounds of a training R_b becomes mu R_b + (1 - mu) times that of the round.
    curvature : {"auto", "exact"}, default="auto"
        "exact" is p q times the weight, at least 1e-16; "auto" is at least abs(gradient) / 2, without which the first
        step from the base rate overshoots (0.3 % positives: AUC .33 in place of .78).

    Notes
    -----
    Two classes. The bins are counted anew in every round and do not move with the derivatives, so that the loss changes
    from round to round: its metric is the cross-entropy, its start that of the cross-entropy, and `predict_proba`
    raises an error; scikit-learn's CalibratedClassifierCV fits probabilities on held-out data. A bin of few rows weighs
    as much as one of many: with 100 rare positives it fits, and over-fits, as class_weight="balanced" does (XGBoost's
    default parameters: AUC .05 below the logistic loss, LightGBM's: .03 above). With momentum it needs a
    training of its own: `boostloss.xgboost.train`, `boostloss.lightgbm.train`, `LossClassifier`, or an `Objective`
    per training. Source: B. Li, Liu & Wang, AAAI 2019, who divide by M in place of M'.
    """

    convex = False
    binary_only = True
    has_posterior = False
    of_batch = True
    row_by_row = False

    bins: int = 10
    momentum: float = 0.0

    def _validate(self) -> None:
        super()._validate()
        check_integer("bins", self.bins, low=1)
        check_number("momentum", self.momentum, low=0, high=1, high_open=True)

    def _remembering(self, memory: Memory | None) -> Self:
        if not self.momentum:
            return self
        if memory is None:
            raise ValueError(
                f"momentum == {self.momentum!r} needs a training of its own: use boostloss.xgboost.train, "
                "boostloss.lightgbm.train or LossClassifier, or give obj=boostloss.objective.Objective(loss)."
            )
        remembering = copy.copy(self)
        remembering._memory = memory
        return remembering

    def prepare(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None
    ) -> tuple[list[Parameters], Array | None]:
        """Return no parameters of `point`, and the weights of this round."""
        weight = np.empty(0, y_true.dtype) if sample_weight is None else sample_weight
        real, target = y_true.dtype.type, target_of(y_true.dtype, raw_prediction.dtype)
        which = empty_like(y_true, np.int32)
        kernel = compiled(batch.bins, None, None, target)
        run_rows(kernel, (y_true, raw_prediction), (real(self.bins),), (which,))
        # one target has one signature: these two see no raw predictions
        target = target_of(y_true.dtype, y_true.dtype)
        counts = sum_chunks(compiled(batch.bin_sums, None, None, target), (which, weight), self.bins)
        memory = getattr(self, "_memory", {})
        counts = self.momentum * memory.get("counts", counts) + (1 - self.momentum) * counts
        memory["counts"] = counts
        filled = counts > 0
        factors = np.zeros(self.bins, real)
        factors[filled] = counts.sum() / (filled.sum() * counts[filled])
        weights = empty_like(y_true, real)
        run_rows(compiled(batch.bin_weights, None, None, target), (which, weight), (factors,), (weights,))
        return self._class_parameters(2), weights

    @property
    def metric_name(self) -> str:
        """The cross-entropy: values of two rounds cannot be compared."""
        return CrossEntropy().metric_name

    def _metric_values(self, targets: Targets, raw: Array, value: Array) -> None:
        self._plain()._values(targets, raw, value)


class Tversky(ClassificationLoss):
    r"""Tversky loss of the whole batch: :math:`1 - (TP + e) / (TP + \alpha FP + \beta FN + e)`.

    TP, FP and FN are the summed weights of true positives, false positives and false negatives, a row counting by its
    probability sigmoid(z) of class 1.

    Parameters
    ----------
    alpha : float >= 0, default=0.5
        Weight of false positives.
    beta : float >= 0, default=0.5
        Weight of false negatives.
    smooth : float > 0, default=1.0
        e, in units of the summed weights.

    Notes
    -----
    Two classes. Every row's value is that of the batch, so that the gradient is that of their sum, the total weight
    times the loss. The curvature is p q times the larger slope of the two labels: positive, but no bound. Confident
    mistakes have no gradient, and a constant has its best value at 0 or 1: training starts at the base rate, with which
    it learns. alpha = beta = 0.5 is `Dice`. Raw predictions run away from 0: `predict_proba` raises an error;
    scikit-learn's CalibratedClassifierCV fits probabilities on held-out data. Source: Salehi et al. 2017.
    """

    binary_only = True
    has_posterior = False
    of_batch = True
    row_by_row = False
    curvatures = ("auto",)
    alpha: float  # of false positives: here never None

    def __init__(self, *, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1.0) -> None:
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth
        self._validate()

    def _validate(self) -> None:
        for name in ("alpha", "beta"):
            check_number(name, getattr(self, name), low=0)
        if self.alpha == self.beta == 0:
            raise ValueError("alpha == 0 and beta == 0, one of them must be > 0.")
        check_number("smooth", self.smooth, low=0, low_open=True)

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        return [()] * n_classes

    def _counts(self, targets: Targets, raw: Array) -> tuple[float, float, float]:
        """N and D of the index N / D, and D - N without cancellation."""
        kernel = compiled(batch.overlap_sums, None, None, target_of(targets.y_true.dtype, raw.dtype), "sum")
        hits, alarms, misses = sum_chunks(kernel, (targets.y_true, raw, targets.sample_weight), 3)
        missing = self.alpha * alarms + self.beta * misses
        return hits + self.smooth, hits + self.smooth + missing, missing

    def _of_index(self, rest: float) -> tuple[float, float]:
        """The loss and its slope by rest = 1 - N / D."""
        return rest, 1.0

    def _values(self, targets: Targets, raw: Array, value: Array) -> None:
        _, D, missing = self._counts(targets, raw)
        value[:] = self._of_index(missing / D)[0]
        if targets.sample_weight.size:
            value *= targets.sample_weight

    def _derivatives(
        self, targets: Targets, raw: Array, curvature: str | None, gradient: Array, hessian: Array
    ) -> None:
        real = gradient.dtype.type
        N, D, missing = self._counts(targets, raw)
        scale = targets.total_weight * self._of_index(missing / D)[1] / D**2
        positive, negative = -scale * (missing + self.beta * N), scale * self.alpha * N
        scalars = (real(negative), real(positive)), real(max(negative, -positive)), real(LEAST_CURVATURE)
        kernel = compiled(batch.overlap_derivatives, None, None, target_of(real, raw.dtype))
        run_rows(kernel, (targets.y_true, raw, targets.sample_weight), scalars, (gradient, hessian))

    def _log_posterior(self, margins: Floats) -> Floats:
        return margins / 2

    def _best_constant(self, y_true: ArrayLike, sample_weight: ArrayLike | None) -> float | Array:
        """Log odds of the base rate: the best constant itself is infinite."""
        return CrossEntropy()._best_constant(y_true, sample_weight)


class Dice(Tversky):
    r"""Soft Dice loss of the whole batch: :math:`1 - (2 TP + 2 e) / (2 TP + FP + FN + 2 e)`, one minus a smooth F1.

    Parameters
    ----------
    smooth : float > 0, default=1.0
        e, in units of the summed weights.

    Notes
    -----
    `Tversky` with alpha = beta = 0.5; what is said there holds here. Source: Milletari et al. 2016.
    """

    alpha = beta = 0.5

    def __init__(self, *, smooth: float = 1.0) -> None:
        self.smooth = smooth
        self._validate()


class FocalTversky(Tversky):
    r"""Focal Tversky loss of the whole batch: :math:`(1 - T)^\gamma`, T being the index of `Tversky`.

    Parameters
    ----------
    alpha : float >= 0, default=0.3
        Weight of false positives.
    beta : float >= 0, default=0.7
        Weight of false negatives.
    gamma : float > 0, default=0.75
        1 is `Tversky`; below 1 a batch that is nearly right still has a gradient, above 1 hardly.
    smooth : float > 0, default=1.0
        e, in units of the summed weights.

    Notes
    -----
    With alpha = beta = 0.5 a focal Dice loss. What is said of `Tversky` holds here. Source: Abraham & Khan 2019, whose
    gamma is one over this one.
    """

    def __init__(self, *, alpha: float = 0.3, beta: float = 0.7, gamma: float = 0.75, smooth: float = 1.0) -> None:
        self.gamma = gamma
        super().__init__(alpha=alpha, beta=beta, smooth=smooth)

    def _validate(self) -> None:
        super()._validate()
        check_number("gamma", self.gamma, low=0, low_open=True)

    def _of_index(self, rest: float) -> tuple[float, float]:
        return rest**self.gamma, self.gamma * rest ** (self.gamma - 1) if rest > 0 else 0.0
