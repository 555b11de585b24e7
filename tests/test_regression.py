"""Properties of residual losses: invariances, limits, what the best constant is."""

import copy

import numpy as np
import pytest
from conftest import REGRESSION, Case, over
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from boostloss import AbsoluteError, Barron, Cauchy, Huber, LogCosh, PseudoHuber, Quantile, SquaredError, Tukey, Welsch

R = np.concatenate([-np.geomspace(1e3, 1e-6, 60), [0.0], np.geomspace(1e-6, 1e3, 60)])


def of_residual(loss, r=R):
    return loss.loss(np.zeros_like(r), r), *loss.gradient_hessian(np.zeros_like(r), r)


@over(REGRESSION)
def test_translation_invariance(case):
    """Only the residual counts: target and raw prediction moved together change nothing, the start moves along."""
    y, raw, weight = (np.round(a * 1024) / 1024 for a in case.sample())
    start = case.loss.fit_intercept_only(y, weight)
    for shift in (-7.0, 1e6):
        assert_array_equal(case.loss.loss(y + shift, raw + shift, weight), case.loss.loss(y, raw, weight))
        moved = case.loss.gradient_hessian(y + shift, raw + shift, weight)
        assert_array_equal(moved, case.loss.gradient_hessian(y, raw, weight))
        assert_allclose(case.loss.fit_intercept_only(y + shift, weight), start + shift, rtol=1e-12)


@over(REGRESSION)
@pytest.mark.parametrize(
    ("factor", "dtype"), [*[(f, np.float64) for f in (1e-20, 3.7, 1e20)], *[(f, np.float32) for f in (1e-12, 1e12)]]
)
def test_scale_equivariance(case, factor, dtype):
    """The unit of y does not matter: an automatic scale follows it, a number given in that unit does the same."""
    y, raw, weight = case.sample(dtype=dtype)
    scaled = copy.deepcopy(case.loss)
    for name in ("delta", "scale", "bandwidth"):
        if not isinstance(getattr(scaled, name, "auto"), str):
            scaled.set_params(**{name: getattr(scaled, name) * factor})
    power = 1 if isinstance(case.loss, AbsoluteError | Quantile) else 2  # of the unit in the value
    tolerance = {"rtol": (1e-3 if isinstance(case.loss, Tukey) else 1e-5) if dtype == np.float32 else 1e-10}
    value, (gradient, hessian) = case.loss.loss(y, raw, weight), case.loss.gradient_hessian(y, raw, weight)
    y, raw = (np.multiply(a, factor, dtype=dtype) for a in (y, raw))
    g, h = scaled.gradient_hessian(y, raw, weight)
    assert_allclose(scaled.loss(y, raw, weight).astype(float) / factor**power, value, **tolerance)
    near_zero = tolerance["rtol"] * np.abs(gradient).max()
    assert_allclose(g.astype(float) / factor ** (power - 1), gradient, **tolerance, atol=near_zero)
    assert_allclose(h.astype(float) * factor ** (2 - power), hessian, **tolerance)


@over(REGRESSION)
@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_start_is_scale_equivariant(case, factor):
    """The best constant has the unit of y, with its digits at any scale."""
    y, _, weight = case.sample()
    scaled = copy.deepcopy(case.loss)
    for name in ("delta", "scale", "bandwidth"):
        if not isinstance(getattr(scaled, name, "auto"), str):
            scaled.set_params(**{name: getattr(scaled, name) * factor})
    start = case.loss.fit_intercept_only(y, weight)
    assert_allclose(scaled.fit_intercept_only(factor * y, weight) / factor, start, rtol=1e-9)


