"""How does the time of a gradient and a curvature grow with rows, classes and threads?

    python benchmarks/scaling.py [--quick]

Rows and classes with one thread in CPU time, threads by the clock on the wall. Writes results/scaling.svg as well.
"""

import argparse
import os
import time

import joblib
import numpy as np
from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss, HuberLoss

from boostloss import CrossEntropy, Focal, Huber
from calls import engine_call_of, kernel_of, scikit_learn_call
from report import RESULTS, machine, publish, ratios, table

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
CLASSES = (2, 3, 5, 10, 20, 50, 100, 1000)
N_NUMBERS = 2_000_000  # rows times classes
N_ROUNDS = 15
PACKAGES = ("numpy", "numba", "scikit-learn")
LOGISTIC, HUBER, MULTINOMIAL = (f"scikit-learn {name}Loss" for name in ("HalfBinomial", "Huber", "HalfMultinomial"))
COLOURS = {"CrossEntropy": "#0072b2", "Focal": "#d55e00", "Huber": "#009e73"}
GREYS = {LOGISTIC: "#555555", HUBER: "#999999", MULTINOMIAL: "#555555"}


def one_column(n_rows, n_threads=1):
    """Calls on one raw prediction per row, and what they are compared with."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(n_rows, np.float32)
    y, numbers = (rng.random(n_rows, np.float32) < 0.3).astype(np.float32), z + rng.standard_normal(n_rows, np.float32)
    calls = {
        "CrossEntropy": kernel_of(CrossEntropy(), y, z),
        "Focal": kernel_of(Focal(), y, z),
        "Huber": engine_call_of(Huber(), numbers, z),
        LOGISTIC: scikit_learn_call(HalfBinomialLoss(), y, z, n_threads),
        HUBER: scikit_learn_call(HuberLoss(delta=1.0), numbers, z, n_threads),
    }
    references = {"CrossEntropy": (LOGISTIC,), "Focal": (LOGISTIC,), "Huber": (HUBER,), LOGISTIC: (), HUBER: ()}
    return calls, references


def k_classes(n_rows, n_classes):
    """Calls on K raw predictions per row, and what they are compared with."""
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, n_classes, n_rows), rng.standard_normal((n_rows, n_classes), np.float32)
    calls = {
        "CrossEntropy": kernel_of(CrossEntropy(), y, z),
        "Focal": kernel_of(Focal(), y, z),
        MULTINOMIAL: scikit_learn_call(HalfMultinomialLoss(n_classes=n_classes), y, z, 1),
    }
    return calls, {"CrossEntropy": (MULTINOMIAL,), "Focal": (MULTINOMIAL,), MULTINOMIAL: ()}


def by_size(sizes):
    """Timings of every size, given as its problem by the number that grows."""
    return {number: ratios(*problem(), N_ROUNDS, time.process_time) for number, problem in sizes.items()}


def size_rows(timings, n_numbers):
    """Rows of a table."""
    for number, of_size in timings.items():
        for name, timing in of_size.items():
            ratio = str(timing.ratios[0]) if timing.ratios else "-"
            yield f"{number:,}", name, f"{1e9 * timing.seconds / n_numbers(number):.2f}", ratio


def with_threads(call, n_threads):
    """The call with a number of threads of boostloss's own."""

    def run():
        os.environ["BOOSTLOSS_NUM_THREADS"] = str(n_threads)
        call()

    return run


def thread_rows(n_rows, most):
    """Rows of a table: calls with 1, 2, 4 ... threads, how many times faster than with one."""
    counts = sorted({*(2**i for i in range(most.bit_length())), most})
    own, _ = one_column(n_rows)
    calls = {name: {n: with_threads(own[name], n) for n in counts} for name in COLOURS}
    calls[LOGISTIC] = {n: one_column(n_rows, n)[0][LOGISTIC] for n in counts}
    for name, of_name in calls.items():  # one after the other: scikit-learn's threads spin for a while after their work
        # How many times faster n threads are is the time of one in units of theirs
        timings = ratios(of_name, {n: tuple(counts) if n == 1 else () for n in counts}, N_ROUNDS)
        for n, speed_up in zip(counts, timings[1].ratios, strict=True):
            yield name, n, f"{1e3 * timings[n].seconds:.2f}", speed_up


def draw(by_rows, by_classes, n_numbers, path):
    """Nanoseconds over rows and over classes."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "boostloss", "svg.fonttype": "none", "font.size": 9})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for axes, timings, count in ((left, by_rows, n_numbers[0]), (right, by_classes, n_numbers[1])):
        sizes = list(timings)
        for name in timings[sizes[0]]:
            ns = [1e9 * timings[size][name].seconds / count(size) for size in sizes]
            own = name in COLOURS
            style = {"marker": "o", "lw": 1.8} if own else {"marker": "s", "lw": 1.2, "ls": "--"}
            axes.plot(sizes, ns, ms=4, color=COLOURS[name] if own else GREYS[name], label=name, **style)
        axes.set(xscale="log", yscale="log")
        axes.margins(y=0.12)
        axes.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.grid(which="major", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, frameon=False, fontsize=8)
    left.set(xlabel="rows, one raw prediction each", ylabel="ns per row")
    right.set(xlabel="classes", ylabel="ns per row and class")
    right.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rows")
    quick = parser.parse_args().quick
    os.environ["BOOSTLOSS_NUM_THREADS"] = "1"
    rows, classes = (ROWS[:2], CLASSES[:2]) if quick else (ROWS, CLASSES)
    numbers, thread_sizes = (20_000, (100_000,)) if quick else (N_NUMBERS, (1_000_000, 10_000_000))

    def n_numbers(n_classes):
        return numbers // n_classes * n_classes

    by_rows = by_size({n: lambda n=n: one_column(n) for n in rows})
    by_classes = by_size({k: lambda k=k: k_classes(numbers // k, k) for k in classes})
    header = "ns per row", "times scikit-learn's"
    sections = [
        "# Rows, classes, threads",
        f"Measured on {machine(*PACKAGES)}.\nMedians of {N_ROUNDS} rounds, of ratios with quartiles; float32 raw "
        "predictions. Huber as an engine gets it, with a scale that follows the residuals.",
        "![Nanoseconds over rows and classes](scaling.svg)",
        "## Rows\n\nCPU time of one thread.",
        table(("rows", "loss", *header), size_rows(by_rows, int)),
        f"## Classes\n\nCPU time of one thread; rows times classes are {numbers:,}.",
        table(("classes", "loss", "ns per row and class", header[1]), size_rows(by_classes, n_numbers)),
        "## Threads\n\nBy the clock on the wall. Where scikit-learn gains nothing either, another process had the "
        "processor.",
    ]
    for n_rows in thread_sizes:
        cells = table(("loss", "threads", "ms", "times as fast as one"), thread_rows(n_rows, joblib.cpu_count()))
        sections += [f"{n_rows:,} rows:", cells]
    publish("scaling", "\n\n".join(sections))
    draw(by_rows, by_classes, (int, n_numbers), RESULTS / "scaling.svg")


if __name__ == "__main__":
    main()
