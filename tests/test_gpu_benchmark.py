"""The benchmark of a GPU without one: every function of it on few rows, with arrays that only look as on a device."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import boostloss as bl
import gpu
import gpu_checks
import gpu_trainings
from boostloss import _device, losses
from gpu_trainings import BUILT_IN, DEVICE, HOST, RESIDENT, Allowance, Case
from report import Spread, Timing
from timed_problems import BASES

xgboost = pytest.importorskip("xgboost", reason="trainings on a device are XGBoost's")
try:
    importlib.metadata.version("numba-cuda")
except importlib.metadata.PackageNotFoundError:
    gpu_kernels, OnCPU = None, None
else:
    from fake_device import FakeDeviceArray, OnCPU

    import gpu_kernels

FEW = [bl.SquaredHinge(), bl.SquaredError()]  # whose kernels compile soonest


@pytest.fixture(scope="module")
def on_cpu():
    """The device of all tests, which compiles a kernel once."""
    if OnCPU is None:
        pytest.skip("CUDA kernels need numba-cuda: pip install 'boostloss[cuda]'")
    with pytest.MonkeyPatch.context() as patch:
        yield OnCPU(patch)


@pytest.fixture
def fake(on_cpu, monkeypatch):
    """A device of the process: gradients on it by the route "device" and where none is named."""

    def device_of(device, route="auto"):
        return None if route in ("host", "resident") else _device.Device()

    monkeypatch.setattr("boostloss.objective.device_of", device_of)
    on_cpu.n_synchronized = 0
    return on_cpu


@pytest.fixture
def driver(monkeypatch):
    """What Numba would say of a device."""
    pending = SimpleNamespace(clear=lambda: None)
    context = SimpleNamespace(
        get_memory_info=lambda: (60 * 2**30, 80 * 2**30), memory_manager=SimpleNamespace(deallocations=pending)
    )
    monkeypatch.setattr("numba.cuda.current_context", lambda: context)
    device = SimpleNamespace(name=b"A name", compute_capability=(9, 0))
    monkeypatch.setattr("numba.cuda.get_current_device", lambda: device)


def problem(loss, n_rows=500):
    """A problem of one column."""
    rng = np.random.default_rng(0)
    raw = rng.standard_normal(n_rows, np.float32)
    return gpu_checks.Problem(loss, rng.random(n_rows) < 0.3, raw)


# ------------------------------------------------------------------------------------------------------------ checks


def test_every_loss_is_checked():
    """With the layouts of several columns, and on arrays that a kernel can read."""
    problems = list(gpu_checks.problems(30))
    assert {type(p.loss).__name__ for p in problems} == set(losses.__all__) - BASES
    assert {p.raw.ndim for p in problems} == {1, 2}
    assert all(p.raw.dtype == np.float32 and p.raw.flags.c_contiguous and len(p.raw) == 30 for p in problems)
    assert sum(type(p.loss) is bl.Focal for p in problems) == 2


def test_difference():
    one = np.float32([1, -2, 1e-3, np.nan, np.inf])
    assert gpu_checks.difference(one, one) == 0
    other = np.float32([1, -2.002, 1e-3, np.nan, np.inf])
    assert gpu_checks.difference(other, one) == pytest.approx(1e-3, rel=1e-4)
    assert gpu_checks.difference(np.float32([1, -2, 1.2e-3, np.nan, np.inf]), one) == pytest.approx(1e-3, rel=1e-3)
    for wrong in ([1, -2, 1e-3, 0, np.inf], [1, -2, 1e-3, np.nan, -np.inf], [np.nan, -2, 1e-3, np.nan, np.inf]):
        assert gpu_checks.difference(np.float32(wrong), one) == np.inf
    assert gpu_checks.difference(np.zeros(3), np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("loss", "far", "has_nan"), [(bl.Focal(), 1e4, True), (bl.Dice(), 1e4, False), (bl.Poisson(), 80, False)], ids=repr
)
def test_far_out(loss, far, has_nan):
    given = problem(loss)
    found = gpu_checks.far_out(given)
    assert np.nanmax(found.raw) == far == -np.nanmin(found.raw)
    assert np.isnan(found.raw).any() == has_nan
    assert np.isfinite(given.raw).all()


def test_far_out_fixes_the_scale():
    """One that follows the residuals would be NaN for all rows."""
    assert gpu_checks.far_out(problem(bl.Huber())).loss.delta == 1.0


class Wrong(_device.Device):
    """A device whose gradients are a little off."""

    def derivatives(self, *arguments):
        gradient, hessian = super().derivatives(*arguments)
        return FakeDeviceArray(gradient.array * np.float32(1.0001)), hessian


@pytest.mark.parametrize(("device", "agrees"), [(_device.Device(), True), (Wrong(), False)])
def test_agreement(fake, device, agrees):
    for loss in FEW:
        row, good = gpu_checks.agreement_row(device, problem(loss))
        assert good == agrees
        assert len(row) == len(gpu_checks.HEADER)
        assert row[:2] == (repr(loss), 1)
        assert row[-1] == gpu_checks.MARK[agrees]


def test_growth():
    """Steps before the first look at memory do not count."""
    steps = []
    assert gpu_checks.growth(lambda: steps.append(1), 20, lambda: len(steps) * 8) == 160
    assert len(steps) == 22
    assert gpu_checks.growth(lambda: None, 3, lambda: 5) == 0


def test_memory(fake):
    """Of the process here: each round and each data set is one step, and what is not given back is seen."""
    how = {"n_rounds": 10, "n_data_sets": 3, "n_rows": 200}
    rows = list(gpu_checks.memory_rows("cuda", lambda: 0, **how))
    assert [good for _, good in rows] == [True, True]
    assert fake.n_synchronized == 11 + 4
    leaks = iter([0, gpu_checks.LEAK + 1, 0, gpu_checks.LEAK])
    rows = list(gpu_checks.memory_rows("cuda", lambda: next(leaks), **how))
    assert [good for _, good in rows] == [False, True]
    assert rows[0][0] == ("10 rounds of one data set", "4.00", "**NO**")


def test_used_bytes(driver):
    assert gpu_checks.used_bytes() == 20 * 2**30
    assert gpu_trainings.free_bytes() == 60 * 2**30


def test_routes(fake, monkeypatch):
    """Trained on the CPU, each by the route that its name says."""
    rows = [row for row, good in gpu_checks.route_rows("cpu", gpu_trainings.routes, 600, 4) if good]
    assert [row[:2] for row in rows] == [(HOST, "cpu"), (DEVICE, "cpu"), (RESIDENT, "cpu")]
    assert fake.n_synchronized == 4
    assert rows[0][2:] == rows[2][2:] == ("0.00%", "0.0e+00", "1.000000", "yes")
    monkeypatch.setattr(gpu_checks, "device_of", lambda booster: "cuda:0")
    assert not any(good for _, good in gpu_checks.route_rows("cpu", gpu_trainings.routes, 600, 4))


# ----------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.slow
def test_kernels(fake):
    """Every evaluation runs; the copy comes first and once."""
    rows = list(gpu_kernels.kernel_rows(300, 2))
    assert all(len(row) == len(gpu_kernels.HEADER) for row in rows)
    assert [row[0] for row in rows] == [gpu_kernels.COPY, *(e.title for e in gpu_kernels.evaluations(300))]
    assert rows[0][2] == "300"
    assert rows[-1][:3] == ("Focal", 5, "60")
    assert fake.n_synchronized > 0


def test_bytes_and_shares(on_cpu):
    """A kernel of 16 bytes per row that takes 1.6 times as long as a copy of 8 has 125 % of its bytes per second."""
    timing = Timing(3.2, (Spread(1.6, 1.0, 2.0),))
    assert tuple(gpu_kernels.share(timing, 16, 8)) == pytest.approx((125, 100, 200))
    row = gpu_kernels.row("a loss", (50, 3), timing, 640_000_000, Spread(125, 100, 200), n_launches=10)
    assert row == ("a loss", 3, "50", "320.000", "2", "125", "100 to 200")


def test_calls_compute(fake):
    """What is timed is a gradient, and a copy."""
    evaluation = next(gpu_kernels.evaluations(100))
    given = []
    spy = evaluation._replace(evaluate=lambda *a: (evaluation.evaluate(*a), given.append(a[-2].array.copy())))
    call, n_bytes = gpu_kernels.device_call(spy, n_launches=3)
    call()
    assert len(given) == 3
    expected, _ = evaluation.loss.gradient_hessian(evaluation.y_true, evaluation.raw)
    np.testing.assert_allclose(given[0], expected, rtol=1e-5)
    assert n_bytes == 16 * 100
    copy, n_bytes = gpu_kernels.copy_call(100)
    copy()
    assert n_bytes == 800


@pytest.mark.slow
def test_simulated_kernels(on_cpu):
    """By Numba's own arrays and launches; in a process of its own, for the simulator is chosen at the import."""
    code = (
        "import boostloss as bl, gpu_checks, gpu_kernels\n"
        "from boostloss._device import Device\n"
        "print(len(list(gpu_kernels.kernel_rows(20, 1))))\n"
        "chosen = bl.Dice, bl.Focal, bl.MultiLabel, bl.Poisson, bl.Quantile\n"
        "problems = [p for p in gpu_checks.problems(20) if isinstance(p.loss, chosen)]\n"
        "print(len(problems), all(gpu_checks.agreement_row(Device(), p)[1] for p in problems))\n"
    )
    path = os.pathsep.join(filter(None, [str(Path(gpu.__file__).parent), *sys.path]))
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["10", "9", "True"], done.stderr[-2000:]


