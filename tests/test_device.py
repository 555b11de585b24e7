"""The objective on a device, with arrays that only look as if they were on one: XGBoost takes them on any machine."""

import gc
import importlib.metadata
import subprocess
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from foreign_arrays import CuDFSeries, CuPyArray, TorchTensor

import boostloss as bl
import boostloss.xgboost
from boostloss import _device
from boostloss.objective import Objective

xgboost = pytest.importorskip("xgboost", reason="the objective of a device is XGBoost's")
NO_NUMBA_CUDA = "needs numba-cuda: pip install 'boostloss[cuda]'"


@pytest.fixture
def fake(monkeypatch):
    """A fake device that every XGBoost objective uses."""
    if not _device.has_numba_cuda():
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


SMOOTHED = bl.CrossEntropy(label_smoothing=0.1)
CASES = [
    (bl.Focal(class_weight="balanced"), "two"),
    (bl.CrossEntropy(), "soft"),
    (bl.Asymmetric(gamma_neg=0.5), "two"),
    (bl.Hinge(), "two"),
    (bl.GradientHarmonized(momentum=0.5), "two"),
    (bl.Focal(gamma=(0.0, 1.0, 2.0)), "three"),
    (SMOOTHED, "three"),
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
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: True)
    assert _device.device_of("cuda").ordinal is None
    assert _device.device_of("cuda:1").ordinal == 1
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: False)
    assert _device.device_of("cuda") is None


def test_numba_cuda_is_a_package_of_its_own(monkeypatch):
    has_numba_cuda = _device.has_numba_cuda.__wrapped__
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"numba-cuda": "0.30"}[name])
    assert has_numba_cuda()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert not has_numba_cuda()


@pytest.fixture
def gpu_machine(monkeypatch):
    """A machine that seems to have a GPU, and an XGBoost for it."""
    monkeypatch.setattr(_device, "has_gpu", lambda: True)
    monkeypatch.setattr(_device, "_xgboost_has_cuda", lambda: True)
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: True)


def test_routes(gpu_machine, monkeypatch):
    assert _device.device_of("cuda", "host") is None
    assert all(isinstance(_device.device_of("cuda", route), _device.Device) for route in ("device", "resident"))
    assert _device.device_of("cpu", "resident") is None
    with pytest.raises(ValueError, match="route == 'device' contradicts device == 'cpu'"):
        _device.device_of("cpu", "device")
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: False)
    assert _device.device_of("cuda", "host") is None
    for route in ("device", "resident"):
        with pytest.raises(ImportError, match=f"route == '{route}' with device == 'cuda', but numba-cuda is not"):
            _device.device_of("cuda", route)


def test_objective_for_plain_training(gpu_machine, monkeypatch):
    """It leaves no choice but the device that it was asked for."""
    assert boostloss.xgboost.objective(bl.Focal(), device="cuda:1").device.ordinal == 1
    assert boostloss.xgboost.objective(bl.Focal(), device="cpu").device is None
    objective = boostloss.xgboost.objective(bl.Huber(), learning_rate=0.1, n_rounds_before=7)
    assert (objective.training.learning_rate, objective.training.n_rounds_before) == (0.1, 7)
    with pytest.raises(ValueError, match="contradicts device == 'gpus'"):
        boostloss.xgboost.objective(bl.Focal(), device="gpus")
    monkeypatch.setattr(_device, "has_numba_cuda", lambda: False)
    with pytest.raises(ImportError, match="numba-cuda is not installed"):
        boostloss.xgboost.objective(bl.Focal())
    monkeypatch.setattr(_device, "has_gpu", lambda: False)
    with pytest.raises(ValueError, match="no CUDA GPU found"):
        boostloss.xgboost.objective(bl.Focal())


def test_plain_training_with_an_objective_of_the_device(fake, monkeypatch):
    X, y, weight = data("two")
    dtrain, loss = xgboost.DMatrix(X, y, weight=weight), bl.Focal()
    params = {"nthread": 1, **boostloss.xgboost.params(loss, y, weight)}
    booster = xgboost.train(params, dtrain, 5, obj=boostloss.xgboost.objective(loss))
    assert (fake.n_synchronized, fake.uploads) == (5, [(400,), (400,)])
    monkeypatch.setattr("boostloss.objective.device_of", _device.device_of)
    of_cpu = xgboost.train(params, dtrain, 5, obj=loss)
    assert fake.n_synchronized == 5
    margins = [model.predict(dtrain, output_margin=True) for model in (booster, of_cpu)]
    np.testing.assert_allclose(*margins, rtol=2e-3, atol=2e-3)


# ------------------------------------------------------------------------------------- raw predictions on the device


@pytest.fixture(params=["loss", "objective"])
def objective(request, fake):
    """Both ways to call one; the fake's own objective would say that it is on the device, a bare loss does not."""
    return bl.Focal() if request.param == "loss" else boostloss.xgboost.objective(bl.Focal())


