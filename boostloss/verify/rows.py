"""The rows of a report: what is compared with what."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from boostloss.losses.base import Loss
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.verify.arrays import Array, Floats, largest
from boostloss.verify.differences import DIFFERENCE_TOLERANCE, difference_errors
from boostloss.verify.exact import ulp_errors
from boostloss.verify.margins import Margins
from boostloss.verify.problem import CORE, DTYPES, QUANTITIES, Problem, Truth
from boostloss.verify.report import Row

ROOT_TOLERANCE = 1e-9  # of sums and mixtures of gradients that must vanish


def truths(problem: Problem) -> tuple[str, dict[Any, list[Truth]]]:
    """What the truth was computed with, and the truth of every dtype; none without mpmath."""
    try:
        import mpmath
    except ImportError:
        return "differences only: mpmath is not installed", {}
    try:
        truths = problem.truth(mpmath.MPContext())
    except AttributeError as error:  # a function of `math` that mpmath does not have
        return f"differences only: {error}", {}
    return f"50-digit arithmetic by mpmath {mpmath.__version__}", truths


def ulp_rows(problem: Problem, truths: dict[Any, list[Truth]], ulp: float) -> Iterator[Row]:
    """Every quantity in either dtype against 50 digits."""
    for dtype, truth in truths.items():
        kernels = [problem.kernel(batch, dtype) for batch in problem.batches]
        for k, quantity in enumerate(QUANTITIES):
            errors = [
                np.where(t.jumps[k], np.nan, ulp_errors(computed[k], t.quantities[k], t.terms[k]))
                for computed, t in zip(kernels, truth, strict=True)
            ]
            for name, inside in problem.ranges.items():
                titles = quantity, "50 digits", dtype.__name__, name
                yield worst_row(problem, titles, errors, inside, "ulp", ulp)


def worst_row(
    problem: Problem,
    titles: tuple[str, str, str, str],
    errors: list[Floats],
    inside: Callable[[Floats], Array],
    unit: str,
    tolerance: float,
) -> Row:
    """The row of the largest error within a range; NaN marks points that are not judged."""
    worst, at, not_judged = np.nan, "", 0
    for batch, error in zip(problem.batches, errors, strict=True):
        scaled = np.where(inside(batch.x), error / problem.growth(batch.x), np.nan)
        not_judged += int((np.isnan(error) & inside(batch.x)).sum())
        if np.isnan(scaled).all():
            continue
        i = int(np.nanargmax(scaled))
        if not scaled[i] <= worst:
            worst, at = float(scaled[i]), batch.place(i, problem.symbol)
    return Row(*titles, worst, unit, tolerance, at, not_judged)


def difference_rows(problem: Problem, ulp: float) -> Iterator[Row]:
    """Gradient and second derivative in either dtype against differences."""
    kernels = {dtype: [problem.kernel(batch, dtype) for batch in problem.batches] for dtype in DTYPES}
    terms = {dtype: problem.kernel_terms(dtype) for dtype in DTYPES}
    for k, quantity in ((1, "gradient"), (2, "hessian")):
        differences = [problem.difference(batch, k - 1) for batch in problem.batches]
        for dtype in DTYPES:
            errors = [
                difference_errors(computed[k], *difference, term[k])
                for computed, difference, term in zip(kernels[dtype], differences, terms[dtype], strict=True)
            ]
            errors = problem.judged(errors)
            tolerance = DIFFERENCE_TOLERANCE + (ulp * float(np.finfo(dtype).eps) if dtype == np.float32 else 0.0)
            titles = quantity, "differences", dtype.__name__, "all"
            yield worst_row(problem, titles, errors, np.isfinite, "", tolerance)


def count_row(titles: tuple[str, str, str, str], places: list[str]) -> Row:
    """How many points there are, and the first of them."""
    return Row(*titles, len(places), "points", 0, places[0] if places else "")


def finite_rows(problem: Problem, truths: dict[Any, list[Truth]]) -> Iterator[Row]:
    """NaN nowhere, inf only where the truth exceeds the dtype: without mpmath, what float64 gives is the truth."""
    for dtype in DTYPES:
        limit, places = float(np.finfo(dtype).max), []
        for b, batch in enumerate(problem.batches):
            truth = truths[dtype][b].terms if truths else problem.kernel(batch, np.float64)
            for name, computed, reference in zip(QUANTITIES, problem.kernel(batch, dtype), truth, strict=True):
                beyond = abs(reference) >= limit * (1 - float(np.finfo(dtype).eps))
                beyond = beyond if truths else beyond & np.isfinite(reference)
                bad = np.isnan(computed) | (np.isinf(computed) & ~beyond)
                places += [f"{name}, {batch.place(i, problem.symbol)}" for i in np.flatnonzero(bad)]
        yield count_row(("no NaN, no inf", "dtype's range", dtype.__name__, "all"), places)


def curvature_rows(problem: Problem) -> Iterator[Row]:
    """Every curvature one may train with, not the unfloored second derivative."""
    for dtype in DTYPES:
        places = []
        for name in problem.loss.curvatures:
            trained = copy.copy(problem.loss)
            trained.curvature = name
            for batch in problem.batches:
                _, hessian = trained.gradient_hessian(batch.y_true.astype(dtype), batch.x.astype(dtype))
                bad = np.flatnonzero(~((hessian > 0) & np.isfinite(hessian)))
                places += [f"curvature {name!r}, {batch.place(i, problem.symbol)}" for i in bad]
        yield count_row(("curvature > 0, finite", "", dtype.__name__, "all"), places)


def start_row(loss: Loss) -> Row:
    """The weighted gradients of some labels sum to zero at the best constant, or change sign there."""
    random = np.random.default_rng(0)
    y_true = random.lognormal(size=101)
    if isinstance(loss, ClassificationLoss):
        y_true = (y_true > 2).astype(float)
    weight = random.uniform(0.5, 2, 101)

    def gradients(z: float) -> Floats:
        return loss.gradient_hessian(y_true, np.full(101, z), weight)[0]

    titles = "start", "sum of gradients", "float64", "101 labels"
    try:
        start = float(loss.fit_intercept_only(y_true, weight))
    except (ValueError, RuntimeError) as failure:
        return Row(*titles, np.nan, "", ROOT_TOLERANCE, str(failure))
    at_start = gradients(start)
    error = float(abs(at_start.sum()) / max(abs(at_start).sum(), float(np.finfo(float).tiny)))
    near = ROOT_TOLERANCE * max(1.0, abs(start))
    if gradients(start - near).sum() <= 0 <= gradients(start + near).sum():
        error = min(error, ROOT_TOLERANCE)  # gradients that jump have no zero
    return Row(*titles, error, "", ROOT_TOLERANCE, f"{start:.6g}")


def posterior_rows(problem: Problem, loss: Any) -> Iterator[Row]:
    """The posterior does not fall with the margin, and is the mixture of labels that the margin is best for."""
    if not isinstance(problem, Margins):
        return
    hard = problem.batches[0]
    loss = loss.resolve(hard.y_true)
    try:
        eta = loss.predict_proba(problem.margins)
    except (AttributeError, ValueError) as failure:
        if "no posterior" not in str(failure):
            raise
        return
    falls = np.flatnonzero(np.diff(eta[:, 1]) < -1e-14)
    yield count_row(("posterior rises", "", "float64", "all"), [f"z = {problem.margins[i]:.9g}" for i in falls])
    positive, negative = np.split(loss.gradient_hessian(hard.y_true, hard.x)[0], 2)
    terms = eta[:, 1] * positive, eta[:, 0] * negative
    inside = (abs(problem.margins) <= CORE) & (eta.min(axis=1) > 1e-280)  # some posteriors end at 0 and 1
    error = np.where(inside, abs(terms[0] + terms[1]) / largest(*terms), 0)
    i = int(np.argmax(error))
    titles = "posterior inverts", "gradients", "float64", "|z| <= 20"
    yield Row(*titles, float(error[i]), "", ROOT_TOLERANCE, f"z = {problem.margins[i]:.9g}")