# --------------------------------------------------------------------------------------------------------- trainings


@pytest.mark.parametrize("task", ["binary", pytest.param("multiclass", marks=pytest.mark.slow)])
def test_trainings(fake, task):
    rows = list(gpu_trainings.case_rows(Case(task, 400, 2, 4), "cpu", gpu_trainings.routes, lambda X: X))
    assert [row[2] for row in rows] == [BUILT_IN, HOST, DEVICE, RESIDENT]
    assert all(len(row) == len(gpu_trainings.HEADER) and row[:2] == (gpu_trainings.TASKS[task], "400") for row in rows)
    assert fake.n_synchronized == 4 * (2 + 2)


def test_trainings_are_of_the_same_problem(monkeypatch):
    """The built-in objective and a route predict alike."""
    boosters, train = [], xgboost.train

    def remember(*arguments, **keywords):
        boosters.append(train(*arguments, **keywords))
        return boosters[-1]

    monkeypatch.setattr(xgboost, "train", remember)
    case = Case("binary", 2000, 1, 5)
    trainings = gpu_trainings.trainings(case, "cpu", lambda X: {HOST: {}}, lambda X: X)
    assert list(trainings) == [BUILT_IN, HOST]
    assert all(training() > 0 for training in trainings.values())
    X, _ = gpu_trainings.sample("binary", 2000)
    built_in, ours = (booster.inplace_predict(X, predict_type="margin") for booster in boosters)
    np.testing.assert_allclose(ours, built_in, atol=1e-3)


