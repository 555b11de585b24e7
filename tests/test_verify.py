"""`boostloss.verify`: right losses pass, wrong ones are caught and named."""

import sys

import pytest
from conftest import OTHER_REGRESSION, REGRESSION, SIGMOID, over_kinds

import boostloss as bl
from boostloss.formula import exp, power_q
from boostloss.verify import QUANTITIES, assert_correct, check

pytest.importorskip("mpmath")

CHECKED = SIGMOID + REGRESSION + [case for case in OTHER_REGRESSION if case.n_outputs == 1]


class Poly(bl.ClassificationLoss):
    """Poly-1 cross-entropy."""

    def __init__(self, *, epsilon=1.0):
        self.epsilon = epsilon

    @staticmethod
    def point(log_p, log_q, p, q, epsilon):
        return -log_p + epsilon * q, -q * (1.0 + epsilon * p), -epsilon * p * q**2


class WrongSign(bl.ClassificationLoss):
    """The cross-entropy climbed instead of descended."""

    @staticmethod
    def point(log_p, log_q, p, q):
        return -log_p, q, 0.0


class OtherGamma(bl.Focal):
    """Focal loss whose gradient belongs to gamma + 1."""

    @staticmethod
    def point(log_p, log_q, p, q, gamma):
        m, other = power_q(q, log_q, gamma), gamma + 1.0
        first = m * q * (other * p * log_p - q)
        second = gamma * p * m * (q * (log_p + 2.0) - (gamma - 1.0) * p * log_p)
        return -m * log_p, first, second


class Squared(bl.RegressionLoss):
    """Half the squared error: it exceeds float32 from 2.6e19 on."""

    @staticmethod
    def point(r):
        return 0.5 * r * r, r, 1.0, 1.0


class Climbing(bl.RegressionLoss):
    """The squared error with the sign of y - z."""

    @staticmethod
    def point(r):
        return 0.5 * r * r, -r, 1.0, 1.0


class MissingFactor(bl.RegressionLoss):
    """A pseudo-Huber loss that is consistent but for a factor of its value."""

    @staticmethod
    def point(r):
        s = (1.0 + r * r) ** 0.5 if abs(r) < 1e15 else abs(r)
        return 2.0 * r * (r / (1.0 + s)), r / s, 1.0 / s / s / s, 1.0 / s


class ZeroHessian(bl.RegressionLoss):
    """The squared error with the second derivative of the absolute error."""

    @staticmethod
    def point(r):
        return 0.5 * r * r, r, 0.0, 1.0


class NegativeCurvature(bl.RegressionLoss):
    """The Welsch loss with its second derivative where a curvature belongs."""

    @staticmethod
    def point(r):
        x = r if abs(r) < 30.0 else 30.0
        e = exp(-0.5 * x * x)
        second = (1.0 - x * x) * e
        return 1.0 - e, r * e, second, second


class NaNFarOut(bl.RegressionLoss):
    """The Geman-McClure loss with squares that overflow: inf / inf."""

    @staticmethod
    def point(r):
        t = 1.0 + r * r
        return 0.5 * r * r / t, r / (t * t), (1.0 - 3.0 * r * r) / (t * t * t), 1.0 / (t * t)


WRONG = [
    (WrongSign(), {"gradient", "start"}),
    (OtherGamma(gamma=2.0), {"gradient", "hessian"}),
    (NaNFarOut(), {"no NaN, no inf"}),
    (Climbing(), {"gradient", "hessian", "start"}),
    (MissingFactor(), {"gradient"}),
    (ZeroHessian(), {"hessian"}),
    (NegativeCurvature(), {"curvature > 0, finite"}),
]


# One of each kind of formula is quick: every other one is compiled for nothing else
QUICK = WrongSign, NaNFarOut, NegativeCurvature
MISTAKES = [
    pytest.param(wrong, quantities, id=type(wrong).__name__, marks=() if isinstance(wrong, QUICK) else pytest.mark.slow)
    for wrong, quantities in WRONG
]


def failing(report):
    return {row.quantity for row in report.failures}


@over_kinds(CHECKED)
def test_built_in_losses_pass(case):
    """Every built-in loss agrees with differences and with 50 digits in both dtypes."""
    report = check(case.loss)
    assert report.ok, report
    assert "50-digit" in report.arithmetic
    assert {(row.quantity, row.dtype) for row in report.rows if row.against == "50 digits"} == {
        (quantity, dtype) for quantity in QUANTITIES for dtype in ("float32", "float64")
    }


SCALES = [f(c) for c in (1e-9, 1e9) for f in (lambda c: bl.Welsch(scale=c), lambda c: bl.PseudoHuber(delta=c))]


@pytest.mark.parametrize("loss", SCALES, ids=repr)
def test_scales_far_from_1_pass(loss):
    """Also where the weight of a row is subnormal in float32 and its pull is not."""
    assert_correct(loss)


