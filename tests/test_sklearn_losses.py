"""scikit-learn's own tests of its losses, called with ours behind an adapter to its private protocol."""

import numpy as np
import pytest
from conftest import CLASSIFICATION, REGRESSION, over

from boostloss import AbsoluteError, Barron, CrossEntropy, LogCosh, Poly1, Quantile, Welsch

reason = "scikit-learn's private losses or their tests are not where these adapters look for them"
theirs = pytest.importorskip("sklearn._loss.tests.test_loss", reason=reason)
links = pytest.importorskip("sklearn._loss.link", reason=reason)
their_losses = pytest.importorskip("sklearn._loss.loss", reason=reason)

NAMES = (
    "test_loss_same_as_C_functions",
    "test_loss_gradients_are_the_same",
    "test_sample_weight_multiplies",
    "test_graceful_squeezing",
    "test_gradients_hessians_numerically",
    "test_loss_pickle",
    "test_predict_proba",
    "test_loss_intercept_only",
    "test_loss_boundary",
    "random_y_true_raw_prediction",
)
if not all(hasattr(theirs, name) for name in NAMES):
    pytest.skip(reason, allow_module_level=True)

# Soft labels are drawn for two classes, indices for three; an automatic scale would move with every perturbation
CASES = [case for case in CLASSIFICATION if case.n_outputs in (1, 3) and case.loss.curvature == "auto"]
CASES += [case for case in REGRESSION if not case.is_automatic and case.loss.curvature == "auto"]


class Adapter:
    """One of our losses under the names of sklearn._loss; its `closs` is itself."""

    approx_hessian = False
    constant_hessian = False

    def __init__(self, case):
        self.ours = case.loss
        self.is_multiclass = case.n_outputs > 1
        self.n_classes = case.n_classes
        everything = links.Interval(-np.inf, np.inf, False, False)
        if not case.is_classification:
            self.link, self.interval_y_true, self.interval_y_pred = links.IdentityLink(), everything, everything
        elif self.is_multiclass:
            self.link = links.MultinomialLogit()
            self.interval_y_true = links.Interval(0, np.inf, True, False)
            self.interval_y_pred = links.Interval(0, 1, False, False)
        else:
            self.link = links.LogitLink()
            self.interval_y_true = links.Interval(0, 1, True, True)
            self.interval_y_pred = links.Interval(0, 1, False, False)
        if case.is_classification:
            self.predict_proba = self.ours.predict_proba

    @property
    def closs(self):
        return self

    def loss(self, y_true, raw_prediction, sample_weight=None, loss_out=None, n_threads=1):
        sign, weight = signed(sample_weight)
        return filled(loss_out, sign * self.ours.loss(y_true, raw_prediction, weight))

    def gradient(self, y_true, raw_prediction, sample_weight=None, gradient_out=None, n_threads=1):
        return self.gradient_hessian(y_true, raw_prediction, sample_weight, gradient_out)[0]

    def loss_gradient(
        self, y_true, raw_prediction, sample_weight=None, loss_out=None, gradient_out=None, n_threads=1
    ):
        value = self.loss(y_true, raw_prediction, sample_weight, loss_out)
        return value, self.gradient(y_true, raw_prediction, sample_weight, gradient_out)

    def gradient_hessian(
        self, y_true, raw_prediction, sample_weight=None, gradient_out=None, hessian_out=None, n_threads=1
    ):
        sign, weight = signed(sample_weight)
        gradient, hessian = self.ours.gradient_hessian(y_true, raw_prediction, weight, curvature="exact")
        if np.shape(raw_prediction)[1:] == (1,):
            gradient, hessian = gradient[:, 0], hessian[:, 0]  # theirs squeeze the result, ours keep the shape
        sign = sign[:, None] if np.ndim(sign) and gradient.ndim == 2 else sign
        return filled(gradient_out, sign * gradient), filled(hessian_out, sign * hessian)

    def fit_intercept_only(self, y_true, sample_weight=None):
        return np.asarray(self.ours.fit_intercept_only(y_true, sample_weight))

    def __call__(self, y_true, raw_prediction, sample_weight=None):
        return np.average(self.ours.loss(y_true, raw_prediction), weights=sample_weight)

    def in_y_true_range(self, y):
        return self.interval_y_true.includes(y)

    def in_y_pred_range(self, y):
        return self.interval_y_pred.includes(y)


def signed(sample_weight):
    """Their tests also draw negative weights, which we refuse: the sign multiplies our results."""
    if sample_weight is None:
        return 1.0, None
    return np.sign(sample_weight), np.abs(sample_weight)