@over(REGRESSION)
def test_symmetry(case):
    """r -> -r leaves value and curvature alone and turns the gradient; levels become 1 - tau."""
    y, raw, weight = case.sample()
    mirrored = copy.deepcopy(case.loss)
    if isinstance(mirrored, Quantile):
        mirrored.set_params(quantile=1 - mirrored.quantile)
    for name in ("asymmetry", "expectile"):
        if hasattr(mirrored, name):
            mirrored.set_params(**{name: 1 - getattr(mirrored, name)})
    gradient, hessian = case.loss.gradient_hessian(y, raw, weight)
    g, h = mirrored.gradient_hessian(-y, -raw, weight)
    assert_allclose(mirrored.loss(-y, -raw, weight), case.loss.loss(y, raw, weight), rtol=1e-12)
    assert_allclose(g, -gradient, rtol=1e-11, atol=1e-15)
    assert_allclose(h, hessian, rtol=1e-12)


@pytest.mark.parametrize("loss", [Huber(delta=1e9), LogCosh(scale=1e9)], ids=repr)
def test_a_large_scale_is_the_squared_error(loss):
    """delta -> inf and c -> inf give r^2 / 2, r and 1."""
    value, gradient, hessian = of_residual(loss)
    assert_allclose(value, R**2 / 2, rtol=1e-9)
    assert_allclose(gradient, R, rtol=1e-9)
    assert_allclose(hessian, 1, rtol=1e-9)


@pytest.mark.parametrize("loss", [Huber(delta=1e-9), LogCosh(scale=1e-9)], ids=repr)
def test_a_small_scale_is_the_absolute_error(loss):
    """The loss divided by delta (or c) tends to abs(r), its gradient to the sign."""
    value, gradient, hessian = (part / 1e-9 for part in of_residual(loss))
    assert_allclose(value, np.abs(R), atol=1e-9)
    assert_allclose(gradient, np.sign(R), rtol=1e-12)
    assert_allclose(hessian[R != 0], 1 / np.abs(R[R != 0]), rtol=1e-9)


BARRON_IS = [
    (2.0, SquaredError(), 1e-14),
    (1.0, PseudoHuber(delta=1.5), 1e-14),
    (0.0, Cauchy(scale=1.5 * 2**0.5), 1e-14),
    (-1e18, Welsch(scale=1.5 * 2**0.5), 1e-11),
]


@pytest.mark.parametrize(("alpha", "other", "tolerance"), BARRON_IS, ids=repr)
@pytest.mark.parametrize("curvature", ["auto", "exact"])
def test_barron_reduces_to(alpha, other, tolerance, curvature):
    """Shapes 2, 1 and 0 are losses of other names, the limit -inf is one; value, gradient and both curvatures."""
    ours, theirs = Barron(alpha=alpha, scale=1.5, curvature=curvature), other.set_params(curvature=curvature)
    for part, expected in zip(of_residual(ours), of_residual(theirs), strict=True):
        assert_allclose(part, expected, rtol=tolerance, atol=1e-300)


def test_barron_of_minus_two_is_geman_mcclure():
    """2 c^2 x^2 / (x^2 + 4), written out."""
    c = 1.5
    value, gradient, hessian = of_residual(Barron(alpha=-2.0, scale=c))
    x2 = (R / c) ** 2
    assert_allclose(value, 2 * c**2 * x2 / (x2 + 4), rtol=1e-14)
    assert_allclose(gradient, 16 * R / (x2 + 4) ** 2, rtol=1e-14)
    assert_allclose(hessian, np.maximum(16 / (x2 + 4) ** 2, 1e-6), rtol=1e-14)


@pytest.mark.parametrize("alpha", [2.0, 1.0, 0.0])
def test_barron_is_continuous_in_alpha(alpha):
    """Next to a special shape value, gradient and second derivative are those of that shape; no jump anywhere near."""
    y = np.zeros_like(R)
    for step in (1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-17, 1e-19):
        for near in {min(alpha + step, 2.0), alpha - step}:
            loss, limit = Barron(alpha=near, scale=1.5), Barron(alpha=alpha, scale=1.5)
            tolerance = {"rtol": 100 * step + 1e-14}
            assert_allclose(loss.loss(y, R), limit.loss(y, R), **tolerance)
            gradients = [shape.gradient_hessian(y, R, curvature="exact") for shape in (loss, limit)]
            assert_allclose(gradients[0][0], gradients[1][0], **tolerance)
            assert_allclose(gradients[0][1], gradients[1][1], **tolerance, atol=100 * step)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [2.0, 1.5, 1.0, 0.1, 0.0, -0.7, -20.0, -1e6, -1e300])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e15])