class OfPrediction(bl.RegressionLoss):
    """Half the squared relative error, a formula of target and raw prediction."""

    variable = "prediction"

    @staticmethod
    def point(y, z):
        d = z - y
        return 0.5 * (d / y) * (d / y), d / y / y, 1.0 / y / y, 1.0 / y / y

    def _check_domain(self, y_true):
        if (y_true == 0).any():
            raise ValueError("y_true")


class WrongByTarget(OfPrediction):
    """Its gradient forgets a factor of y."""

    @staticmethod
    def point(y, z):
        d = z - y
        return 0.5 * (d / y) * (d / y), d / y, 1.0 / y / y, 1.0 / y / y


def test_formula_of_target_and_prediction():
    """Pairs of them are checked as residuals are; several levels are sums, to be checked one by one."""
    assert check(OfPrediction()).ok
    assert {row.quantity for row in check(WrongByTarget()).failures} >= {"gradient"}
    with pytest.raises(ValueError, match="check the losses of its levels"):
        check(bl.Quantile(quantile=[0.1, 0.9]))


@pytest.mark.parametrize("own", [Poly(), Poly(epsilon=-0.5), Squared()], ids=repr)
def test_right_loss_of_a_user_passes(own):
    """A loss of ten lines passes, also where its true value exceeds float32."""
    assert_correct(own)


@pytest.mark.parametrize(("wrong", "quantities"), MISTAKES)
def test_wrong_loss_is_named(wrong, quantities):
    """A mistake fails the rows of the quantities it is in."""
    report = check(wrong)
    assert not report.ok
    assert quantities <= failing(report), report


@pytest.mark.parametrize(("wrong", "quantities"), MISTAKES)
def test_wrong_loss_is_named_without_mpmath(wrong, quantities, monkeypatch):
    """Differences alone find the same mistakes."""
    monkeypatch.setitem(sys.modules, "mpmath", None)
    assert quantities <= failing(check(wrong))


@over_kinds(CHECKED)
def test_right_loss_passes_without_mpmath(case, monkeypatch):
    """Without mpmath the report has differences only, and says so."""
    monkeypatch.setitem(sys.modules, "mpmath", None)
    report = check(case.loss)
    assert report.ok, report
    assert "mpmath is not installed" in str(report)
    assert not any(row.against == "50 digits" for row in report.rows)


def test_truth_is_not_the_gradient_formula():
    """Gradient and second derivative that agree with each other, but not with the value, fail against 50 digits."""
    rows = check(MissingFactor()).failures
    assert {"gradient", "hessian"} <= {row.quantity for row in rows if row.against == "50 digits"}


def test_assert_correct_shows_the_failing_rows():
    """The message has the loss, the failing rows with their points, and no others."""
    with pytest.raises(AssertionError) as failure:
        assert_correct(ZeroHessian())
    text = str(failure.value)
    assert text.startswith("ZeroHessian(): ")
    lines = text.splitlines()[2:]
    assert lines
    assert all(line.startswith("hessian") and line.endswith("NO") and "r = " in line for line in lines)


def test_report_is_an_aligned_table():
    """The text has one line per row, columns aligned, the verdict last; the repr is one line."""
    report = check(bl.CrossEntropy())
    title, header, *lines = str(report).splitlines()
    assert title.startswith("CrossEntropy(): ")
    assert header.split("  ")[0] == "quantity"
    assert len(lines) == len(report.rows)
    assert all(line.endswith("  yes") and len(line) == len(lines[0]) for line in lines)
    start = header.index("dtype")
    assert [line[start:].split()[0] for line in lines] == [row.dtype for row in report.rows]
    assert repr(report) == "<Report on CrossEntropy(): ok>"
    assert "rows failed" in repr(check(ZeroHessian()))


def test_points_at_a_jump_are_not_judged():
    """The Huber loss has no second derivative at abs(r) == delta: two points, and no failure."""
    report = check(bl.Huber(delta=0.5))
    assert report.ok
    hessian = [row for row in report.rows if row.quantity == "hessian" and row.against == "50 digits"]
    assert [row.not_judged for row in hessian] == [2, 2]


def test_tolerance_is_the_users():
    """`ulp` is the bound of the comparison with 50 digits: no kernel is within a hundredth of an ulp."""
    assert {"value", "gradient", "hessian"} <= failing(check(Poly(), ulp=0.01))
    assert check(Poly(), ulp=100.0).ok


def test_loss_is_left_as_it_was():
    """A check changes nothing in the loss."""
    for loss in (bl.Focal(class_weight="balanced"), bl.Huber()):
        before = dict(vars(loss))
        check(loss)
        assert vars(loss) == before


def test_invalid_hyper_parameter_is_an_error():
    """Parameters are checked before anything runs."""
    with pytest.raises(ValueError, match="gamma"):
        check(bl.Focal().set_params(gamma=-1.0))


def test_terms_of_tiny_derivatives():
    """A third derivative that underflows still counts as r times itself: far out, h = 5e-307 and r h' = 9e-306."""
    assert_correct(bl.Barron(alpha=-17.505315, scale=385.0678))
