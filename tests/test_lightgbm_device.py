"""LightGBM's device types under our losses: OpenCL, which a driver for the CPU serves as well, and CUDA."""

import os
import subprocess
import sys
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
from problems import binary_problem, lgbm_classifier, lgbm_regressor, multiclass_problem, regression_problem

import boostloss as bl
import boostloss.lightgbm
from boostloss import _lightgbm_device

PARAMS = {"num_leaves": 8, "num_threads": 1, "verbosity": -1}
NO_OPENCL = "no OpenCL device: apt-get install pocl-opencl-icd makes one of the CPU"
CASES = [
    (bl.Focal(class_weight="balanced"), binary_problem, {}),
    (bl.CrossEntropy(), multiclass_problem, {}),
    (bl.Huber(), regression_problem, {}),
    (bl.Quantile(quantile=[0.1, 0.9]), regression_problem, {}),
    (bl.Quantile(quantile=0.8), regression_problem, {"renew_leaves": True}),
]
ESTIMATORS = [
    (bl.LossClassifier, lgbm_classifier, bl.Focal(), binary_problem),
    (bl.LossClassifier, lgbm_classifier, bl.CrossEntropy(label_smoothing=0.1), multiclass_problem),
    (bl.LossRegressor, lgbm_regressor, bl.AbsoluteError(), regression_problem),
]


@pytest.fixture(scope="module")
def opencl():
    """None, or why there is none.

    The first training compiles LightGBM's kernels, for a minute on two cores; drivers keep them on disk.
    """
    try:
        trained(bl.SquaredError(), regression_problem, {"device_type": "gpu"})
    except lightgbm.basic.LightGBMError as error:
        if "No OpenCL device found" not in str(error):
            raise
        return NO_OPENCL
    return None


@pytest.fixture(params=[pytest.param("gpu", marks=pytest.mark.slow), pytest.param("cuda", marks=pytest.mark.gpu)])
def device_type(request):
    """A device type that LightGBM can use here."""
    if reason := request.getfixturevalue("opencl") if request.param == "gpu" else why_no_cuda():
        pytest.skip(reason)
    return request.param


def why_no_cuda():
    """A check of the build and the driver: without a driver LightGBM's CUDA build ends the process."""
    try:
        _lightgbm_device.check_device({"device_type": "cuda"})
    except ValueError as error:
        return str(error)
    return None


def trained(loss, problem, params, rounds=12, data_params=None, **arguments):
    """A booster, and its raw predictions of the training data."""
    X, y, weight = problem()
    data = lightgbm.Dataset(X, y, weight=weight, params=data_params)
    booster = boostloss.lightgbm.train({**PARAMS, **params}, data, rounds, loss=loss, **arguments)
    return booster, booster.predict(X, raw_score=True)


def device_of(booster):
    """What the model itself says."""
    line = next(line for line in booster.model_to_string().splitlines() if line.startswith("[device_type:"))
    return line[len("[device_type: ") : -1]


def assert_close(found, expected):
    """Histograms of a device are sums in float32."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("loss", "problem", "arguments"), CASES, ids=[repr(case[0]) for case in CASES])
def test_train(device_type, loss, problem, arguments):
    """Predictions are those of the CPU; the model names the device."""
    booster, raw = trained(loss, problem, {"device_type": device_type}, **arguments)
    of_cpu, expected = trained(loss, problem, {}, **arguments)
    assert device_of(booster) == device_type
    assert device_of(of_cpu) == "cpu"
    assert_close(raw, expected)
    if loss is CASES[0][0]:
        X, _, _ = problem()
        assert_close(boostloss.lightgbm.predict_proba(booster, X), boostloss.lightgbm.predict_proba(of_cpu, X))


@pytest.mark.parametrize("case", ESTIMATORS, ids=[repr(case[2]) for case in ESTIMATORS])
def test_estimator(device_type, case):
    """The same, of estimators."""
    estimator, engine, loss, problem = case
    X, y, weight = problem()
    fitted = estimator(engine(device_type=device_type), loss=loss).fit(X, y, weight)
    of_cpu = estimator(engine(), loss=loss).fit(X, y, weight)
    assert device_of(fitted.estimator_.booster_) == device_type
    method = "predict_proba" if estimator is bl.LossClassifier else "predict"
    assert_close(getattr(fitted, method)(X), getattr(of_cpu, method)(X))


def test_plain_objective(device_type):
    """A loss as the objective of LightGBM's own `train` and estimator, where nothing of boostloss sees the device."""
    X, y, weight = binary_problem()
    raw = {}
    for name in (device_type, "cpu"):
        params = {**PARAMS, "device_type": name}
        data = lightgbm.Dataset(X, y, weight=weight, params=params)
        booster = lightgbm.train({**params, "objective": bl.Focal(), "metric": "None"}, data, 12)
        estimator = lgbm_classifier(objective=bl.Focal(), device_type=name).fit(X, y, sample_weight=weight)
        raw[name] = np.concatenate([booster.predict(X), estimator.predict(X, raw_score=True)])
    assert_close(raw[device_type], raw["cpu"])


def test_early_stopping_and_validation_sets(device_type):
    """Which are constructed for the device as well; a model that is continued there."""
    X, y, weight = binary_problem()
    raw = {}
    for name in (device_type, "cpu"):
        params = {**PARAMS, "device_type": name}
        data = lightgbm.Dataset(X[:400], y[:400], weight=weight[:400], free_raw_data=False)
        valid = lightgbm.Dataset(X[400:], y[400:], reference=data, free_raw_data=False)
        stop = lightgbm.early_stopping(3, verbose=False)
        first = boostloss.lightgbm.train(params, data, 60, valid_sets=[valid], loss=bl.Focal(), callbacks=[stop])
        assert first.best_iteration < 60
        more = lightgbm.Dataset(X, y, weight=weight)
        again = boostloss.lightgbm.train(params, more, 5, loss=bl.Focal(), init_model=first)
        raw[name] = again.predict(X, raw_score=True)
    assert_close(raw[device_type], raw["cpu"])


