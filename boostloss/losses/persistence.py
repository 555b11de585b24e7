"""A loss as a plain dict, and back: what is written into a file of JSON and into a saved model.

Reading makes losses of boostloss, by name, or of the class that was asked; nothing is imported, and nothing runs that
the dict names.
"""

import math
from typing import Any

import numpy as np

from boostloss.losses.base import Loss

SCHEMA = 2
READABLE = 1, SCHEMA  # 1 had neither tuples nor dicts nor arrays, and a schema number at the outermost loss only
DEEPEST = 32  # nesting
OF_LABELS = {"n_classes": "n_classes_", "n_labels": "n_labels_"}  # what resolving adds to the parameters
DTYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32",
          "float64")


def to_dict(loss: Loss) -> dict[str, Any]:
    """See `Loss.to_dict`."""
    name = type(loss).__name__
    params = {key: _plain(f"{key} of {name}", value) for key, value in loss.get_params(deep=False).items()}
    of_labels = {key: getattr(loss, attribute) for key, attribute in OF_LABELS.items() if hasattr(loss, attribute)}
    return {"schema": SCHEMA, _kind(type(loss)): name, "params": params, **of_labels}


def _kind(loss_class: type[Loss]) -> str:
    """The key of a loss's name: that of a user must not pass for one of boostloss."""
    return "loss" if known_losses().get(loss_class.__name__) is loss_class else "user_loss"


def known_losses() -> dict[str, type[Loss]]:
    """Return the losses of boostloss by name; without the classes that others derive from."""
    from boostloss import losses

    kinds = {name: getattr(losses, name) for name in losses.__all__}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and kind not in _abstract()}


def _abstract() -> tuple[type[Loss], ...]:
    from boostloss import losses

    return losses.Loss, losses.ClassificationLoss, losses.MarginLoss, losses.RegressionLoss


def _plain(where: str, value: Any) -> Any:
    """`value` in terms of JSON: what JSON has not is an object with one of the keys "tuple", "dict", "array"."""
    if isinstance(value, Loss):
        return to_dict(value)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        value = np.asarray(value)  # a Series comes back as an array
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.name in DTYPES and np.isfinite(value).all():
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, list):
        return [_plain(where, item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(where, item) for item in value]}
    if isinstance(value, dict) and all(_is_scalar(key) for key in value):
        return {"dict": [[_plain(where, key), _plain(where, item)] for key, item in value.items()]}
    if isinstance(value, (np.ndarray, np.generic)) or not _is_scalar(value):
        raise TypeError(f"{where} == {value!r}, must be made of finite numbers, strings, lists, dicts, arrays and "
                        "losses for to_dict.")
    return value


def _is_scalar(value: Any) -> bool:
    """Whether JSON has a word for it, or NumPy a dtype: a number, a string, True, False or None."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, int, str, np.bool_, np.integer, np.floating))


def from_dict(cls: type[Loss], description: Any, depth: int = 0, schema: Any = None) -> Any:
    """See `Loss.from_dict`."""
    if not isinstance(description, dict):
        raise TypeError(f"description == {description!r}, must be a dict as to_dict makes them.")
    names = [key for key in ("loss", "user_loss") if key in description]
    if len(names) != 1:
        raise ValueError(f"description has the keys {list(description)}, must have 'loss' or 'user_loss'.")
    schema = description.get("schema", schema)
    if isinstance(schema, bool) or schema not in READABLE:
        raise ValueError(f"schema == {schema!r} of the description, must be one of {READABLE}.")
    for key in description.keys() - {*names, "schema", "params", *OF_LABELS}:
        raise ValueError(f"description has the key {key!r}, must be one of {[*names, 'schema', 'params', *OF_LABELS]}.")
    loss_class = _class_of(cls, names[0], description[names[0]])
    loss = loss_class(**_parameters(loss_class, description.get("params"), depth, schema))
    loss._validate()
    for key, attribute in OF_LABELS.items():
        if key in description:
            setattr(loss, attribute, _count(key, description[key]))
    return loss


def _class_of(cls: type[Loss], kind: str, name: Any) -> type[Loss]:
    """The class of a name: one of boostloss that is a `cls`, or `cls` itself where that is a user's."""
    known = known_losses().get(name) if isinstance(name, str) else None
    if kind == "loss" and known is not None and issubclass(known, cls):
        return known
    if kind == _kind(cls) == "user_loss" and name == cls.__name__ and cls not in _abstract():
        return cls
    if known is None and isinstance(name, str):
        raise ValueError(f"{kind} == {name!r}, must be a loss of boostloss: one of your own loads through its class, "
                         f"{name}.from_dict(description).")
    raise ValueError(f"{kind} == {name!r}, must be {cls.__name__} for {cls.__name__}.from_dict.")


def _parameters(loss_class: type[Loss], params: Any, depth: int, schema: Any) -> dict[str, Any]:
    """Arguments of the constructor."""
    name = loss_class.__name__
    if not isinstance(params, dict):
        raise TypeError(f"params == {params!r} of {name}, must be a dict.")
    allowed = loss_class._get_param_names()
    for key in params:
        if key not in allowed:
            raise ValueError(f"params has the key {key!r}, must be a parameter of {name}: {', '.join(allowed)}.")
    return {key: _value(f"{key} of {name}", value, depth + 1, schema) for key, value in params.items()}


def _value(where: str, plain: Any, depth: int, schema: Any) -> Any:
    """What `_plain` was given."""
    if depth > DEEPEST:
        raise ValueError(f"{where} is nested deeper than {DEEPEST}, must not be.")
    if isinstance(plain, list):
        return [_value(where, item, depth + 1, schema) for item in plain]
    if isinstance(plain, dict):
        if "loss" in plain or "user_loss" in plain:
            return from_dict(Loss, plain, depth + 1, schema)
        return _container(where, plain, depth, schema)
    if isinstance(plain, (np.generic, np.ndarray)) or not _is_scalar(plain):
        raise TypeError(f"{where} == {plain!r}, must be made of finite numbers, strings, lists and dicts.")
    return plain


def _container(where: str, plain: Any, depth: int, schema: Any) -> Any:
    """A tuple, a dict or an array."""
    match plain:
        case {"tuple": list(items), **rest} if not rest:
            return tuple(_value(where, item, depth + 1, schema) for item in items)
        case {"dict": list(items), **rest} if not rest and all(isinstance(i, list) and len(i) == 2 for i in items):
            keys = [_value(where, key, depth + 1, schema) for key, _ in items]
            if all(_is_scalar(key) for key in keys) and len(set(keys)) == len(keys):
                return {key: _value(where, i[1], depth + 1, schema) for key, i in zip(keys, items, strict=True)}
        case {"array": items, "dtype": str(dtype), **rest} if not rest and dtype in DTYPES:
            return _array(where, items, dtype)
    raise ValueError(f"{where} == {plain!r}, must be an object of to_dict: a tuple, a dict, an array or a loss.")


def _array(where: str, items: Any, dtype: str) -> Any:
    """An array or a NumPy scalar whose every number is the one given."""
    try:
        with np.errstate(all="ignore"):
            array = np.asarray(items).astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} == {items!r}, must be numbers of dtype {dtype}.") from error
    if array.tolist() != items or not np.isfinite(array).all():
        raise ValueError(f"{where} == {items!r}, must be finite numbers of dtype {dtype}.")
    return array[()]


def _count(key: str, value: Any) -> int:
    least = 2 if key == "n_classes" else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{key} == {value!r}, must be an integer >= {least}.")
    return value