def test_time_is_that_of_the_rounds():
    """And not that of the calls."""
    timings = gpu_trainings.timed({BUILT_IN: lambda: 2.0, HOST: lambda: 3.0}, 4)
    assert timings[HOST] == Timing(3.0, (Spread(1.5, 1.5, 1.5),))
    assert timings[BUILT_IN].ratios[0].median == 1


def test_cases_that_fit():
    gib = 2**30
    assert gpu_trainings.that_fit(gpu_trainings.CASES, 10**9, 100, 80 * gib) == list(gpu_trainings.CASES)
    few = gpu_trainings.that_fit(gpu_trainings.CASES, 10**9, 2, 8 * gib)
    assert {case.n_rows for case in few} == {1_000_000, 10_000_000}
    assert {case.n_repetitions for case in few} == {2}
    assert {case.n_rows for case in gpu_trainings.that_fit(gpu_trainings.CASES, 1_000_000, 2, 80 * gib)} == {1_000_000}


def test_allowance():
    """A case of a task goes by the one before: here 100 rows took 10 seconds, and 50 are left."""
    now = [0.0]
    allowance = Allowance(60, lambda: now[0])
    small, fits, large = (Case("binary", n, 1, 4) for n in (100, 450, 600))
    assert allowance.suffices(small)
    assert allowance.suffices(large)
    assert allowance.spend(small, (now.__setitem__(0, 10.0) or row for row in ["a row"])) == ["a row"]
    assert allowance.left() == 50
    assert allowance.suffices(fits)
    assert not allowance.suffices(large)
    assert allowance.suffices(large._replace(task="multiclass"))


