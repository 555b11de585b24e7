# ruff: noqa: E402  # what needs numba-cuda is imported where it is known to be there
"""CUDA kernels without a GPU: their machine code, their logic in Numba's simulator, their rounding on the CPU."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import LOSSES, Case

import boostloss as bl
import boostloss.verify
import boostloss.xgboost
from boostloss.losses.base import Training


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if not version_of("numba-cuda"):
    pytest.skip("CUDA kernels need numba-cuda: pip install 'boostloss[cuda-test]'", allow_module_level=True)

import numba
import test_accuracy
import test_softmax_accuracy
from fake_device import FakeDeviceArray, compute_in_single, device_targets, on_host
from numba import cuda

from boostloss._device import Device
from boostloss.kernels import cuda_launch

BATCH = [
    Case(bl.GradientHarmonized()),
    Case(bl.Dice()),
    Case(bl.FocalTversky()),
    Case(bl.MultiLabel(label_loss=bl.Focal()), 3),
    Case(bl.MultiLabel(label_loss=[bl.Focal(), bl.Asymmetric()]), 2),
]
FEW = [Case(bl.GradientHarmonized()), Case(bl.Focal(), 3), Case(bl.Barron())]
ON_GPU = [Case(bl.Focal()), *FEW, *BATCH]

# ------------------------------------------------------------------------------------------------------- machine code

# An instruction of doubles; declarations do not count
DOUBLES = re.compile(r"^\s*(?:@!?%p\d+\s+)?(\w+(?:\.\w+)*\.f64(?:\.\w+)*)\b", re.M)
NO_NVVM = "PTX needs libnvvm: pip install 'boostloss[cuda-test]', or a CUDA toolkit in CUDA_HOME"


def has_nvvm():
    try:
        numba.cuda.compile(lambda: None, numba.void(), cc=(9, 0), device=False, abi="numba", output="ptx")
    except Exception:
        return False
    return True


def ptxas():
    in_toolkit = Path(os.environ.get("CUDA_HOME", "")) / "bin" / "ptxas"
    return str(in_toolkit) if in_toolkit.exists() else shutil.which("ptxas")


needs_nvvm = pytest.mark.skipif(not has_nvvm(), reason=NO_NVVM)


@pytest.fixture(params=["sm_90", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sm_80", "sm_100"))])
def ptx_of(request, monkeypatch):
    """Name and PTX of every kernel that a loss starts, with results instead of which arrays of ones come back."""
    capability = divmod(int(request.param[3:]), 10)
    device = SimpleNamespace(compute_capability=capability, id=0, MULTIPROCESSOR_COUNT=1)
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)  # which overloads ask for
    monkeypatch.setattr(cuda_launch, "empty", lambda shape, dtype: FakeDeviceArray(np.ones(shape, dtype)))
    monkeypatch.setattr(cuda_launch, "upload", FakeDeviceArray)
    monkeypatch.setattr(cuda_launch, "on_device", lambda a: FakeDeviceArray(a) if isinstance(a, np.ndarray) else a)

    def compiled_kernels(case):
        found = {}

        def compile_only(kernel, n_blocks, *arguments):
            signature = numba.void(*(numba.typeof(on_host(argument)) for argument in arguments))
            key = kernel.py_func.__name__, str(signature)
            if key not in found:
                found[key], _ = cuda.compile(
                    kernel.py_func, signature, cc=capability, device=False, abi="numba", output="ptx"
                )

        monkeypatch.setattr(cuda_launch, "launch", compile_only)
        run(case)
        return {name: text for (name, _), text in found.items()}, request.param

    return compiled_kernels


def has_values_on_device(loss):
    """Others are worked out in memory: training never asks a device for values."""
    return not isinstance(loss, bl.Tversky | bl.KLDivergence | bl.MultiLabel) and getattr(loss, "n_outputs", 1) == 1


def run(case):
    """All that a device computes for a loss."""
    y, raw, weight = case.sample(60, dtype=np.float32)
    if isinstance(case.loss, bl.MultiLabel):
        y = (raw > 0).astype(np.float32)
    targets = case.loss._targets(y, weight, case.n_outputs, np.float32)
    loss = case.loss._with_numbers(targets)
    gradient, hessian = FakeDeviceArray(np.empty_like(raw)), FakeDeviceArray(np.empty_like(raw))
    loss._engine_derivatives(device_targets(targets), FakeDeviceArray(raw), Training(0.1), gradient, hessian)
    if has_values_on_device(loss):
        loss._values(device_targets(targets), FakeDeviceArray(raw), FakeDeviceArray(np.empty(60, np.float32)))


def check_machine_code(kernels, architecture, tmp_path):
    assert kernels
    for name, text in kernels.items():
        assert not DOUBLES.findall(text), name
        assert ".entry" in text
        if ptxas():
            (tmp_path / "kernel.ptx").write_text(text)
            command = [ptxas(), f"-arch={architecture}", "-v", "kernel.ptx", "-o", "kernel.cubin"]
            log = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
            assert re.findall(r"(\d+) bytes spill", log) == ["0", "0"], f"{name}: {log}"


@needs_nvvm
@pytest.mark.parametrize("case", FEW, ids=[case.id for case in FEW])
def test_machine_code(ptx_of, tmp_path, case):
    """No double, and where ptxas is at hand no register spills to memory."""
    check_machine_code(*ptx_of(case), tmp_path)


@needs_nvvm
@pytest.mark.slow
@pytest.mark.parametrize("case", [*LOSSES, *BATCH], ids=[case.id for case in [*LOSSES, *BATCH]])
def test_machine_code_of_every_loss(ptx_of, tmp_path, case):
    """The same."""
    check_machine_code(*ptx_of(case), tmp_path)


class WithDoubles(bl.RegressionLoss):
    """A mistake: an integer that is no exponent makes float32 a double."""

    @staticmethod
    def point(r):
        return 3 * r * r, 6.0 * r, 6.0, 6.0


@needs_nvvm
def test_planted_double_is_found(ptx_of):
    kernels, _ = ptx_of(Case(WithDoubles()))
    found = {instruction for text in kernels.values() for instruction in DOUBLES.findall(text)}
    assert {"mul.f64", "cvt.rn.f32.f64"} <= found


# ------------------------------------------------------------------------------------------------------------ logic


@pytest.mark.parametrize(
    ("arguments", "n_checks"), [((), 10), pytest.param(("all",), 36, marks=pytest.mark.slow)], ids=["each", "all"]
)
def test_simulated_kernels_are_those_of_the_cpu(arguments, n_checks):
    """Indices, chunks, shared memory, labels, weights and layouts of every template, in a process of its own."""
    program = Path(__file__).with_name("simulated_kernels.py")
    command = [sys.executable, str(program), *arguments]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == n_checks


# --------------------------------------------------------------------------------------------------------- rounding


@pytest.fixture(params=["one by one", pytest.param("contracted", marks=pytest.mark.slow)])
def in_single(request, monkeypatch):
    """Float32 results from the device's words: every operation rounded as IEEE says, or products fused with sums."""
    compute_in_single(monkeypatch, **({"fastmath": {"contract"}} if request.param == "contracted" else {}))


