"""Weights of the classes: alpha, pos_weight and class_weight are three ways to write them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from boostloss._types import ClassWeight, Floats, OfClasses
from boostloss._validation import check_number

if TYPE_CHECKING:
    from boostloss.losses.classification_base import ClassificationLoss

MUST_BE = "must be 'balanced', 'effective', a dict or a sequence"


def check_numbers_of_classes(name: str, values: OfClasses | None, **domain: Any) -> None:
    """Check a sequence with a number for every class, by class index; None stands for none."""
    if values is None:
        return
    if isinstance(values, (str, dict, set)) or np.ndim(values) != 1 or hasattr(values, "iloc"):
        raise TypeError(f"{name} == {values!r}, must be a list or an array with a number for every class.")
    for k, value in enumerate(values):
        check_number(f"{name}[{k}]", value, **domain)


def check_class_weight(
    alpha: float | None, pos_weight: float | str | None, class_weight: ClassWeight, beta: float
) -> None:
    """Check each of the three, that at most one is given, and beta where it is that of "effective"."""
    given = {"alpha": alpha, "pos_weight": pos_weight, "class_weight": class_weight}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        values = " and ".join(f"{name} == {value!r}" for name, value in given.items())
        raise ValueError(f"{values}, must not be given together: each of them is a weight of the classes.")
    if alpha is not None:
        check_number("alpha", alpha, low=0, high=1, low_open=True, high_open=True)
    if pos_weight is not None and not (isinstance(pos_weight, str) and pos_weight == "balanced"):
        check_number("pos_weight", pos_weight, low=0, low_open=True)
    if isinstance(class_weight, str):
        if class_weight not in ("balanced", "effective"):
            raise ValueError(f"class_weight == {class_weight!r}, {MUST_BE}.")
        if class_weight == "effective":
            check_number("beta", beta, low=0, high=1, high_open=True)
    elif hasattr(class_weight, "iloc"):
        raise TypeError(f"class_weight == {class_weight!r}, {MUST_BE}: of a Series, Series.to_dict().")
    elif class_weight is not None and not hasattr(class_weight, "__len__"):
        raise TypeError(f"class_weight == {class_weight!r}, {MUST_BE}.")
    elif class_weight is not None:
        for k, weight in _items(class_weight):
            check_number(f"class_weight[{k!r}]", weight, low=0, low_open=True)


def class_weights(loss: "ClassificationLoss", n_classes: int) -> Floats:
    """Weights of the classes of a loss as an array (n_classes,)."""
    for name in ("pos_weight", "class_weight"):
        if isinstance(getattr(loss, name), str):
            raise ValueError(
                f"{name} == {getattr(loss, name)!r} depends on the training labels: "
                "use loss.resolve(y_true, sample_weight), which returns a loss with numbers."
            )
    weights = np.ones(n_classes)
    for name in ("alpha", "pos_weight"):
        value = getattr(loss, name)
        if value is not None and n_classes != 2:
            raise ValueError(f"{name} == {value!r} with {n_classes} classes, must be used with two.")
        if value is not None:
            weights[:] = (1 - value, value) if name == "alpha" else (1, value)
    if loss.class_weight is not None and not isinstance(loss.class_weight, str):
        if not isinstance(loss.class_weight, dict) and len(loss.class_weight) != n_classes:
            raise ValueError(f"class_weight has {len(loss.class_weight)} entries, must have {n_classes}.")
        for k, weight in _items(loss.class_weight):
            if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 0 <= k < n_classes:
                raise ValueError(f"class_weight has key {k!r}, must have class indices in [0, {n_classes}).")
            weights[k] = weight
    return weights


def balanced(totals: Floats) -> list[float]:
    """n / (K n_k) from the summed weight of every class; 1 for a class without rows, K counting the others."""
    present = totals > 0
    weights = np.ones(len(totals))
    weights[present] = totals.sum() / (present.sum() * totals[present])
    return weights.tolist()


def effective(totals: Floats, beta: float) -> list[float]:
    """(1 - beta) / (1 - beta^n_k), times what makes their sum K: the inverse effective number of rows of every class.

    1 for a class without rows, K counting the others. Between no weights (beta 0) and 1 / n_k (beta to 1).
    """
    present = totals > 0
    weights = np.ones(len(totals))
    with np.errstate(divide="ignore"):  # beta 0
        inverse = -1 / np.expm1(totals[present] * np.log(beta))
    weights[present] = inverse * (present.sum() / inverse.sum())
    return weights.tolist()


def resolve_class_weight(loss: "ClassificationLoss", totals: Floats) -> None:
    """Give a loss its class weights as numbers, from the summed weight of every class."""
    if loss.pos_weight == "balanced":
        if len(totals) != 2 or not totals.all():
            raise ValueError(f"pos_weight == 'balanced' with summed weights {totals.tolist()}, must have two classes.")
        loss.pos_weight = float(totals[0] / totals[1])
    if isinstance(loss.class_weight, str):
        loss.class_weight = balanced(totals) if loss.class_weight == "balanced" else effective(totals, loss.beta)


def _items(class_weight: Mapping[Any, float] | OfClasses) -> Iterable[tuple[Any, float]]:
    return class_weight.items() if isinstance(class_weight, dict) else enumerate(class_weight)
