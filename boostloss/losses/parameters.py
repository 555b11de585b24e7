"""How a loss declares its hyper-parameters: as fields of its class; those that all of its kind have are added."""

import inspect
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

LossType = TypeVar("LossType", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False)
def hyper_parameters(loss: LossType) -> LossType:
    """Make the annotated attributes of a loss keyword-only arguments; those of its kind come last, and are documented.

    A kind of losses has the text about its own fields, but for `curvature`, in `_shared_parameters`.
    """
    made: Any = dataclass(kw_only=True, repr=False, eq=False)(loss)
    shared = {field.name for base in made.__mro__ if "_shared_parameters" in vars(base) for field in fields(base)}
    signature = inspect.signature(made.__init__)
    given = list(signature.parameters.values())
    given.sort(key=lambda parameter: parameter.name in shared)  # stable, and self stays the first
    made.__init__.__signature__ = signature.replace(parameters=given)
    if made.__doc__ and "\ncurvature :" in (text := inspect.cleandoc(made.__doc__)):
        made.__doc__ = text.replace("\ncurvature :", f"\n{made._shared_parameters}curvature :", 1)
    return loss
