"""What every benchmark needs: interleaved timing, the facts of the machine, and one table for screen and file."""

import importlib.metadata
import platform
import statistics
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
VECTOR_UNITS = ("avx512f", "avx2", "avx", "sve", "neon", "sse2")  # the widest one first


def median_seconds(calls, n_rounds, clock=time.perf_counter):
    """The median time of every call, all in one round after the other: a busy machine slows all of them alike."""
    for call in calls.values():
        call()
    seconds = {name: [] for name in calls}
    for _ in range(n_rounds):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def machine(*packages):
    """Processor, vector unit and versions, in one sentence."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    unit = next((name for name in VECTOR_UNITS if features.get(name)), "none")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    system = f"{platform.system()} {platform.machine()}"
    return f"{_processor()} ({binding.get_host_cpu_name()}, vectors: {unit}), {system}; " + ", ".join(
        [f"Python {platform.python_version()}", *versions]
    )


def _processor():
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


def publish(name, text):
    """Print a report and write it to results/<name>.md."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
