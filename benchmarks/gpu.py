"""Is a CUDA device right, how fast are its kernels, and what does a round of XGBoost take there?

    python benchmarks/gpu.py [--quick] [--parts PART ...] [--largest ROWS] [--repetitions N] [--seconds N]

Needs a GPU (without one it says so and ends), numba-cuda, and XGBoost with CUDA; with CuPy also raw predictions that
stay on the device. Every row is shown on stderr as it is found; a check that fails is a row, and makes the exit status
1 in the end.
"""

import argparse
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from boostloss._device import device_of, has_gpu
from report import machine, publish, table

NO_GPU = "No CUDA GPU on this machine: nothing is measured."
NO_NUMBA_CUDA = "numba-cuda is not installed: pip install 'boostloss[cuda]'"
PACKAGES = re.compile(
    r"numpy|numba|numba-cuda|xgboost(-cu\d+)?|cupy(-cuda\d+x)?|cuda-bindings|nvidia-(nvvm|cuda-nvrtc).*"
)
DEVICE = "cuda"
PARTS = "checks", "kernels", "trainings"


def options_of(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rows and repetitions: whether it runs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--largest", type=int, default=50_000_000, help="rows")
    parser.add_argument("--repetitions", type=int, default=9, help="of a training, at most")
    parser.add_argument("--seconds", type=float, default=440, help="no training begins that would end later")
    options = parser.parse_args(arguments)
    if options.quick:
        options.largest, options.repetitions = min(options.largest, 20_000), 1
    return options


def driver():
    """The version of the GPU's driver."""
    path, program = Path("/proc/driver/nvidia/version"), shutil.which("nvidia-smi")
    if path.exists() and (found := re.search(r"\d+\.\d+(\.\d+)?", path.read_text())):
        return found[0]
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout.partition("\n")[0].strip()


def gpu():
    """Name, compute capability, memory, driver."""
    from numba import cuda

    device, (_, total) = cuda.get_current_device(), cuda.current_context().get_memory_info()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    capability = ".".join(map(str, device.compute_capability))
    return f"{name} (compute capability {capability}, {total / 2**30:.0f} GiB), driver {driver()}"


def versions():
    """Names of the installed packages that matter."""
    names = {distribution.name.lower() for distribution in importlib.metadata.distributions() if distribution.name}
    return sorted(filter(PACKAGES.fullmatch, names))


class Progress:
    """Rows of tables, shown as they are found."""

    def __init__(self):
        self.all_good = True

    def shown(self, rows):
        """The rows, in a list."""
        found = []
        for row in rows:
            print(*row, sep=" | ", file=sys.stderr, flush=True)
            found.append(row)
        return found

    def checked(self, results):
        """Rows that each come with whether they are good."""
        results = list(self._shown(results))
        self.all_good &= all(good for _, good in results)
        return [row for row, _ in results]

    def failed(self, error):
        """What is said of an error, after which the benchmark goes on."""
        traceback.print_exception(error)
        self.all_good = False
        return f"**{type(error).__name__}: {error}**"

    def _shown(self, results):
        for row, good in results:
            self.shown([row])
            yield row, good


def check_sections(progress, device, routes, used_bytes, *, device_name, n_rows, n_rounds):
    """Of the report: kernels against the CPU's, memory, routes."""
    import gpu_checks

    problems = gpu_checks.problems(n_rows)
    agreement = progress.checked(gpu_checks.agreement_row(device, problem) for problem in problems)
    memory = progress.checked(gpu_checks.memory_rows(device_name, used_bytes, n_rounds, n_rounds // 20, n_rows))
    trained = progress.checked(gpu_checks.route_rows(device_name, routes, n_rows, max(n_rounds // 20, 2)))
    return [
        f"## Device against CPU, {n_rows:,} rows",
        "Gradient and curvature as XGBoost gets them: the largest difference to the kernels of the CPU, relative to "
        "the number, or to a tenth of the largest where that is more. Far out are raw predictions of "
        f"±{gpu_checks.FAR:g}, and NaN, which must meet NaN. They agree up to {gpu_checks.TOLERANCE:g}.",
        table(gpu_checks.HEADER, agreement),
        "## Memory",
        table(("after", "MiB more", "as it was"), memory),
        "## Trained where it was told",
        "The device is that of the booster's own configuration; raw predictions beside those of the first route, "
        "whose gradients differ in their last bits: two splits that gain alike may change places.",
        table(("route", "device", "rows apart by 1e-3", "at most", "correlation", "good"), trained),
    ]


def kernel_sections(progress, sizes, n_rounds):
    """Of the report: kernels alone."""
    import gpu_kernels

    rows = [row for n_rows in sizes for row in progress.shown(gpu_kernels.kernel_rows(n_rows, n_rounds))]
    return [
        "## Kernels",
        f"Medians of {n_rounds} rounds of {gpu_kernels.N_LAUNCHES} evaluations, then synchronised. Bytes are labels "
        "and raw predictions once and two results; a copy reads and writes once. A loss with an automatic scale or a "
        'statistic of the batch reads them several times; "kernel" is the loop alone, with a fixed scale.',
        table(gpu_kernels.HEADER, rows),
    ]


def training_sections(progress, cases, allowance, case_rows):
    """Of the report: rounds of XGBoost."""
    import gpu_trainings

    rows, left_out = [], []
    for case in cases:
        name = f"{gpu_trainings.TASKS[case.task]}, {case.n_rows:,} rows"
        if not allowance.suffices(case):
            left_out.append(f"{name} (for want of time)")
            continue
        print(f"{name}: {allowance.left():.0f} s left", file=sys.stderr, flush=True)
        try:
            rows += progress.shown(allowance.spend(case, case_rows(case)))
        except Exception as error:  # memory of the device, above all
            left_out.append(f"{name} ({progress.failed(error)})")
    return [
        "## Rounds of XGBoost",
        f"{gpu_trainings.N_COLUMNS} columns, depth 6; medians of the median rounds of whole trainings, in another "
        "order in every repetition; the ratio is to the built-in objective in the same repetition. Routes: A, raw "
        "predictions come down and gradients go up; B, raw predictions come down and go up, gradients stay; C, "
        "everything stays, at the price of a prediction.",
        table(gpu_trainings.HEADER, rows),
        *([f"Left out: {'; '.join(left_out)}."] if left_out else []),
    ]


def parts_of_gpu(device, options, progress):
    """By name a call that measures a part on the device, and returns its sections."""
    import gpu_checks
    import gpu_trainings

    allowance = gpu_trainings.Allowance(options.seconds)

    def checks():
        how = {"n_rows": min(options.largest, 100_003), "n_rounds": 20 if options.quick else 1000}
        routes = gpu_trainings.routes_with_cupy
        return check_sections(progress, device, routes, gpu_checks.used_bytes, device_name=DEVICE, **how)

    def kernels():
        sizes = sorted({min(options.largest, n_rows) for n_rows in (1_000_000, 50_000_000)})
        return kernel_sections(progress, sizes, 3 if options.quick else 15)

    def trainings():
        cases = [gpu_trainings.Case("binary", options.largest, 1, 4)] if options.quick else gpu_trainings.CASES
        cases = gpu_trainings.that_fit(cases, options.largest, options.repetitions, gpu_trainings.free_bytes())
        return training_sections(progress, cases, allowance, lambda case: gpu_trainings.case_rows(case, DEVICE))

    return {"checks": checks, "kernels": kernels, "trainings": trainings}


def sections_of_gpu(device, options, progress):
    """All parts that were asked for; one that fails leaves the others alone."""
    for name, part in parts_of_gpu(device, options, progress).items():
        if name in options.parts:
            try:
                yield from part()
            except Exception as error:
                yield f"## {name.capitalize()}\n\n{progress.failed(error)}"


def main(arguments=None):
    options = options_of(arguments)
    if not has_gpu():
        print(NO_GPU)
        return 0
    try:
        device = device_of(DEVICE)
    except ValueError as error:  # XGBoost without CUDA
        sys.exit(str(error))
    if device is None:
        sys.exit(NO_NUMBA_CUDA)
    progress = Progress()
    head = ["# On a GPU", f"Measured on {gpu()}; {machine(*versions())}; kernel {platform.release()}."]
    print(*head, sep="\n\n", file=sys.stderr, flush=True)
    publish("gpu", "\n\n".join([*head, *sections_of_gpu(device, options, progress)]))
    return 0 if progress.all_good else 1


if __name__ == "__main__":
    sys.exit(main())
