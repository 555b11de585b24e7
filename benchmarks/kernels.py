"""How long does a gradient and a curvature take? Every loss, beside a plain copy, scikit-learn and other packages.

    python benchmarks/kernels.py [--rows N] [--threads T]

All calls of a table in one process, in one round after the other; with one thread in CPU time, which a busy machine
disturbs less. Other packages are measured where they are installed.
"""

import argparse
import os
import time
from functools import partial

import numpy as np

import machine_code
import peers
from calls import kernel_of, plain_copy, scikit_learn_call
from report import machine, processor, publish, ratios, table
from timed_problems import k_classes, labels_of_a_row, levels_of_a_row, positive_targets, residuals, two_classes

N_CLASSES = (3, 20)
N_ROUNDS = 15
PACKAGES = ("numpy", "numba", "scikit-learn")
FORMS = {"float32": (np.float32, "C"), "float64": (np.float64, "F")}  # what XGBoost and LightGBM hand over
COPY = "plain copy"
HEADER = ("loss", "raw predictions", "ns per row", "times a plain copy", "times scikit-learn's", "which is")
ONE_COLUMN = {
    "Two classes": two_classes,
    "Residuals": residuals,
    "Positive targets": positive_targets,
}
SEVERAL_COLUMNS = {
    **{f"{k} classes": partial(k_classes, k) for k in N_CLASSES},
    "5 labels per row": labels_of_a_row,
    "3 quantiles": levels_of_a_row,
}
IN_README = {  # loss: section, what its peers call it
    "CrossEntropy": ("Two classes", "cross-entropy"),
    "Focal": ("Two classes", "focal"),
    "Huber": ("Residuals", "Huber"),
    "LogCosh": ("Residuals", "log-cosh"),
    "Quantile": ("Residuals", "quantile"),
}


def measured(problem, n_rows, form, options):
    """The `Timing` of every call of a problem, and the title of scikit-learn's loss that it is compared with."""
    z, calls, nearest = problem(n_rows, *FORMS[form])
    titles = {name: f"scikit-learn {type(loss).__name__}" for name, (loss, _, _) in nearest.items()}
    known = {titles[name]: scikit_learn_call(*nearest[name], options.threads) for name in calls}
    references = {COPY: (COPY,), **dict.fromkeys(known, (COPY,)), **{n: (COPY, titles[n]) for n in calls}}
    return ratios({COPY: plain_copy(z), **known, **calls}, references, N_ROUNDS, options.clock), titles


def section(problem, n_rows, options):
    """A table of both types of raw predictions, and the timings of float32."""
    rows, of_form = [], {}
    for form in FORMS:
        timings, titles = measured(problem, n_rows, form, options)
        of_form[form] = timings
        for name, timing in timings.items():
            cells = [str(ratio) for ratio in timing.ratios] + ["-"] * (2 - len(timing.ratios))
            rows.append((name, form, f"{1e9 * timing.seconds / n_rows:.2f}", *cells, titles.get(name, "-")))
    return table(HEADER, rows), of_form["float32"]


def other_packages(n_rows, n_multiclass_rows, options):
    """Rows of a table: loss, who, raw predictions, ns per row, times boostloss."""
    rng = np.random.default_rng(0)
    raw, columns = 2 * rng.normal(size=n_rows), rng.normal(size=(n_multiclass_rows, N_CLASSES[0]))
    labels, numbers = rng.random(n_rows) < 0.3, raw + rng.standard_t(4, n_rows)
    problems = [
        (peers.TWO_CLASSES, peers.OF_TWO_CLASSES, labels, raw),
        (peers.RESIDUALS, peers.OF_RESIDUALS, numbers, raw),
        (peers.CLASSES, peers.OF_CLASSES, rng.integers(0, N_CLASSES[0], n_multiclass_rows), columns),
    ]
    for form, (dtype, _) in FORMS.items():
        for own, others, y, z in problems:
            y, z = y if z.ndim > 1 else y.astype(dtype), z.astype(dtype)
            calls = {(name, "boostloss"): kernel_of(loss, y, z) for name, loss in own.items()}
            calls |= peers.installed(others, y, z)
            references = {(name, who): ((name, "boostloss"),) for name, who in sorted(calls)}
            with np.errstate(all="ignore"):
                timings = ratios(calls, references, N_ROUNDS, options.clock)
            suffix = "" if z.ndim == 1 else f", {z.shape[1]} classes"
            for (name, who), timing in timings.items():
                yield name + suffix, who, form, f"{1e9 * timing.seconds / len(z):.2f}", timing.ratios[0]


