"""The objective on a device, with arrays that only look as if they were on one: XGBoost takes them on any machine."""

import gc
import importlib.metadata
import subprocess
import sys
import weakref

import numpy as np
import pytest

import boostloss as bl
import boostloss.xgboost
from boostloss import _device
from boostloss.objective import Objective

xgboost = pytest.importorskip("xgboost", reason="the objective of a device is XGBoost's")
NO_NUMBA_CUDA = "needs numba-cuda: pip install 'boostloss[cuda]'"


def has_numba_cuda():
    try:
        return bool(importlib.metadata.version("numba-cuda"))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.fixture
def fake(monkeypatch):
    """A fake device that every XGBoost objective uses."""
    if not has_numba_cuda():
        pytest.skip(NO_NUMBA_CUDA)
    from fake_device import OnCPU

    monkeypatch.setattr("boostloss.objective.device_of", lambda device, route: _device.Device())
    return OnCPU(monkeypatch, fastmath={"contract"})


def data(kind, n_rows=400, seed=0):
    """Features, labels and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4)).astype(np.float32)
    signal = X[:, 0] + 0.5 * X[:, 1] ** 2 + rng.normal(size=n_rows)
    labels = {
        "two": signal > 1,
        "soft": 1 / (1 + np.exp(-signal)),
        "three": np.digitize(signal, [0, 1]),
        "number": 10 * signal,
        "count": rng.poisson(np.exp(signal / 2)),
        "labels": np.column_stack([signal > 1, X[:, 2] > 0]),
    }
    return X, labels[kind].astype(np.float32), rng.uniform(0.5, 2, n_rows)


CASES = [
    (bl.Focal(class_weight="balanced"), "two"),
    (bl.CrossEntropy(), "soft"),
    (bl.Asymmetric(gamma_neg=0.5), "two"),
    (bl.Hinge(), "two"),
    (bl.GradientHarmonized(momentum=0.5), "two"),
    (bl.Focal(gamma=(0.0, 1.0, 2.0)), "three"),
    (bl.CrossEntropy(label_smoothing=0.1), "three"),
    (bl.LogitAdjusted(), "three"),
    (bl.Huber(), "number"),
    (bl.Quantile(quantile=[0.1, 0.9]), "number"),
    (bl.Tweedie(), "count"),
    (bl.MultiLabel(label_loss=bl.Focal()), "labels"),
    (bl.MultiLabel(label_loss=[bl.Focal(), bl.Dice()]), "labels"),
]


@pytest.mark.parametrize(
    ("loss", "kind"),
    [*CASES[::3], *(pytest.param(*case, marks=pytest.mark.slow) for k, case in enumerate(CASES) if k % 3)],
    ids=lambda part: repr(part) if isinstance(part, bl.Loss) else part,
)
def test_model_is_that_of_the_host(fake, monkeypatch, loss, kind):
    """Margins after ten rounds; kernels in pairs and in double differ in the last bits."""
    X, y, weight = data(kind)
    params = {"max_depth": 3, "learning_rate": 0.3, "nthread": 1}

    def margins(device):
        monkeypatch.setattr("boostloss.objective.device_of", lambda name, route: device)
        dtrain = xgboost.DMatrix(X, y, weight=weight)
        booster = boostloss.xgboost.train(params, dtrain, 10, loss=loss)
        return booster.predict(dtrain, output_margin=True)

    np.testing.assert_allclose(margins(_device.Device()), margins(None), rtol=2e-3, atol=2e-3)
    assert fake.n_synchronized >= 10


def test_labels_and_weights_go_up_once(fake):
    X, y, weight = data("two")
    dtrain = xgboost.DMatrix(X, y, weight=weight)
    boostloss.xgboost.train({"nthread": 1}, dtrain, 5, loss=bl.Focal())
    assert fake.uploads == [(400,), (400,)]
    dtrain.set_label(1 - y)
    boostloss.xgboost.train({"nthread": 1}, dtrain, 5, loss=bl.Focal())
    assert fake.uploads == [(400,)] * 4


def test_buffers_are_reused_and_end_with_the_data_set(fake):
    X, y, _ = data("two")
    dtrain = xgboost.DMatrix(X, y)
    objective = Objective(bl.Focal())
    raw = np.zeros(400, np.float32)
    gradient, hessian = objective(raw, dtrain)
    again, _ = objective(raw, dtrain)
    assert again is gradient
    assert gradient.dtype == hessian.dtype == np.float32
    assert gradient.shape == hessian.shape == (400,)
    assert gradient.__cuda_array_interface__["stream"] is None
    known = weakref.ref(next(iter(_device._known().keys())))
    del dtrain
    gc.collect()
    assert known() is None


def test_estimator(fake):
    X, y, weight = data("two")
    fitted = bl.LossClassifier(xgboost.XGBClassifier(n_estimators=5, n_jobs=1), loss=bl.Focal()).fit(X, y, weight)
    assert fake.n_synchronized == 5
    assert (fitted.predict(X) == y).mean() > 0.7


def test_not_finite_margins_are_an_error(fake):
    X, y, _ = data("two")
    raw = np.zeros(400, np.float32)
    raw[3] = np.nan
    with pytest.raises(ValueError, match=r"raw_prediction\[3\] == nan, must be finite"):
        Objective(bl.Focal())(raw, xgboost.DMatrix(X, y))


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "gpu", "CUDA:1"])
def test_no_gpu_is_an_error(monkeypatch, name):
    """XGBoost itself would warn, and train on the CPU."""
    monkeypatch.setattr(_device, "has_gpu", lambda: False)
    X, y, _ = data("two")
    message = f"device == '{name}', must be a device XGBoost can use: no CUDA GPU found"
    with pytest.raises(ValueError, match=message):
        boostloss.xgboost.train({"device": name}, xgboost.DMatrix(X, y), 2, loss=bl.Focal())
    with pytest.raises(ValueError, match=message):
        bl.LossClassifier(xgboost.XGBClassifier(device=name), loss=bl.Focal()).fit(X, y)


def test_which_device(monkeypatch):
    assert _device.device_of(None) is None
    assert _device.device_of("cpu") is None
    monkeypatch.setattr(_device, "has_gpu", lambda: True)
    monkeypatch.setattr(_device, "_xgboost_has_cuda", lambda: False)
    with pytest.raises(ValueError, match="it was built without CUDA"):
        _device.device_of("cuda")
    monkeypatch.setattr(_device, "_xgboost_has_cuda", lambda: True)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.30")
    assert _device.device_of("cuda").ordinal is None
    assert _device.device_of("cuda:1").ordinal == 1

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert _device.device_of("cuda") is None


def test_import_leaves_cuda_alone():
    code = "import boostloss, boostloss.xgboost, sys; sys.exit('numba.cuda' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
