"""Leaf renewal in LightGBM: every leaf of a new tree becomes a quantile of its rows' residuals.

LightGBM renews under its own objectives only, and its scores cannot be set. Here they tell in which leaf a row is: what
the newest tree has added to its score. The margins of the renewed trees are kept apart, and written into the arrays in
which LightGBM hands out its scores to the objective and to metrics.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boostloss._lightgbm_text import leaf_values
from boostloss._types import Floats

SLACK = 1e-9  # relative: sums of weights this close to a quantile are on it


class LeafRenewal:
    """The renewal of one training.

    Parameters
    ----------
    quantile : float in (0, 1)
        Of the residuals y - raw_prediction of a leaf.
    learning_rate : callable
        The rate by the parameters of the booster, which a callback may change from round to round.
    """

    def __init__(self, quantile: float, learning_rate: Callable[[dict[str, Any]], float]) -> None:
        self.quantile = quantile
        self.learning_rate = learning_rate
        self.booster: Any = None

    def metric(self) -> Callable[[Any, Any], list[Any]]:
        """Return what must be the first metric: it has no value, and those after it see the true margins."""

        def renew(_first: Any, _second: Any) -> list[Any]:
            self._renew()
            return []

        return renew

    def callbacks(self) -> list["_Callback"]:
        """Return what LightGBM must call just before a round, and first of all after it."""
        return [_Callback(self._begin, True, math.inf), _Callback(self._renew, False, -math.inf)]

    def _begin(self, booster: Any) -> None:
        """Before the first tree, the engine's scores are the margins."""
        if self.booster is None:
            self.booster, self.n_trees = booster, booster.num_trees()
            self.scores = [array.copy() for array in self._handed_out()]
            self.margins = [array.copy() for array in self.scores]
            label, weight = booster.train_set.get_label(), booster.train_set.get_weight()
            self.y_true = label.astype(np.float64)
            self.weight = np.ones(len(label)) if weight is None else weight.astype(np.float64)
        self._renew()

    def _handed_out(self) -> list[Floats]:
        """The arrays in which the booster hands out its scores: of the training set, then of the validation sets."""
        arrays: list[np.ndarray] = []

        def look(scores: Floats, _data: Any) -> list[Any]:
            arrays.append(scores)
            return []

        for _ in range(2):
            self.booster.eval_train(look)
            self.booster.eval_valid(look)
        first, second = arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]
        if any(a is not b for a, b in zip(first, second, strict=True)):
            raise RuntimeError("renew_leaves == True, must be False: this LightGBM hands out its scores in a new array "
                               "at every call.")
        return first

    def _renew(self, _booster: Any = None) -> None:
        """Renew the newest tree, unless that is done, and hand out the true margins until there is another."""
        arrays = self._handed_out()
        if self.booster.num_trees() > self.n_trees:  # a round without a split adds none
            self.n_trees = self.booster.num_trees()
            self._renew_newest(arrays)
        for array, margins in zip(arrays, self.margins, strict=True):
            array[:] = margins

    def _renew_newest(self, scores: list[Floats]) -> None:
        """Set the leaves of the newest tree, and add them to the margins of every data set."""
        tree = self.n_trees - 1
        outputs = leaf_values(self.booster.model_to_string(num_iteration=1, start_iteration=tree))
        if len(outputs) == 1:  # no split
            return
        rounding = max(np.spacing(np.abs(new).max()) for new in scores)
        group_of_leaf, borders = told_apart(outputs, 8 * rounding)
        groups = [np.searchsorted(borders, new - old) for new, old in zip(scores, self.scores, strict=True)]
        residual = self.y_true - self.margins[0]
        quantiles = group_quantiles(residual, self.weight, groups[0], len(borders) + 1, self.quantile)
        values = self.learning_rate(self.booster.params) * quantiles
        for leaf, group in enumerate(group_of_leaf):
            self.booster.set_leaf_output(tree, leaf, values[group])
        for margins, group in zip(self.margins, groups, strict=True):
            margins += values[group]
        self.scores = [new.copy() for new in scores]


class _Callback:
    """A function of the booster as LightGBM's callback, called in ascending `order`."""

    def __init__(self, function: Callable[[Any], None], before_iteration: bool, order: float) -> None:
        self.function, self.before_iteration, self.order = function, before_iteration, order

    def __call__(self, env: Any) -> None:
        """Call it."""
        self.function(env.model)


def told_apart(outputs: Floats, tolerance: float) -> tuple[NDArray[np.int64], Floats]:
    """The group of every leaf, and the outputs between groups: leaves with (nearly) the same output are one group."""
    order = np.argsort(outputs)
    ordered = outputs[order]
    is_first = np.diff(ordered) > tolerance
    group_of_leaf = np.empty(len(outputs), int)
    group_of_leaf[order] = np.append(0, np.cumsum(is_first))
    return group_of_leaf, (ordered[1:][is_first] + ordered[:-1][is_first]) / 2


def group_quantiles(values: Floats, weight: Floats, group: NDArray[np.int64], n_groups: int, quantile: float) -> Floats:
    """The weighted quantile of the values of every group; 0 where it has no weight.

    The inverse of the distribution function, and the middle where that is flat: numpy's "averaged_inverted_cdf", which
    repeats a row as often as its weight says, and mirrors as y and the level do.
    """
    order = np.argsort(values)
    order = order[np.argsort(group[order].astype(np.min_scalar_type(n_groups)), kind="stable")]  # a radix sort
    summed = np.append(0.0, np.cumsum(weight[order]))
    ends = np.cumsum(np.bincount(group, minlength=n_groups))
    begins = np.append(0, ends[:-1])
    total = summed[ends] - summed[begins]
    sought, slack = summed[begins] + quantile * total, SLACK * total
    low = np.searchsorted(summed, sought - slack) - 1
    high = np.searchsorted(summed, sought + slack, side="right") - 1
    low, high = (order[np.clip(index, 0, len(order) - 1)] for index in (low, high))
    return np.where(total > 0, (values[low] + values[high]) / 2, 0.0)