@pytest.mark.parametrize("gamma", [pytest.param(0.0, marks=pytest.mark.slow), 1.7, 5.0])
def test_powers(in_single, gamma):
    """Within 8 ulp for abs(z) <= 20, in proportion up to 1e4, as on the CPU."""
    loss = bl.Focal(gamma=gamma) if gamma else bl.CrossEntropy()
    assert test_accuracy.worst_of_margins(loss, gamma, np.float32, 150, True).max() <= 8


@pytest.mark.parametrize("alpha", [-1e4, *(pytest.param(a, marks=pytest.mark.slow) for a in (2.0, 1e-7, -1e19))])
def test_residuals(in_single, alpha):
    """Within 8 ulp from abs(r) = 1e-8 to 1e30, where squares leave the range of float32."""
    test_accuracy.test_barron(alpha, 1.345, np.float32, 150)


@pytest.mark.parametrize("spread", [20.0, 1e4])
def test_classes(in_single, spread):
    """Within 8 ulp for abs(z) <= 20, in proportion up to 1e4."""
    y, z = test_softmax_accuracy.rows(5, 20, spread, seed=0)
    gamma = test_softmax_accuracy.CTX.mpf(5)
    worst = test_softmax_accuracy.worst(
        bl.Focal(gamma=5.0), np.float32, y, z, lambda label, row: test_softmax_accuracy.truth(label, row, gamma)
    )
    assert (worst <= 8).all()