def test_routes_need_cupy(monkeypatch):
    """Raw predictions stay on a device as arrays of CuPy only."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    X = np.zeros((2, 1))
    assert list(gpu_trainings.routes_with_cupy(X)) == [HOST, DEVICE]
    assert gpu_trainings.on_device(X) is X
    monkeypatch.setattr("importlib.util.find_spec", lambda name: "found")
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=lambda X: ("on the device", X)))
    assert gpu_trainings.on_device(X) == ("on the device", X)
    assert gpu_trainings.routes_with_cupy(X)[RESIDENT] == {"route": "resident", "X": X}


# ------------------------------------------------------------------------------------------------------------ report


def test_no_gpu(monkeypatch, capsys):
    """One sentence, no file, no failure."""
    monkeypatch.setattr(gpu, "has_gpu", lambda: False)
    monkeypatch.setattr(gpu, "publish", None)
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == f"{gpu.NO_GPU}\n"


def test_what_is_missing(monkeypatch):
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)
    monkeypatch.setattr(gpu, "device_of", lambda name: None)
    with pytest.raises(SystemExit, match="numba-cuda is not installed"):
        gpu.main([])

    def without_cuda(name):
        raise ValueError("it was built without CUDA")

    monkeypatch.setattr(gpu, "device_of", without_cuda)
    with pytest.raises(SystemExit, match="built without CUDA"):
        gpu.main([])


@pytest.mark.parametrize(("device", "status"), [(_device.Device(), 0), (Wrong(), 1)], ids=["right", "wrong"])
def test_whole_report(fake, driver, monkeypatch, capsys, device, status):
    """All parts; rows are shown before the report is complete, and a failed check is in it."""
    published = {}
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)
    monkeypatch.setattr(gpu, "device_of", lambda name: device)
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "publish", published.__setitem__)
    monkeypatch.setattr(gpu_checks, "problems", lambda n_rows: [problem(loss, n_rows) for loss in FEW])
    evaluations = [next(gpu_kernels.evaluations(300))]
    monkeypatch.setattr(gpu_kernels, "evaluations", lambda n_rows: evaluations)
    assert gpu.main(["--quick", "--largest", "300"]) == status
    text = published["gpu"]
    assert text.startswith("# On a GPU\n\nMeasured on A name (compute capability 9.0, 80 GiB), driver ")
    assert f"numba-cuda {importlib.metadata.version('numba-cuda')}" in text
    assert text.count("\n## ") == 5
    assert ("**NO**" in text) == bool(status)
    assert "two classes | 300 | A, host | " in capsys.readouterr().err


def test_parts(driver):
    """Those that are asked for, and nothing that would take too long."""
    options = gpu.options_of(["--quick", "--parts", "trainings", "--seconds", "-1"])
    text = "\n\n".join(gpu.sections_of_gpu(_device.Device(), options, gpu.Progress()))
    assert "## Rounds of XGBoost" in text
    assert "Left out: two classes, 20,000 rows (for want of time)." in text
    assert text.count("## ") == 1


class Broken(_device.Device):
    """A device whose kernels cannot be made."""

    def derivatives(self, *arguments):
        raise RuntimeError("no kernel image\nmore of it")


def test_errors_leave_the_rest_alone(fake, driver, monkeypatch, capsys):
    """Of one loss, of a route, of a whole part: each is said, and the exit status tells."""
    row, good = gpu_checks.agreement_row(Broken(), problem(bl.SquaredError()))
    assert row == ("SquaredError()", 1, "-", "-", "-", "**RuntimeError: no kernel image**")
    assert not good

    def routes(X):
        return {HOST: {"route": "host"}, DEVICE: {"obj": "of yours"}, RESIDENT: {"route": "resident", "X": X[1:]}}

    results = list(gpu_checks.route_rows("cpu", routes, 300, 2))
    assert [good for _, good in results] == [True, False, False]
    assert "ValueError: X.shape" in results[2][0][-1]
    case = Case("binary", 300, 1, 4)
    rows = list(gpu_trainings.case_rows(case, "cpu", routes, lambda X: X))
    assert [row[2] for row in rows] == [BUILT_IN, HOST, DEVICE, RESIDENT]
    assert rows[-1][3:] == ("-", "-", "**ValueError**")

    def fail(*arguments):
        raise MemoryError("out of memory")

    progress = gpu.Progress()
    sections = gpu.training_sections(progress, [case], Allowance(60), fail)
    assert sections[-1] == "Left out: two classes, 300 rows (**MemoryError: out of memory**)."
    assert not progress.all_good
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu_kernels, "kernel_rows", fail)
    options = gpu.options_of(["--quick", "--largest", "300", "--parts", "kernels", "trainings"])
    progress = gpu.Progress()
    text = "\n\n".join(gpu.sections_of_gpu(_device.Device(), options, progress))
    assert "## Kernels\n\n**MemoryError: out of memory**" in text
    assert "| two classes |  300 | built-in" in text
    assert not progress.all_good
    assert "Traceback" in capsys.readouterr().err


def test_driver(monkeypatch, tmp_path):
    """From the kernel module's own file, else from nvidia-smi, else unknown."""
    path = tmp_path / "version"
    path.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n")
    monkeypatch.setattr(gpu, "Path", lambda name: path)
    assert gpu.driver() == "580.95.05"
    monkeypatch.setattr(gpu, "Path", lambda name: tmp_path / "none")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert gpu.driver() == "unknown"
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 570.10\necho 570.10\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    assert gpu.driver() == "570.10"