def fastest_packages(rows):
    """By loss and raw predictions the fastest package: its ratio to boostloss, and its name."""
    found = {}
    for name, who, form, _, ratio in rows:
        if who not in ("boostloss", "NumPy"):
            found[name, form] = min(found.get((name, form), (ratio, who)), (ratio, who))
    return found


def in_readme(timings, fastest, n_rows):
    """Rows of the README's table: ns per row, ratios, and how many times longer the fastest other package takes."""
    for name, (title, peer) in IN_README.items():
        timing = timings[title][name]
        ratio, who = fastest.get((peer, "float32"), (None, "-"))
        other = f"{ratio.median:.0f} ({who})" if ratio else "-"
        yield f"`{name}`", f"{1e9 * timing.seconds / n_rows:.1f}", *(f"{r.median:.2f}" for r in timing.ratios), other


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of one-column losses; a fifth of it for K columns")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["BOOSTLOSS_NUM_THREADS"] = str(options.threads)
    options.clock = time.process_time if options.threads == 1 else time.perf_counter
    n_rows, n_multiclass_rows = options.rows, max(options.rows // 5, 1)

    how = "CPU time of one thread" if options.threads == 1 else f"{options.threads} threads"
    sections = [
        "# Gradient and curvature",
        f"Measured on {machine(*PACKAGES)}.\n{how}; medians of {N_ROUNDS} rounds, of ratios with quartiles.",
        "A plain copy reads the raw predictions and writes two float32 arrays of their shape. Losses have their "
        "defaults. Those of regression are timed as an engine gets them, with a scale that follows the residuals and "
        'divided by the mean curvature; "kernel" is the loop alone, with a fixed scale where there is one. They are '
        "compared with the nearest of scikit-learn's losses, none of which has a scale to find.",
    ]
    timings = {}
    for title, problem in (ONE_COLUMN | SEVERAL_COLUMNS).items():
        n = n_rows if title in ONE_COLUMN else n_multiclass_rows
        text, timings[title] = section(problem, n, options)
        sections += [f"## {title}, {n:,} rows", text]

    rows = list(other_packages(n_rows, n_multiclass_rows, options))
    fastest = fastest_packages(rows)
    factors = [f"{ratio} times for {form} ({who})" for (name, form), (ratio, who) in fastest.items() if name == "focal"]
    sections += [
        "## Other packages, and NumPy",
        f"The focal loss of two classes takes the fastest other package {' and '.join(factors)} as long as boostloss."
        if factors
        else "No other package is installed.",
        table(("loss", "package", "raw predictions", "ns per row", "times boostloss"), rows),
        "## Generated code",
        "Of float32 kernels as compiled on this machine: blocks of vector arithmetic in LLVM's text, the widest "
        "registers that an innermost loop computes in, and what such loops call. `NRT_incref` counts references to an "
        "array, once per block of 256 rows.",
        table(("loss", "vectorised blocks", "registers", "calls in loops"), machine_code.rows()),
    ]
    summary = [
        f"Gradient and curvature, {how}, {n_rows:,} float32 rows on {processor()}\n"
        "([all losses, how it was measured](benchmarks/results/kernels.md)); regression losses as engines get them:",
        table(
            (
                "loss",
                "ns per row",
                "times a plain copy",
                "times scikit-learn's",
                "fastest other package, times boostloss",
            ),
            in_readme(timings, fastest, n_rows),
        ),
    ]
    publish("kernels", "\n\n".join(sections), "\n\n".join(summary))


if __name__ == "__main__":
    main()
