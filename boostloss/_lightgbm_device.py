"""LightGBM on a GPU: gradients come from the CPU on every device; errors where its CUDA build would end the process."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from boostloss._device import has_gpu

DEVICE_TYPE = ("device_type", "device")


def check_device(params: Mapping[str, Any], where: str = "params[{!r}]") -> None:
    """Raise for a training on CUDA that would end the process, or that LightGBM was not built for.

    OpenCL, which ``device_type="gpu"`` is, needs no check: LightGBM itself raises where there is no device.

    Raises
    ------
    ValueError
        `where` says how the user spelled the parameter.
    """
    if (name := _name_of_cuda(params)) is None:
        return
    if not _is_of_amd() and not has_gpu():
        reason = "no CUDA GPU found on this machine"
    elif (error := _error_of_cuda()) is not None:
        reason = f"{error.splitlines()[0].rstrip('.')} (packages on PyPI have OpenCL, device_type='gpu')"
    else:
        return
    raise ValueError(f"{where.format(name)} == {params[name]!r}, must be a device LightGBM can use: {reason}.")


def check_data_sets(params: Mapping[str, Any], data_sets: Iterable[Any]) -> None:
    """Raise for data sets that were constructed in memory and shall be trained on with CUDA: the process would end.

    Raises
    ------
    ValueError
        If one was constructed without the device type.
    """
    if (name := _name_of_cuda(params)) is None:
        return
    for data in data_sets:
        if getattr(data, "_handle", None) is not None and _name_of_cuda(data.params or {}) is None:
            raise ValueError(
                f"params[{name!r}] == {params[name]!r} contradicts a data set that was constructed without it: "
                f"make it by Dataset(..., params={{'device_type': 'cuda'}})."
            )


def _name_of_cuda(params: Mapping[str, Any]) -> str | None:
    """The parameter that asks for CUDA; LightGBM goes by the first of the names that is given."""
    given = [name for name in DEVICE_TYPE if params.get(name) is not None]
    return given[0] if given and str(params[given[0]]).lower() == "cuda" else None


def _is_of_amd() -> bool:
    """Whether LightGBM was built for AMD's GPUs, which it calls "cuda" as well."""
    import lightgbm

    basic: Any = lightgbm.basic
    return hasattr(basic._LIB, "hipGetDeviceCount")  # of a library that it is linked to


@functools.cache
def _error_of_cuda() -> str | None:
    """What LightGBM says of a model on CUDA, on a machine with a GPU; None if it has no objection."""
    import lightgbm

    params = {"device_type": "cuda", "objective": "none", "verbosity": -1}
    try:
        lightgbm.Booster(params, lightgbm.Dataset(np.zeros((2, 1)), np.zeros(2), params=params))
    except lightgbm.basic.LightGBMError as error:
        return str(error)
    return None
