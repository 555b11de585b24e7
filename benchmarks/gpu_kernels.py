"""How fast are the kernels of a CUDA device, beside a copy of its memory? For gpu.py."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from boostloss import CrossEntropy, Focal, GradientHarmonized, Huber, LogCosh, Loss, Quantile
from boostloss._device import DeviceTargets
from boostloss.kernels import cuda_launch
from boostloss.losses.base import Training
from report import Spread, ratios
from timed_problems import with_fixed_scale
from training_data import N_CLASSES

COPY = "copy"
HEADER = "loss", "outputs", "rows", "ms", "GB/s", "% of a copy's", "quartiles"
N_LAUNCHES = 10  # before the processor waits: it takes longer to start a kernel than a kernel takes for few rows


def alone(loss, targets, raw, *outputs):
    """Gradient and curvature of a loss."""
    loss._derivatives(targets, raw, None, *outputs)


def as_engines_get(loss, targets, raw, *outputs):
    """Those of a regression loss divided by the mean curvature."""
    loss._engine_derivatives(targets, raw, Training(), *outputs)


class Evaluation(NamedTuple):
    """What is timed."""

    title: str
    evaluate: Callable[..., None]
    loss: Loss
    y_true: np.ndarray
    raw: np.ndarray


def evaluations(n_rows):
    """Of several losses; of K classes as many raw predictions in fewer rows."""
    rng = np.random.default_rng(0)
    raw = 2 * rng.standard_normal(n_rows, np.float32)
    labels, numbers = rng.random(n_rows, np.float32) < 0.3, raw + rng.standard_normal(n_rows, np.float32)
    for loss in (CrossEntropy(), Focal(), GradientHarmonized()):
        yield Evaluation(type(loss).__name__, as_engines_get, loss, labels, raw)
    for loss in (Huber(), LogCosh(), Quantile()):
        yield Evaluation(f"{type(loss).__name__}, kernel", alone, with_fixed_scale(loss), numbers, raw)
    yield Evaluation("Huber", as_engines_get, Huber(), numbers, raw)
    n_few = max(n_rows // N_CLASSES, N_CLASSES)
    classes, columns = rng.integers(0, N_CLASSES, n_few), np.resize(raw, (n_few, N_CLASSES))
    for loss in (CrossEntropy(), Focal()):
        yield Evaluation(type(loss).__name__, as_engines_get, loss, classes, columns)


def device_call(evaluation, n_launches=N_LAUNCHES):
    """An evaluation on the device, and the bytes that it reads and writes if it reads everything once."""
    _, evaluate, loss, y_true, raw = evaluation
    targets = loss._targets(y_true, None, 1 if raw.ndim == 1 else raw.shape[1], np.float32)
    loss = loss._with_numbers(targets)
    on_device, margins = DeviceTargets(targets, cuda_launch.upload), cuda_launch.upload(raw)
    outputs = [cuda_launch.empty(raw.shape, np.float32) for _ in range(2)]

    def call():
        for _ in range(n_launches):
            evaluate(loss, on_device, margins, *outputs)
        cuda_launch.synchronize()

    return call, targets.y_true.nbytes + 3 * raw.nbytes


def copy_call(n_rows, n_launches=N_LAUNCHES):
    """A copy from one array of the device to another, and the bytes that it reads and writes."""
    source, target = cuda_launch.upload(np.zeros(n_rows, np.float32)), cuda_launch.empty((n_rows,), np.float32)

    def call():
        for _ in range(n_launches):
            target.copy_to_device(source)
        cuda_launch.synchronize()

    return call, 8 * n_rows


def share(timing, n_bytes, n_bytes_of_copy):
    """Bytes per second as percentages of a copy's, from the ratio of their times in every round."""
    ratio = timing.ratios[0]
    of_ratio = 100 * n_bytes / n_bytes_of_copy
    return Spread(of_ratio / ratio.median, of_ratio / ratio.high, of_ratio / ratio.low)


def row(title, shape, timing, n_bytes, percentages, n_launches=N_LAUNCHES):
    """Of the table."""
    seconds = timing.seconds / n_launches
    n_outputs = shape[1] if len(shape) > 1 else 1
    numbers = f"{1e3 * seconds:.3f}", f"{n_bytes / seconds / 1e9:.0f}", f"{percentages.median:.0f}"
    return title, n_outputs, f"{shape[0]:,}", *numbers, f"{percentages.low:.0f} to {percentages.high:.0f}"


def kernel_rows(n_rows, n_rounds):
    """A row for the copy, and for every loss; a loss and the copy are timed in turn, and one loss after the other."""
    copy, n_bytes_of_copy = copy_call(n_rows)
    for i, evaluation in enumerate(evaluations(n_rows)):
        title, shape = evaluation.title, evaluation.raw.shape
        call, n_bytes = device_call(evaluation)
        timings = ratios({COPY: copy, title: call}, {COPY: (COPY,), title: (COPY,)}, n_rounds)
        if i == 0:
            of_copy = share(timings[COPY], n_bytes_of_copy, n_bytes_of_copy)
            yield row(COPY, (n_rows,), timings[COPY], n_bytes_of_copy, of_copy)
        yield row(title, shape, timings[title], n_bytes, share(timings[title], n_bytes, n_bytes_of_copy))