def test_barron_far_out(alpha, scale, dtype):
    """Up to the largest residual there is no NaN, and the curvature is positive."""
    largest = float(np.finfo(dtype).max)
    r = np.array([sign * a for a in (0.0, 1e-30, 1e18, 1e19, 1e36, largest / 2, largest) for sign in (-1, 1)], dtype)
    loss = Barron(alpha=alpha, scale=scale)
    for part in (*of_residual(loss, r), loss.gradient_hessian(np.zeros_like(r), r, curvature="exact")[1]):
        assert not np.isnan(part).any()
    assert (of_residual(loss, r)[2] > 0).all()


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_a_small_bandwidth_is_the_pinball_loss(quantile):
    """b -> 0; the level 0.5 is half the absolute error."""
    value, gradient, _ = of_residual(Quantile(quantile=quantile, bandwidth=1e-12))
    assert_allclose(value, np.maximum((1 - quantile) * R, -quantile * R), atol=1e-12)
    assert_allclose(gradient[R != 0], np.where(R > 0, 1 - quantile, -quantile)[R != 0], atol=1e-10)
    if quantile == 0.5:
        assert_allclose(value, np.abs(R) / 2, atol=1e-12)


def test_smoothing_is_at_most_half_the_bandwidth():
    """The smoothed pinball lies above the pinball, by b / 2 at r = 0 and less elsewhere."""
    excess = of_residual(Quantile(quantile=0.9, bandwidth=0.3))[0] - np.maximum(0.1 * R, -0.9 * R)
    assert (excess > 0).all()
    assert_allclose(excess.max(), 0.15, rtol=1e-12)


@pytest.mark.parametrize("loss", [Huber(), Huber(delta=1.5), LogCosh(), LogCosh(scale=2.0)], ids=repr)
def test_a_perfect_prediction_costs_nothing(loss):
    """Value and gradient are 0 there and the curvature 1; everything else costs something."""
    y = Case(loss).labels(20)
    assert_array_equal(loss.loss(y, y), 0)
    gradient, hessian = loss.gradient_hessian(y, y)
    assert_array_equal(gradient, 0)
    assert_array_equal(hessian, 1)
    assert (of_residual(loss)[0][R != 0] > 0).all()


@pytest.mark.parametrize(
    ("loss", "y_true", "raw_prediction", "value", "gradient", "exact"),
    [
        (Huber(delta=3.0), 1.0, 3.0, 2.0, 2.0, 1.0),
        (Huber(delta=3.0), 1.0, 5.0, 7.5, 3.0, 0.0),
        (Huber(delta=3.0), 5.0, 1.0, 7.5, -3.0, 0.0),
        # mpmath.mp.dps = 50: c**2 * log(cosh(r / c)), c * tanh(r / c), sech(r / c)**2
        (LogCosh(scale=2.0), 1.0, 4.0, 3.421760684055187, 1.8102965072897329, 0.18070663892364858),
        (LogCosh(scale=2.0), 0.0, -700.0, 1397.2274112777602, -2.0, 3.9438706175039083e-304),
        (Quantile(quantile=0.25, bandwidth=4.0), 1.0, 4.0, 3.25, 0.55, 0.064),
        (Quantile(quantile=0.25, bandwidth=4.0), 4.0, 1.0, 1.75, -0.05, 0.064),
        (Quantile(quantile=0.25, bandwidth=4.0), 4.0, 4.0, 2.0, 0.25, 0.125),
    ],
    ids=repr,
)
def test_specific_values(loss, y_true, raw_prediction, value, gradient, exact):
    """Points computed by hand, or with 50 digits."""
    g, h = loss.gradient_hessian([y_true], [raw_prediction], curvature="exact")
    assert loss.loss([y_true], [raw_prediction]) == pytest.approx(value, rel=1e-14)
    assert g == pytest.approx(gradient, rel=1e-14)
    assert h == pytest.approx(exact, rel=1e-13, abs=0)


