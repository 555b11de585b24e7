"""What both engines share: labels and buffers of a data set, K, the start, and parameters that contradict a loss."""

import contextlib
import json
import sys
import threading
import warnings
import weakref

import numpy as np

from boostloss.losses.base import Loss
from boostloss.losses.classification_base import ClassificationLoss

LEAST_SPREAD, GREATEST_SPREAD = 1e-6, 1e9  # of targets, for float32 gradients
_local = threading.local()  # buffers are never shared by two threads


def is_data_set(data):
    """Whether `data` is a DMatrix or a Dataset, without importing an engine."""
    return hasattr(data, "get_label") and hasattr(data, "get_weight") and not isinstance(data, np.ndarray)


class DataSet:
    """Checked labels, weights and output buffers of one DMatrix or Dataset, for one thread."""

    def __init__(self, label, weight):
        self.label, self.weight = label, weight
        self.targets = {}
        self.buffers = {}
        self.memories: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def targets_of(self, loss, n_outputs):
        """The labels in the terms of `loss`, checked once."""
        key = loss._targets_key(), n_outputs
        if key not in self.targets:
            self.targets[key] = loss._targets(self.label, self.weight, n_outputs, np.float32)
        return self.targets[key]

    def outputs_like(self, raw):
        """Two float32 arrays in the shape and memory order of `raw`, the same at every call."""
        key = raw.shape, raw.flags.c_contiguous
        if key not in self.buffers:
            self.buffers[key] = np.empty_like(raw, np.float32), np.empty_like(raw, np.float32)
        return self.buffers[key]

    def memory_of(self, objective):
        """What an objective remembers of its training on this data set."""
        return self.memories.setdefault(objective, {})

    def same(self, label, weight):
        """Whether these are still the labels and weights of the data set: a user may have set others."""
        return _same(label, self.label) and _same(weight, self.weight)


def _same(a, b):
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


@contextlib.contextmanager
def labels_read_once():
    """A training: labels and weights of a data set are read and compared at its first call only.

    An engine copies them at every question, 1 to 2 % of a round.
    """
    outer = getattr(_local, "of_training", None)
    _local.of_training = weakref.WeakKeyDictionary()
    try:
        yield
    finally:
        _local.of_training = outer


def data_set_of(data):
    """The `DataSet` of a DMatrix or Dataset; found again by identity, never by length."""
    of_training = getattr(_local, "of_training", None)
    if of_training is None:
        return _current_data_set(data)
    if data not in of_training:
        of_training[data] = _current_data_set(data)
    return of_training[data]


def _current_data_set(data):
    known = getattr(_local, "known", None)
    if known is None:
        known = _local.known = weakref.WeakKeyDictionary()
    label, weight = data.get_label(), data.get_weight()
    if label is None or not len(label):
        raise ValueError("data has no label, must have one per row.")
    weight = None if weight is None or not len(weight) else weight
    found = known.get(data)
    if found is None or not found.same(label, weight):
        found = known[data] = DataSet(label, weight)
    return found


def resolved_loss(loss, label, weight, n_classes=None):
    """`loss` with everything that depends on the training labels as numbers, and with two or more classes in them."""
    if isinstance(loss, ClassificationLoss):
        return loss.resolve(label, weight, n_classes=n_classes)
    if n_classes not in (None, 1, loss.n_outputs):
        outputs = f"{loss.n_outputs} outputs" if loss.n_outputs > 1 else "one output"
        raise ValueError(f"num_class == {n_classes!r} contradicts loss == {loss!r}: it has {outputs}.")
    return loss.resolve(label, weight)


def spread(loss, label, weight, start, power=0.5):
    """(Weighted mean of abs(y - start)^power)^(1 / power), S for .5: one number for all outputs.

    0 where float32, in which engines keep targets, does not tell them from the start.
    """
    targets = loss._targets(label, weight, loss.n_outputs, np.float64)
    weight = targets.sample_weight if targets.sample_weight.size else None
    size = np.average(np.abs(targets.y_true - np.mean(start)) ** power, weights=weight) ** (1 / power)
    return float(size) if size > np.finfo(np.float32).eps * np.abs(np.mean(start)) else 0.0


def warn_of_unit(loss, label, weight, start, least=LEAST_SPREAD, greatest=GREATEST_SPREAD):
    """Warn of targets that spread so little or so much that float32 or an engine's own thresholds matter.

    A few targets that are not zero spread all of them in root mean square only, a few that are large only so as well.
    """
    size = spread(loss, label, weight, start, 2)
    size = size if size < least else spread(loss, label, weight, start)
    if 0 < size < least or size > greatest:
        stacklevel = 1
        while sys._getframe(stacklevel).f_globals["__name__"].partition(".")[0] == "boostloss":
            stacklevel += 1
        warnings.warn(
            f"y_true spreads by {size:.3g} about the start, which should be in [{least:g}, {greatest:g}]: rescale it, "
            "and predictions back, for rounding and the engine's thresholds for gains know no unit.",
            stacklevel=stacklevel + 1,
        )


def refuse(params, names, loss, advice, where="params[{!r}]"):
    """Raise for the first of `names` that `params` gives; `where` says how the user spelled it."""
    for name in names:
        if params.get(name) is not None:
            raise ValueError(f"{where.format(name)} == {params[name]!r} contradicts loss == {loss!r}: {advice}.")


def describe(loss):
    """JSON text of a resolved loss."""
    return json.dumps(loss.to_dict(), sort_keys=True)


def restore(text):
    """The loss that `describe` described."""
    try:
        return Loss.from_dict(json.loads(text))
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"the loss in the saved model cannot be read, give loss=: {error}") from error
