"""What every benchmark needs: interleaved timing, the facts of the machine, one table for screen and file."""

import importlib.metadata
import platform
import random
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

RESULTS = Path(__file__).parent / "results"
VECTOR_UNITS = ("avx512f", "avx2", "avx", "sve", "neon", "sse2")  # the widest one first


class Spread(NamedTuple):
    """Median and quartiles of what every round gave."""

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


class Timing(NamedTuple):
    """Of one call: the median time, and its ratios to the calls it is compared with."""

    seconds: float
    ratios: tuple[Spread, ...]


def ratios(calls, references, n_rounds, clock=time.perf_counter):
    """The `Timing` of every call in `references`, which has the names of the calls that it is compared with.

    All calls are made once per round, and ratios taken within a round: a busy machine slows all of them alike. The
    order is another one in every round, for a call that leaves the caches full slows down the next.
    """
    for call in calls.values():
        call()
    names, shuffle = list(calls), random.Random(0).shuffle
    seconds = {name: np.empty(n_rounds) for name in names}
    for i in range(n_rounds):
        shuffle(names)
        for name in names:
            start = clock()
            calls[name]()
            seconds[name][i] = clock() - start

    def spread(name, reference):
        low, median, high = np.quantile(seconds[name] / seconds[reference], [0.25, 0.5, 0.75]).tolist()
        return Spread(median, low, high)

    return {
        name: Timing(float(np.median(seconds[name])), tuple(spread(name, reference) for reference in compared))
        for name, compared in references.items()
    }


def machine(*packages):
    """Processor, vector unit and versions, in one sentence."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    unit = next((name for name in VECTOR_UNITS if features.get(name)), "none")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    system = f"{platform.system()} {platform.machine()}"
    return f"{processor()} ({binding.get_host_cpu_name()}, vectors: {unit}), {system}; " + ", ".join(
        [f"Python {platform.python_version()}", *versions]
    )


def processor():
    """The name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def table(header, rows):
    """An aligned Markdown table; columns of numbers to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    numeric = [all(row[i][:1].isdigit() or row[i] == "-" for row in rows) for i in range(len(header))]

    def line(cells):
        aligned = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * (w - 1) + ":" if right else "-" * w for w, right in zip(widths, numeric, strict=True)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def publish(name, text, summary=None):
    """Print a report and write it to results/<name>.md; what the README says of it to results/<name>.summary.md."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
    if summary is not None:
        (RESULTS / f"{name}.summary.md").write_text(summary + "\n")