class ReachedError(Exception):
    """A training would begin."""


def test_data_sets_take_the_device_type(monkeypatch):
    """Before they are constructed, that of validation too, or CUDA's training would end the process."""
    constructed, construct = {}, lightgbm.Dataset.construct

    def on_cpu(self):
        constructed.setdefault(id(self), self.params["device_type"])
        self.params["device_type"] = "cpu"
        return construct(self)

    def reached(*arguments, **keywords):
        raise ReachedError

    monkeypatch.setattr(boostloss.lightgbm, "check_device", lambda *arguments: None)
    monkeypatch.setattr(lightgbm.Dataset, "construct", on_cpu)
    monkeypatch.setattr(lightgbm, "train", reached)
    X, y, _ = binary_problem()
    data = lightgbm.Dataset(X, y)
    valid = lightgbm.Dataset(X, y, reference=data)
    with pytest.raises(ReachedError):
        boostloss.lightgbm.train({**PARAMS, "device_type": "cuda"}, data, 2, valid_sets=[valid], loss=bl.Focal())
    assert constructed == {id(data): "cuda", id(valid): "cuda"}


@pytest.mark.parametrize("alias", ["device_type", "device"])
@pytest.mark.parametrize("name", ["cuda", "CUDA"])
def test_no_gpu_is_an_error(monkeypatch, alias, name):
    """A CUDA build would end the process; neither `train` nor the estimator asks LightGBM."""
    monkeypatch.setattr(_lightgbm_device, "has_gpu", lambda: False)
    monkeypatch.setattr(lightgbm, "Booster", None)
    X, y, _ = binary_problem()
    message = f"{alias}.* == '{name}', must be a device LightGBM can use: no CUDA GPU found on this machine"
    with pytest.raises(ValueError, match=message):
        boostloss.lightgbm.train({alias: name}, lightgbm.Dataset(X, y), 2, loss=bl.Focal())
    with pytest.raises(ValueError, match=f"estimator.{message}"):
        bl.LossClassifier(lgbm_classifier(**{alias: name}), loss=bl.Focal()).fit(X, y)


@pytest.mark.skipif(why_no_cuda() is None, reason="this LightGBM was built with CUDA, and there is a GPU")
def test_build_without_cuda_is_an_error(monkeypatch):
    """LightGBM is asked once, with two rows."""
    monkeypatch.setattr(_lightgbm_device, "has_gpu", lambda: True)
    _lightgbm_device._error_of_cuda.cache_clear()
    with pytest.raises(ValueError, match=r"params\['device_type'\] == 'cuda'.*was not enabled in this build.*OpenCL"):
        trained(bl.Focal(), binary_problem, {"device_type": "cuda"})


@pytest.mark.parametrize(
    "params", [{}, {"device_type": None}, {"device": "gpu"}, {"device_type": "cpu", "device": "cuda"}], ids=str
)
def test_other_device_types_are_not_checked(monkeypatch, params):
    """LightGBM goes by the first name that is given."""
    monkeypatch.setattr(_lightgbm_device, "has_gpu", lambda: False)
    _lightgbm_device.check_device(params)


def test_build_for_amd_is_asked(monkeypatch):
    """It says "cuda" of those GPUs as well, and has no CUDA driver."""
    monkeypatch.setattr(_lightgbm_device, "has_gpu", lambda: False)
    monkeypatch.setattr(_lightgbm_device, "_error_of_cuda", lambda: None)
    monkeypatch.setattr("lightgbm.basic._LIB", SimpleNamespace(hipGetDeviceCount=None))
    _lightgbm_device.check_device({"device_type": "cuda"})


@pytest.mark.parametrize("which", ["train", "valid"])
def test_data_set_constructed_for_the_cpu_is_an_error(monkeypatch, which):
    """A training on CUDA would end the process."""
    monkeypatch.setattr(boostloss.lightgbm, "check_device", lambda *arguments: None)
    X, y, _ = binary_problem()
    data = lightgbm.Dataset(X, y)
    valid = lightgbm.Dataset(X, y, reference=data)
    (data if which == "train" else valid).construct()
    with pytest.raises(ValueError, match=r"contradicts a data set that was constructed without it.*Dataset\("):
        boostloss.lightgbm.train({**PARAMS, "device": "cuda"}, data, 2, valid_sets=valid, loss=bl.Focal())


def test_data_set_constructed_for_cuda_is_not():
    """Here on the CPU: the parameters are what counts."""
    X, y, _ = binary_problem()
    data = lightgbm.Dataset(X, y, params={"device_type": "cuda", "verbosity": -1}).construct()
    _lightgbm_device.check_data_sets({"device_type": "cuda"}, [data])
    _lightgbm_device.check_data_sets({"device_type": "cpu"}, [lightgbm.Dataset(X, y).construct()])


def test_no_opencl_device_is_an_error():
    """LightGBM's own; in a process of its own, for it looks for drivers once."""
    code = (
        "import lightgbm, numpy as np, boostloss as bl, boostloss.lightgbm\n"
        "data = lightgbm.Dataset(np.arange(60.0).reshape(30, 2), np.arange(30) % 2)\n"
        "try:\n"
        "    boostloss.lightgbm.train({'device_type': 'gpu', 'verbosity': -1}, data, 2, loss=bl.Focal())\n"
        "except lightgbm.basic.LightGBMError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "OCL_ICD_VENDORS": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "No OpenCL device found" in done.stdout, done.stderr[-1000:]