@pytest.mark.slow
@pytest.mark.parametrize(("n_classes", "gamma"), [(2, 2.0), (3, 0.0), (3, 5.0), (5, 5.0)])
def test_many_classes(in_single, n_classes, gamma):
    """The same of more rows."""
    test_softmax_accuracy.test_softmax_is_right_to_the_last_bits(n_classes, gamma, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "bound"), test_softmax_accuracy.OTHERS, ids=repr)
def test_other_losses_of_classes(in_single, loss, bound):
    """Within the bounds of the CPU."""
    test_softmax_accuracy.test_other_losses_of_three_classes(loss, bound, np.float32)


ONE_OUTPUT = {repr(case.loss): case.loss for case in LOSSES if case.n_outputs == 1 and has_values_on_device(case.loss)}


def test_loss_is_right(in_single):
    """Within 8 ulp of 50 digits, no NaN, a positive curvature."""
    boostloss.verify.assert_correct(bl.MAPE(bandwidth=0.2))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ONE_OUTPUT.values(), ids=ONE_OUTPUT)
def test_every_loss_is_right(in_single, loss):
    """The same."""
    boostloss.verify.assert_correct(loss)


# -------------------------------------------------------------------------------------------------------------- GPU


@pytest.fixture
def gpu():
    if not cuda.is_available():
        pytest.skip("no CUDA GPU on this machine")


@pytest.mark.gpu
@pytest.mark.parametrize("n_rows", [1, 1000, 100_003])
@pytest.mark.parametrize("case", ON_GPU, ids=[case.id for case in ON_GPU])
def test_gpu_computes_what_the_cpu_does(gpu, case, n_rows):
    """The last bits differ: kernels of the CPU compute powers in double."""
    y, raw, weight = case.sample(n_rows, dtype=np.float32)
    if isinstance(case.loss, bl.MultiLabel):
        y = (raw > 0).astype(np.float32)
    loss, training = case.loss, Training(0.1)
    targets = loss._targets(y, weight, case.n_outputs, np.float32)
    of_cpu = np.empty_like(raw), np.empty_like(raw)
    loss._engine_derivatives(targets, raw, training, *of_cpu)
    on_device = [gradient.copy_to_host() for gradient in Device().derivatives(loss, targets, raw, training)]
    for computed, expected in zip(on_device, of_cpu, strict=True):
        np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-6 * abs(expected).max())


@pytest.mark.gpu
def test_gpu_trains_what_the_cpu_does(gpu):
    """With gradients that never leave the device; trees may differ where gains are equal."""
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=20_000) > 1).astype(np.float32)
    margins = {}
    for device in ("cpu", "cuda"):
        dtrain = xgboost.DMatrix(X, y)
        booster = boostloss.xgboost.train({"device": device, "max_depth": 4}, dtrain, 50, loss=bl.Focal())
        margins[device] = booster.predict(dtrain, output_margin=True)
    assert '"device":"cuda' in booster.save_config().replace(" ", "")
    assert np.corrcoef(margins["cpu"], margins["cuda"])[0, 1] > 0.999
