"""What both engines share: K, the unit of targets, parameters that contradict a loss, and its description."""

import json
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from boostloss._types import Array
from boostloss.losses.base import Loss
from boostloss.losses.classification_base import ClassificationLoss

LEAST_SPREAD, GREATEST_SPREAD = 1e-6, 1e9  # of targets, for float32 gradients
MOST_SHOWN = 10  # labels in a message


def resolved_loss(loss: Loss, label: ArrayLike, weight: ArrayLike | None, n_classes: int | None = None) -> Loss:
    """`loss` with everything that depends on the training labels as numbers, and with two or more classes in them."""
    if isinstance(loss, ClassificationLoss):
        return loss.resolve(label, weight, n_classes=n_classes)
    if n_classes not in (None, 1, loss.n_outputs):
        outputs = f"{loss.n_outputs} outputs" if loss.n_outputs > 1 else "one output"
        raise ValueError(f"num_class == {n_classes!r} contradicts loss == {loss!r}: it has {outputs}.")
    return loss.resolve(label, weight)


def spread(loss: Loss, label: ArrayLike, weight: ArrayLike | None, start: float | Array, power: float = 0.5) -> float:
    """(Weighted mean of abs(y - start)^power)^(1 / power), S for .5: one number for all outputs.

    0 where float32, in which engines keep targets, does not tell them from the start.
    """
    targets = loss._targets(label, weight, loss.n_outputs, np.float64)
    weight = targets.sample_weight if targets.sample_weight.size else None
    size = np.average(np.abs(targets.y_true - np.mean(start)) ** power, weights=weight) ** (1 / power)
    return float(size) if size > np.finfo(np.float32).eps * np.abs(np.mean(start)) else 0.0


def warn_of_unit(
    loss: Loss,
    label: ArrayLike,
    weight: ArrayLike | None,
    start: float | Array,
    least: float = LEAST_SPREAD,
    greatest: float = GREATEST_SPREAD,
) -> None:
    """Warn of targets that spread so little or so much that float32 or an engine's own thresholds matter.

    A few targets that are not zero spread all of them in root mean square only, a few that are large only so as well.
    """
    size = spread(loss, label, weight, start, 2)
    size = size if size < least else spread(loss, label, weight, start)
    if 0 < size < least or size > greatest:
        _warn(
            f"y_true spreads by {size:.3g} about the start, which should be in [{least:g}, {greatest:g}]: rescale it, "
            "and predictions back, for rounding and the engine's thresholds for gains know no unit."
        )


def warn_of_empty_classes(resolved: Loss, label: ArrayLike) -> None:
    """Warn where K was taken from the largest label and a class below it has no rows: labels 1 and 2 make three."""
    is_distribution = np.shape(label)[1:] not in ((), (1,))
    if not isinstance(resolved, ClassificationLoss) or resolved.n_classes_ == 2 or is_distribution:
        return
    found = np.unique(label).astype(int)
    if len(found) < resolved.n_classes_:
        labels = f"{', '.join(map(str, found[:MOST_SHOWN]))}{', ...' if len(found) > MOST_SHOWN else ''}"
        n_empty = resolved.n_classes_ - len(found)
        _warn(
            f"y_true has the labels [{labels}], which makes {resolved.n_classes_} classes, {n_empty} of them without "
            "rows: encode labels from 0 without gaps, or use LossClassifier, which does; where it is meant, give the "
            "number of classes (num_class)."
        )


def _warn(message: str) -> None:
    """Warn in the name of the line outside boostloss that called it."""
    stacklevel = 1
    while sys._getframe(stacklevel).f_globals["__name__"].partition(".")[0] == "boostloss":
        stacklevel += 1
    warnings.warn(message, stacklevel=stacklevel + 1)


def refuse(
    params: Mapping[str, Any], names: Iterable[str], loss: Loss, advice: str, where: str = "params[{!r}]"
) -> None:
    """Raise for the first of `names` that `params` gives; `where` says how the user spelled it."""
    for name in names:
        if params.get(name) is not None:
            raise ValueError(f"{where.format(name)} == {params[name]!r} contradicts loss == {loss!r}: {advice}.")


def describe(loss: Loss) -> str:
    """JSON text of a resolved loss."""
    return json.dumps(loss.to_dict(), sort_keys=True)


def restore(text: str) -> Loss:
    """The loss that `describe` described."""
    try:
        return Loss.from_dict(json.loads(text))
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"the loss in the saved model cannot be read, give loss=: {error}") from error
