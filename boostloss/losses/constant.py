"""The best constant of a classification loss: the margins whose posterior is the class frequencies."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.optimize import brentq

from boostloss._types import Floats
from boostloss.losses.probability import probability_parts, true_class_margins

LogPosterior: TypeAlias = Callable[[Floats], Floats]
FURTHEST = 1e3  # a margin
ROUNDING = 1e-15  # of a log posterior, relative to the larger of 1 and its size


def best_margins(log_posterior: LogPosterior, log_weights: Floats) -> Floats:
    """Margins m_j, each class against all others, with log_posterior(m)_j = log_weights_j + t and sum p_j = 1.

    `log_posterior` (1, K) -> (1, K) works column by column and increases: for a given t every margin is a root of its
    own, and the probabilities grow with t, so t is a root as well.
    """
    log_weights = log_weights - log_weights.max()
    if len(log_weights) == 2:
        return _two_margins(log_posterior, log_weights[1] - log_weights[0])

    of_cross_entropy: Floats = true_class_margins(log_weights[None, :])[0]
    if np.ptp(log_posterior(of_cross_entropy[None, :])[0] - log_weights) <= ROUNDING * (1 - log_weights.min()):
        return of_cross_entropy  # a thousand evaluations less
    furthest = np.full(len(log_weights), FURTHEST)
    known = {-np.inf: -furthest, np.inf: furthest}

    def margins(t: float) -> Floats:
        low, high = known[max(s for s in known if s <= t)], known[min(s for s in known if s >= t)]
        known[t] = _increasing_roots(lambda m: log_posterior(m[None, :])[0] - log_weights - t, low, high)
        return known[t]

    def excess(t: float) -> float:
        return float(probability_parts(margins(t))[2].sum()) - 1

    reach = 1.0
    while excess(-reach) > 0 or excess(reach) < 0:
        reach *= 2
    return margins(brentq(excess, -reach, reach, xtol=1e-15, rtol=1e-15))


def _two_margins(log_posterior: LogPosterior, log_odds: float) -> Floats:
    """For two classes one root is enough: their margins are opposite."""

    def excess(z: float) -> float:
        log_eta = log_posterior(np.array([[-z, z]]))[0]
        return float(log_eta[1] - log_eta[0] - log_odds)

    reach = 1.0
    while excess(-reach) > 0 or excess(reach) < 0:
        reach *= 2
    z = brentq(excess, -reach, reach, xtol=1e-15, rtol=1e-15)
    return np.array([-z, z])


def _increasing_roots(f: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Roots of increasing functions at once, by bisection to the last bit."""
    middle = (low + high) / 2
    while ((low < middle) & (middle < high)).any():
        above = f(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
        middle = (low + high) / 2
    return middle