def filled(out, values):
    if out is None:
        return values
    out[...] = values
    return out


WEIGHTS = pytest.mark.parametrize("sample_weight", [None, "range"])


@over(CASES)
@WEIGHTS
def test_same_as_low_level_functions(case, sample_weight):
    """Theirs: whichever method returns them, results are the same, in output arrays too."""
    theirs.test_loss_same_as_C_functions(Adapter(case), sample_weight)


@over(CASES)
@WEIGHTS
def test_gradients_are_the_same(case, sample_weight):
    """Theirs: loss and gradient agree across methods."""
    theirs.test_loss_gradients_are_the_same(Adapter(case), sample_weight, global_random_seed=42)


@over(CASES)
@pytest.mark.parametrize("sample_weight", ["ones", "random"])
def test_sample_weight_multiplies(case, sample_weight):
    """Theirs: weights multiply loss, gradient and Hessian."""
    theirs.test_sample_weight_multiplies(Adapter(case), sample_weight, global_random_seed=42)


@over(CASES)
def test_graceful_squeezing(case):
    """Theirs: (n, 1) as (n,)."""
    theirs.test_graceful_squeezing(Adapter(case))


# The range of the data is narrowed where their absolute tolerance of 1e-10 lies below the noise of differences: with
# targets up to 100 these gradients have saturated, and the loss is about 2,000 (noise 1e-9); with a gradient of 2 to 4
# a Hessian of 5e-6 has a noise of 8e-10.
NARROWER = {(AbsoluteError, Barron, LogCosh, Quantile, Welsch): {"y_bound": (-5, 5)}, Poly1: {"raw_bound": (-2, 2)}}


@over([case for case in CASES if not case.is_kinked])
@WEIGHTS
def test_gradients_hessians_numerically(case, sample_weight, monkeypatch):
    """Theirs: gradient and Hessian equal fourth-order differences."""
    draw = theirs.random_y_true_raw_prediction
    narrower = next((bounds for kind, bounds in NARROWER.items() if isinstance(case.loss, kind)), {})
    monkeypatch.setattr(theirs, "random_y_true_raw_prediction", lambda **given: draw(**{**given, **narrower}))
    theirs.test_gradients_hessians_numerically(Adapter(case), sample_weight, global_random_seed=42)


@over(CASES)
def test_pickle(case):
    """Theirs: a pickled loss computes the same."""
    theirs.test_loss_pickle(Adapter(case))


@over([case for case in CASES if case.has_posterior])
def test_predict_proba(case):
    """Theirs: shape, and rows that sum to one."""
    theirs.test_predict_proba(Adapter(case), global_random_seed=42)


@over(CASES)
@WEIGHTS
def test_intercept_only(case, sample_weight):
    """Theirs: fit_intercept_only is the argmin."""
    theirs.test_loss_intercept_only(Adapter(case), sample_weight)


@over([case for case in CASES if not case.is_classification or case.n_outputs == 1])
def test_boundary(case):
    """Theirs: the ends of the valid range of y are accepted."""
    theirs.test_loss_boundary(Adapter(case))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parity_with_the_half_losses(n_classes, dtype):
    """Cross-entropy equals their binomial and multinomial losses: value, gradient, probabilities, start."""
    rng = np.random.default_rng(3)
    raw = rng.uniform(-30, 30, 300 if n_classes == 2 else (300, n_classes)).astype(dtype)
    y = rng.integers(0, n_classes, 300).astype(dtype)
    weight = rng.uniform(0.1, 2, 300).astype(dtype)
    other = their_losses.HalfBinomialLoss() if n_classes == 2 else their_losses.HalfMultinomialLoss(n_classes=n_classes)
    ours = CrossEntropy()
    gradient, hessian = ours.gradient_hessian(y, raw, weight, curvature="exact")
    their_gradient, their_hessian = other.gradient_hessian(y, raw, weight)
    # theirs loses 6 digits where y = 1 and z is large, a difference of two large terms
    tolerance = {"rtol": 2e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(ours.loss(y, raw, weight), other.loss(y, raw, weight), **tolerance)
    np.testing.assert_allclose(gradient, their_gradient, **tolerance)
    np.testing.assert_allclose(hessian, their_hessian, **tolerance)
    np.testing.assert_allclose(ours.predict_proba(raw), other.predict_proba(raw), **tolerance)
    start = other.fit_intercept_only(y.astype(float), weight.astype(float))
    np.testing.assert_allclose(ours.fit_intercept_only(y, weight), start, rtol=1e-10)
