"""THE list of losses that every property runs over, and data for each of them."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
from engine_tasks import binary, several, tasks, unscaled  # noqa: F401  # fixtures
from reference import deviation, residual_scale

import boostloss as bl

SCALES = "delta", "scale", "bandwidth"
NO_PARAMETER, POWER, PER_CLASS = bl.CrossEntropy.point, bl.Focal.point, bl.LDAM.point
AUTO_FACTORS = {
    "MAPE": 1.0,
    "SMAPE": 1.0,
    "AbsoluteError": 1.0,
    "AsymmetricHuber": 1.3,
    "Barron": 1.3,
    "Cauchy": 2.3,
    "Fair": 1.4,
    "Huber": 1.3,
    "LogCosh": 1.2,
    "PseudoHuber": 1.3,
    "Tukey": 4.5,
    "Welsch": 2.9,
}  # of S


@dataclass(frozen=True)
class Case:
    """A loss, and the number of columns of its raw predictions: 1 stands for (n,)."""

    loss: bl.Loss
    n_outputs: int = 1

    @property
    def is_classification(self):
        return isinstance(self.loss, bl.ClassificationLoss)

    @property
    def is_positive(self):
        """Whether its targets are."""
        return isinstance(self.loss, bl.Gamma | bl.MAPE | bl.MSLE | bl.Poisson | bl.SMAPE | bl.Tweedie)

    @property
    def link(self):
        """Of the raw prediction."""
        return getattr(self.loss, "link", "identity")

    @property
    def is_automatic(self):
        """Whether the scale of the loss is that of the batch."""
        return any(getattr(self.loss, name, None) == "auto" for name in SCALES)

    @property
    def n_classes(self):
        return max(self.n_outputs, 2)

    @property
    def has_posterior(self):
        return self.is_classification and self.loss.has_posterior

    @property
    def is_quick(self):
        """Whether its kernels belong to the fast set: those of K columns take four times as long to compile.

        Of them it has those of three classes for a formula of each kind, and of any number for the cross-entropy.
        """
        if not self.is_classification or self.n_outputs == 1:
            return True
        if self.n_outputs == 3:
            return self.loss.point in (NO_PARAMETER, POWER, PER_CLASS)
        return self.loss.point is NO_PARAMETER and not self.loss.label_smoothing

    @property
    def is_flat(self):
        """Whether margins beyond some point have the posteriors 0 and 1, or probabilities end before them."""
        return isinstance(self.loss, bl.SquaredHinge | bl.ModifiedHuber) or bool(getattr(self.loss, "clip", 0))

    @property
    def is_kinked(self):
        """Whether a derivative of the loss jumps."""
        return self.is_flat or isinstance(
            self.loss, bl.HardTruncated | bl.QuadraticHinge | bl.AsymmetricHuber | bl.Expectile
        )

    @property
    def id(self):
        kind = "sigmoid" if self.n_outputs == 1 else "softmax"
        kind = kind if self.is_classification else self.loss.variable
        return f"{self.loss!r}-{kind}{self.n_outputs if kind == 'softmax' else ''}"

    def labels(self, n_rows, seed=0, dtype=np.float64):
        """Class indices, every class among them; or heavy-tailed targets that are not centred."""
        rng = np.random.default_rng(seed)
        if self.is_classification:
            return rng.permutation(np.arange(n_rows) % self.n_classes).astype(dtype)
        if self.is_positive:
            y = rng.lognormal(1, 0.8, n_rows)
            return (np.floor(y) if isinstance(self.loss, bl.Poisson | bl.Tweedie) else y).astype(dtype)
        return (3 * rng.standard_t(4, n_rows) + 5).astype(dtype)

    def raw(self, n_rows, seed=0, dtype=np.float64, spread=3.0):
        """Raw predictions."""
        rng = np.random.default_rng([seed, 1])
        centre = 0.0 if self.is_classification or self.link != "identity" else 5.0
        shape = n_rows if self.n_outputs == 1 else (n_rows, self.n_outputs)
        return (spread * rng.normal(size=shape) + centre).astype(dtype)

    def weights(self, n_rows, seed=0, dtype=np.float64):
        """Positive weights."""
        return np.random.default_rng([seed, 2]).uniform(0.2, 3.0, n_rows).astype(dtype)

    def sample(self, n_rows=60, seed=0, dtype=np.float64, weighted=True, spread=3.0):
        """Labels, raw predictions and weights (or None)."""
        weight = self.weights(n_rows, seed, dtype) if weighted else None
        return self.labels(n_rows, seed, dtype), self.raw(n_rows, seed, dtype, spread), weight

    def frozen(self, y, raw, weight=None):
        """The loss with the automatic scale of this batch as a number."""
        loss = copy.deepcopy(self.loss)
        for name in SCALES:
            if getattr(loss, name, None) == "auto":
                factor = AUTO_FACTORS.get(type(loss).__name__)
                if isinstance(loss, bl.Quantile):
                    factor = (4 * loss.quantile * (1 - loss.quantile)) ** 1.5
                loss.set_params(**{name: factor * residual_scale(deviation(loss, y, raw), weight)})
        return loss


ANY_K = [
    bl.CrossEntropy(),
    bl.CrossEntropy(label_smoothing=0.1),
    bl.CrossEntropy(curvature="exact"),
    *[bl.Focal(gamma=gamma) for gamma in (0.0, 0.5, 2.0, 5.0)],
    bl.Focal(gamma=2.0, curvature="exact"),
    *[bl.Poly1(epsilon=epsilon) for epsilon in (-0.5, 1.0, 3.0)],
    *[bl.Poly1Focal(gamma=gamma, epsilon=epsilon) for gamma, epsilon in ((2.0, 1.0), (0.5, -0.5))],
    bl.KLDivergence(label_smoothing=0.1),
    bl.HardTruncated(theta=0.7),
    bl.SoftTruncated(),
    bl.SoftTruncated(k=4.0, theta=0.6),
    bl.MarginTruncated(k=2.0),
    bl.MarginTruncated(k=1.5, t=0.4),
]
TWO_CLASSES = [
    bl.CrossEntropy(alpha=0.25),
    bl.CrossEntropy(pos_weight=5.0),
    bl.CrossEntropy(class_weight=[0.5, 3.0]),
    bl.CrossEntropy(class_weight={1: 4.0}, label_smoothing=0.05),
    bl.Focal(gamma=2.0, alpha=0.25),
    bl.Focal(gamma=1.0, pos_weight=5.0),
    bl.Focal(gamma=(0.5, 3.0), class_weight={0: 2.0}),
    bl.Poly1(epsilon=1.0, pos_weight=4.0),
    bl.SoftTruncated(k=5.0, alpha=0.7),
    bl.LogitAdjusted(tau=0.8, class_prior=[0.9, 0.1]),
    bl.LDAM(margins=[0.1, 0.5]),
    bl.LDAM(margins=[0.3, 0.0], scale=2.0, pos_weight=3.0),
]
ONE_COLUMN = [
    bl.Focal(gamma=2.0, label_smoothing=0.1, pos_weight=3.0),
    bl.Asymmetric(),
    bl.Asymmetric(gamma_pos=0.5, gamma_neg=2.0, clip=0.0, alpha=0.3),
    bl.Asymmetric(gamma_pos=0.0, gamma_neg=0.0, clip=0.1),
    bl.Exponential(),
    bl.Exponential(pos_weight=4.0, label_smoothing=0.1),
    bl.Exponential(curvature="exact"),
    bl.Hinge(),
    bl.Hinge(bandwidth=1.0, curvature="exact"),
    bl.Perceptron(),
    bl.QuadraticHinge(),
    bl.QuadraticHinge(width=0.5, pos_weight=3.0),
    bl.SquaredHinge(),
    bl.SquaredHinge(alpha=0.3),
    bl.ModifiedHuber(),
]
THREE_CLASSES = [
    bl.CrossEntropy(class_weight=[0.5, 3.0, 1.0], label_smoothing=0.2),
    bl.CrossEntropy(class_weight={0: 2.0, 2: 0.1}),
    bl.Focal(gamma=2.0, class_weight=[0.5, 3.0, 1.0]),
    bl.Focal(gamma=(0.0, 1.5, 4.0)),
    bl.Poly1Focal(gamma=(0.0, 1.5, 4.0), epsilon=0.5, class_weight=[0.5, 3.0, 1.0]),
    bl.KLDivergence(class_weight=[0.5, 3.0, 1.0], label_smoothing=0.2),
    bl.LogitAdjusted(class_prior=[0.7, 0.2, 0.1]),
    bl.LogitAdjusted(tau=0.5, class_prior=[5, 2, 1], class_weight=[0.5, 3.0, 1.0], label_smoothing=0.1),
    bl.LDAM(margins=[0.1, 0.5, 0.3], class_weight={1: 2.0}),
]
RESIDUAL = [
    bl.Huber(),
    bl.Huber(delta=1.5),
    bl.Huber(delta=1.5, curvature="exact"),
    bl.LogCosh(),
    bl.LogCosh(scale=2.0),
    *[bl.Quantile(quantile=quantile) for quantile in (0.05, 0.5, 0.9)],
    bl.Quantile(quantile=0.9, bandwidth=0.3),
    bl.SquaredError(),
    bl.Expectile(expectile=0.8),
    bl.AbsoluteError(),
    bl.AbsoluteError(bandwidth=0.3),
    bl.PseudoHuber(),
    bl.PseudoHuber(delta=2.0, curvature="exact"),
    bl.Fair(),
    bl.Fair(scale=2.0),
    bl.AsymmetricHuber(asymmetry=0.7),
    bl.AsymmetricHuber(asymmetry=0.2, delta=1.5),
    bl.Cauchy(),
    bl.Cauchy(scale=3.0),
    bl.Welsch(),
    bl.Welsch(scale=4.0),
    bl.Tukey(),
    bl.Tukey(scale=6.0),
    bl.Barron(),
    bl.Barron(alpha=0.0),
    bl.Barron(alpha=-2.0, scale=3.0),
    *[bl.Barron(alpha=alpha, scale=2.0) for alpha in (2.0, 1.7, 0.001, -0.6, -20.0)],
    bl.Barron(alpha=1.2, scale=2.0, curvature="exact"),
]
POSITIVE = [
    bl.MAPE(),
    bl.MAPE(bandwidth=0.2),
    bl.SMAPE(),
    bl.SMAPE(bandwidth=0.2),
    bl.MSLE(),
    bl.Poisson(),
    bl.Poisson(curvature="exact"),
    bl.Gamma(),
    bl.Tweedie(),
    bl.Tweedie(power=1.1),
    bl.Tweedie(power=1.8, curvature="exact"),
]

SIGMOID = [Case(loss) for loss in [*ANY_K, *TWO_CLASSES, *ONE_COLUMN]]
SOFTMAX = [
    *[Case(loss, 2) for loss in [bl.CrossEntropy(), bl.Focal(), *TWO_CLASSES]],
    *[Case(loss, 3) for loss in [*ANY_K, *THREE_CLASSES]],
    *[Case(loss, 5) for loss in [bl.CrossEntropy(), bl.CrossEntropy(label_smoothing=0.1), bl.Focal()]],
]
REGRESSION = [Case(loss) for loss in RESIDUAL]
CLASSIFICATION = SIGMOID + SOFTMAX
POSTERIOR = [case for case in CLASSIFICATION if case.has_posterior]
OTHER_REGRESSION = [*map(Case, POSITIVE), Case(bl.Quantile(quantile=[0.05, 0.5, 0.95], bandwidth=0.5), 3)]
LOSSES = CLASSIFICATION + REGRESSION + OTHER_REGRESSION


def over(cases, is_quick=lambda case: case.is_quick):
    """Run a test over these cases, under readable names; over those that are not quick in the slow set only."""
    marks = [() if is_quick(case) else pytest.mark.slow for case in cases]
    given = [pytest.param(case, marks=mark, id=case.id) for case, mark in zip(cases, marks, strict=True)]
    return pytest.mark.parametrize("case", given)


def over_kinds(cases):
    """The same with one case of every class of losses in the fast set."""
    first = {type(case.loss): case for case in reversed(cases)}
    return over(cases, lambda case: case is first[type(case.loss)])
