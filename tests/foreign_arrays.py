"""Arrays that behave as those of CuPy, torch and cuDF do, over memory of the host: NumPy cannot read them by itself."""

import numpy as np


class CuPyArray:
    """As ``cupy.ndarray``."""

    def __init__(self, array):
        self.array = np.asarray(array)
        self.shape, self.dtype, self.ndim, self.size = self.array.shape, self.array.dtype, self.array.ndim, array.size
        self.n_copies = 0

    @property
    def __cuda_array_interface__(self):
        return {**self.array.__array_interface__, "version": 3, "stream": 1}

    def __array__(self, *arguments, **keywords):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __len__(self):
        return len(self.array)

    def get(self):
        self.n_copies += 1
        return self.array.copy()


class TorchTensor:
    """As ``torch.Tensor``, on a device and with a graph unless told otherwise."""

    def __init__(self, array, device="cuda", requires_grad=True):
        self.array, self.device, self.requires_grad = np.asarray(array), device, requires_grad
        self.shape, self.dtype, self.ndim = self.array.shape, "torch.float32", self.array.ndim

    @property
    def __cuda_array_interface__(self):
        if self.device == "cpu":
            raise AttributeError("Can't get __cuda_array_interface__ on non-CUDA tensor type")
        if self.requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")
        return {**self.array.__array_interface__, "version": 2}

    def __array__(self, *arguments, **keywords):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        return self.array

    def __len__(self):
        return len(self.array)

    def detach(self):
        return TorchTensor(self.array, self.device, requires_grad=False)

    def cpu(self):
        return TorchTensor(self.array, "cpu", self.requires_grad)


class CuDFSeries:
    """As ``cudf.Series``, whose `get` is that of pandas."""

    __module__ = "cudf.core.series"

    def __init__(self, array):
        self._array = np.asarray(array)
        self.shape, self.dtype, self.ndim = self._array.shape, self._array.dtype, self._array.ndim

    def __array__(self, *arguments, **keywords):
        raise TypeError("Implicit conversion to a host NumPy array via __array__ is not allowed, use `.to_numpy()`")

    def __len__(self):
        return len(self._array)

    @property
    def values(self):
        return CuPyArray(self._array)

    def to_numpy(self):
        return self._array.copy()

    def get(self, key):
        raise KeyError(key)


def cpu_tensor(array):
    """One in memory, with a graph."""
    return TorchTensor(array, device="cpu")


KINDS = [CuPyArray, TorchTensor, cpu_tensor, CuDFSeries]