@pytest.mark.parametrize("kind", [CuPyArray, TorchTensor, CuDFSeries, None], ids=["CuPy", "torch", "cuDF", "Numba"])
def test_raw_predictions_on_the_device_stay_there(fake, monkeypatch, objective, kind):
    """They are read where they are, and so are the results left there; labels go up."""
    monkeypatch.setattr("boostloss.objective.device_of", _device.device_of)
    X, y, weight = data("two")
    raw = np.random.default_rng(0).normal(size=400).astype(np.float32)
    kept = raw.copy()
    foreign = (kind or fake.kind)(raw)
    for arguments in ((foreign, xgboost.DMatrix(X, y, weight=weight)), (y, foreign, weight)):
        fake.n_pages = 0
        gradient, hessian = objective(*arguments)
        assert isinstance(gradient, fake.kind)
        assert gradient.shape == hessian.shape == (400,)
        assert fake.n_pages == 0
        for found, expected in zip((gradient, hessian), bl.Focal()(y, raw, weight), strict=True):
            np.testing.assert_allclose(found.array, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(raw, kept)
    assert getattr(foreign, "n_copies", 0) == 0


def test_raw_predictions_of_classes_on_the_device(fake, monkeypatch):
    """(n, K) and (n, 1)."""
    monkeypatch.setattr("boostloss.objective.device_of", _device.device_of)
    X, y, _ = data("three")
    raw = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    gradient, _ = SMOOTHED(CuPyArray(raw), xgboost.DMatrix(X, y))
    np.testing.assert_allclose(gradient.array, SMOOTHED(y, raw)[0], rtol=1e-5, atol=1e-6)
    gradient, _ = bl.Focal()(y > 0, CuPyArray(raw[:, :1].copy()))
    assert gradient.shape == (400, 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda raw: raw.astype(np.float64), TypeError, r"raw_prediction.dtype == float64, must be float32"),
        (lambda raw: np.asfortranarray(np.column_stack([raw, raw, raw])), ValueError, "is not C-contiguous"),
        (lambda raw: raw[:-1], ValueError, r"raw_prediction.shape == \(399,\), must be \(400,\)"),
        (lambda raw: np.where(np.arange(400) == 3, np.nan, raw), ValueError, r"raw_prediction\[3\] == nan, must be"),
    ],
    ids=["float64", "order", "rows", "nan"],
)
def test_raw_predictions_that_no_kernel_takes(fake, change, error, message):
    _, y, _ = data("two")
    raw = change(np.zeros(400, np.float32))
    raw = raw.astype(np.float32, order="K") if raw.shape == (400,) and error is ValueError else raw
    with pytest.raises(error, match=message):
        boostloss.xgboost.objective(bl.Focal())(y, CuPyArray(raw))


@pytest.mark.parametrize(("kind", "loss"), [("two", bl.Focal()), ("three", SMOOTHED)], ids=["two", "three"])
def test_resident_margins_never_come_down(fake, monkeypatch, kind, loss):
    """Between the first round and the last but one: what XGBoost predicts is on the device, and goes back to it."""
    X, y, weight = data(kind)
    dtrain = xgboost.DMatrix(X, y, weight=weight)
    features, margins, boosted = CuPyArray(X), [], []
    predict, boost = xgboost.Booster.inplace_predict, xgboost.Booster.boost

    def predict_on_device(self, data, *, base_margin, **how):
        assert data is features
        assert isinstance(base_margin, np.ndarray) == (not margins)  # XGBoost's start comes in memory
        base_margin = base_margin if not margins else base_margin.array
        margins.append(CuPyArray(predict(self, data.array, base_margin=base_margin, **how)))
        return margins[-1]

    def boost_on_device(self, dtrain, iteration, *, grad, hess):
        boosted.append((grad, hess))
        boost(self, dtrain, iteration, grad=grad, hess=hess)

    def train(**how):
        return boostloss.xgboost.train({"nthread": 1, "max_depth": 3}, dtrain, 6, loss=loss, **how)

    of_device = train()
    monkeypatch.setattr(xgboost.Booster, "inplace_predict", predict_on_device)
    monkeypatch.setattr(xgboost.Booster, "boost", boost_on_device)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=lambda array: features))
    for given in (X, features):
        margins.clear()
        boosted.clear()
        fake.n_pages = 0
        assert train(route="resident", X=given).save_raw() == of_device.save_raw()
        assert [array.n_copies for array in margins] == [1, 0, 0, 0, 0, 1]  # compared with XGBoost's
        assert all(isinstance(array, fake.kind) for pair in boosted for array in pair)
        assert fake.n_pages <= 1  # for the start
    assert features.n_copies == 0


def test_resident_needs_cupy_and_arrays(fake, monkeypatch):
    X, y, _ = data("two")
    dtrain = xgboost.DMatrix(X, y)

    def train(X):
        return boostloss.xgboost.train({}, dtrain, 2, loss=bl.Focal(), route="resident", X=X)

    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match="route == 'resident' on a GPU needs CuPy"):
        train(X)
    with pytest.raises(TypeError, match="X is of type DataFrame with route == 'resident' on a GPU, must be an array"):
        train(pd.DataFrame(X))


def test_resident_features_on_a_device_for_the_cpu():
    X, y, _ = data("two")
    with pytest.raises(ValueError, match="X is on a CUDA device with route == 'resident', must be in memory"):
        boostloss.xgboost.train({}, xgboost.DMatrix(X, y), 2, loss=bl.Focal(), route="resident", X=CuPyArray(X))


def test_import_leaves_cuda_alone():
    code = "import boostloss, boostloss.xgboost, sys; sys.exit('numba.cuda' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