# ------------------------------------------------------------------------------------------------------- best constant


def test_start_is_the_right_functional():
    """Mean for large scales, median for small ones, quantile for a small bandwidth."""
    y = np.random.default_rng(4).standard_t(3, 1001)
    assert_allclose(Huber(delta=1e6).fit_intercept_only(y), y.mean(), rtol=1e-9)
    assert_allclose(LogCosh(scale=1e6).fit_intercept_only(y), y.mean(), rtol=1e-6)
    assert_allclose(Huber(delta=1e-7).fit_intercept_only(y), np.median(y), atol=1e-6)
    for tau in (0.05, 0.5, 0.9):
        start = Quantile(quantile=tau, bandwidth=1e-6).fit_intercept_only(y)
        assert_allclose(start, np.quantile(y, tau, method="inverted_cdf"), atol=1e-3)


def test_start_of_quantiles_covers():
    """About a share tau of the data lies below the start of an automatic bandwidth."""
    y = norm.rvs(size=4001, random_state=1)
    for tau in (0.05, 0.5, 0.9):
        assert_allclose(np.mean(y < Quantile(quantile=tau).fit_intercept_only(y)), tau, atol=0.03)


@over([case for case in REGRESSION if not case.is_automatic])
def test_start_is_the_optimum_of_scipy(case):
    """scipy's scalar minimiser finds no better constant."""
    y, _, weight = case.sample(151)
    found = minimize_scalar(lambda z: case.loss.loss(y, np.full_like(y, z), weight).sum(), tol=1e-12).x
    assert_allclose(case.loss.fit_intercept_only(y, weight), found, atol=1e-6)


@over(REGRESSION)
@pytest.mark.parametrize("value", [0.0, -3.25, 1e300, 5e-324])
def test_start_of_a_constant_target_is_that_constant(case, value):
    """Also with weights, and with other values of weight 0."""
    assert case.loss.fit_intercept_only(np.full(5, value)) == value
    assert case.loss.fit_intercept_only([value, 7.0, value], [1.0, 0.0, 2.0]) == value


@over([case for case in REGRESSION if isinstance(case.loss, Quantile)])
def test_start_outside_the_data_is_found(case):
    """A wide bandwidth pushes the best constant of an outer quantile beyond the data."""
    loss = copy.deepcopy(case.loss).set_params(quantile=0.99, bandwidth=10.0)
    start = loss.fit_intercept_only([0.0, 1.0])
    assert start > 1
    assert_allclose(loss.gradient_hessian([0.0, 1.0], [start, start])[0].sum(), 0, atol=1e-12)


@over(REGRESSION)
def test_prediction_is_the_raw_prediction(case):
    """On the scale of y, (n,); there are no probabilities."""
    raw = case.raw(20)
    assert_array_equal(case.loss.predict(raw), raw)
    assert_array_equal(case.loss.predict(raw[:, None]), raw)
    with pytest.raises(AttributeError, match="is a regression loss and has no predict_proba"):
        case.loss.predict_proba(raw)


@over(REGRESSION)
def test_resolve_of_a_regression_loss_is_a_copy(case):
    """There is nothing to resolve, but labels are checked."""
    resolved = case.loss.resolve([1.0, 2.0], [1.0, 3.0])
    assert resolved is not case.loss
    assert resolved.get_params() == case.loss.get_params()
    with pytest.raises(ValueError, match=r"^y_true\[1\] == nan, must be finite\.$"):
        case.loss.resolve([1.0, np.nan])


@over(REGRESSION)
@pytest.mark.parametrize("weighted", [False, True])
def test_parameters_of_a_round_are_numbers(case, weighted):
    """prepare gives a formula its parameters as floats, without weights as well."""
    y, raw, weight = case.sample(weighted=weighted)
    params, same = case.loss.prepare(y, raw, weight)
    assert same is weight
    assert all(type(value) is float for value in params)
    frozen = case.frozen(y, raw, weight).prepare(y, raw, weight)[0]
    assert_allclose(params, frozen, rtol=1e-12)
