"""A few losses of every kind, where one of a kind is enough."""

from conftest import LOSSES, SIGMOID, SOFTMAX

from boostloss import CrossEntropy, Focal, Huber, LogCosh, Quantile

KINDS = (CrossEntropy, 1), (Focal, 1), (CrossEntropy, 3), (Focal, 5), (Huber, 1), (LogCosh, 1), (Quantile, 1)
FEW = [
    *[next(case for case in LOSSES if (type(case.loss), case.n_outputs) == kind) for kind in KINDS],
    next(case for case in SIGMOID if case.loss.label_smoothing),
    next(case for case in SOFTMAX if case.loss.label_smoothing),
]
