"""Arrays that only look as if they were on a device, and kernels of the device's vocabulary compiled for the CPU."""

import types
from types import SimpleNamespace

import numpy as np
from numba import extending, njit

from boostloss.kernels import cpu, cuda, cuda_launch, cuda_words, pair_type, threads
from boostloss.kernels.pair_words import SINGLE
from boostloss.losses.base import Loss

f32, f64 = np.float32, np.float64


class FakeDeviceArray:
    """Host memory behind the interface of a device array: it is no ndarray, and nothing may make it one."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.size = array, array.shape, array.dtype, array.size
        self.ndim, self.flags = array.ndim, array.flags

    @property
    def __cuda_array_interface__(self):
        return {**self.array.__array_interface__, "version": 3, "stream": None}

    def __array__(self, *arguments, **keywords):
        raise AssertionError("an array of the device was copied to the host")

    def __len__(self):
        return len(self.array)

    def __getitem__(self, key):
        return FakeDeviceArray(self.array[key])

    def reshape(self, *shape):
        return FakeDeviceArray(self.array.reshape(*shape))

    def ravel(self):
        return FakeDeviceArray(self.array.ravel())

    def copy_to_host(self):
        return self.array.copy()

    def copy_to_device(self, array):
        self.array[...] = on_host(array)


def on_host(argument):
    """Arguments of a kernel with NumPy's arrays in them."""
    if isinstance(argument, tuple):
        return tuple(map(on_host, argument))
    return argument.array if isinstance(argument, FakeDeviceArray) else argument


def device_targets(targets):
    """Targets of a data set with their arrays on the fake device."""
    from boostloss._device import DeviceTargets

    return DeviceTargets(targets, FakeDeviceArray)


def fma(a, b, c):
    """The product of two float32 numbers is exact in double."""
    return f32(f64(a) * f64(b) + f64(c))


def template_loop(n_rows, rows, scalars, outputs):
    numbers = scalars_of(scalars)  # noqa: F821  # bound where it is made
    template(*rows, *numbers, *outputs)  # noqa: F821  # bound where it is made


def slice_loop(n_rows, rows, scalars, outputs):
    for i in range(n_rows):
        template(*row(rows, i, n_rows), *scalars, *outputs_of_row(outputs, i, n_rows))  # noqa: F821  # bound where it is made


class OnCPU:
    """What `cuda_launch` does, by the same words, formulas and rows compiled for the CPU with these options."""

    kind = FakeDeviceArray
    kernels: dict = {}  # of all tests: they take seconds to compile

    def __init__(self, monkeypatch, **options):
        self.options = {"error_model": "numpy", **options}
        self.uploads, self.n_synchronized, self.n_pages = [], 0, 0
        if not hasattr(OnCPU, "registered"):
            pair_type.register(extending, fma)
            OnCPU.registered = True
        monkeypatch.setattr(cuda_words, "device_function", self.function)
        monkeypatch.setattr(cuda, "device_function", self.function)
        for name in ("run_rows", "run_flat", "sum_chunks", "empty", "upload", "shared", "page_locked", "synchronize"):
            monkeypatch.setattr(cuda_launch, name, getattr(self, name))

    def function(self, function, inline=False):
        return njit(forceinline=True, **self.options)(function)

    def upload(self, array):
        self.uploads.append(array.shape)
        return FakeDeviceArray(array.copy())

    def shared(self, array):
        """The same memory, as `as_cuda_array` sees it: through the interface alone."""
        seen = SimpleNamespace(__array_interface__={**array.__cuda_array_interface__, "stream": None})
        return FakeDeviceArray(np.asarray(seen))

    def page_locked(self, shape, dtype):
        self.n_pages += 1
        return np.empty(shape, dtype)

    def synchronize(self):
        self.n_synchronized += 1

    def empty(self, shape, dtype):
        return FakeDeviceArray(np.empty(shape, dtype))

    def _run(self, kind, definition, make, arguments):
        key = kind, definition, len(arguments[1]), len(arguments[3]), repr(self.options)
        if key not in self.kernels:
            self.kernels[key] = njit(**self.options)(make())
        self.kernels[key](*on_host(arguments))

    def _body(self, template, definition):
        words = {**SINGLE, "fma": fma}
        return self.function(cpu.bound_template(template, *definition[1:], words, self.function))

    def run_rows(self, definition, rows, scalars, outputs):
        def make():
            template, scalars_of = self._body(definition[0], definition), cuda._scalars_of(*definition[1:])
            return bound(template_loop, template=template, scalars_of=scalars_of)

        self._run("rows", definition, make, (len(rows[0]), tuple(rows), parts_of(scalars), tuple(outputs)))

    def run_flat(self, definition, rows, raw, scalars, outputs):
        rows = (*rows, raw.reshape(-1))
        outputs = tuple(a.reshape(-1) for a in outputs)

        def make():
            row = cuda.chain(cuda.slices_of_row, len(rows))
            outputs_of_row = cuda.chain(cuda.slices_of_row, len(outputs))
            template = self._body(cuda.ROW_OF[definition[0]], definition)
            return bound(slice_loop, template=template, row=row, outputs_of_row=outputs_of_row)

        self._run("flat", definition, make, (len(raw), rows, parts_of(scalars), outputs))

    def sum_chunks(self, definition, rows, n_sums=None):
        """Its sums are for the simulator to test."""
        return threads.sum_chunks(cpu.compiled(*definition, "simd", "sum"), on_host(tuple(rows)), n_sums)


def parts_of(scalars):
    """Scalars without doubles, arrays of the host as they are."""
    if isinstance(scalars, tuple):
        return tuple(map(parts_of, scalars))
    return scalars if isinstance(scalars, np.ndarray) else cuda_launch.in_two_parts(scalars)


def bound(function, **callees):
    return types.FunctionType(function.__code__, {**function.__globals__, **callees}, function.__name__)


def compute_in_single(monkeypatch, **options):
    """Have every loss compute its float32 results as a device does."""
    OnCPU(monkeypatch, **options)
    in_memory = SimpleNamespace(loss=Loss.loss, gradient_hessian=Loss.gradient_hessian)

    def loss(self, y_true, raw_prediction, sample_weight=None):
        if np.asarray(raw_prediction).dtype != f32:
            return in_memory.loss(self, y_true, raw_prediction, sample_weight)
        raw, targets, loss = self._checked(y_true, np.ascontiguousarray(raw_prediction), sample_weight)
        value = np.empty(len(raw), f32)
        loss._values(device_targets(targets), FakeDeviceArray(raw), FakeDeviceArray(value))
        return value

    def gradient_hessian(self, y_true, raw_prediction, sample_weight=None, *, curvature=None):
        if np.asarray(raw_prediction).dtype != f32:
            return in_memory.gradient_hessian(self, y_true, raw_prediction, sample_weight, curvature=curvature)
        raw, targets, loss = self._checked(y_true, np.ascontiguousarray(raw_prediction), sample_weight)
        out = np.empty_like(raw), np.empty_like(raw)
        loss._derivatives(device_targets(targets), FakeDeviceArray(raw), curvature, *map(FakeDeviceArray, out))
        return tuple(a.reshape(np.shape(raw_prediction)) for a in out)

    monkeypatch.setattr(Loss, "loss", loss)
    monkeypatch.setattr(Loss, "gradient_hessian", gradient_hessian)
