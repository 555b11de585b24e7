"""How a loss declares its hyper-parameters: as fields of its class; those that all of its kind have are added."""

import inspect
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

LossType = TypeVar("LossType", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False)
def hyper_parameters(loss: LossType) -> LossType:
    """Make the annotated attributes of a loss its hyper-parameters: keyword-only arguments, beside those of its kind.

    A decorator of a class that derives from `ClassificationLoss`, `MarginLoss` or `RegressionLoss`. It writes the
    constructor, which stores its arguments and checks them by `_validate`. The arguments that all losses of the kind
    have come last: of classes `alpha`, `pos_weight`, `class_weight`, `beta`, `label_smoothing` and `curvature`, of
    numbers `curvature`.

    Parameters
    ----------
    loss : type
        The class, in which every annotated attribute has a default. If its docstring has a parameter `curvature`, the
        others of its kind are described before that.

    Returns
    -------
    type
        The same class.

    Examples
    --------
    >>> from boostloss import ClassificationLoss, hyper_parameters
    >>> @hyper_parameters
    ... class Brier(ClassificationLoss):
    ...     weight: float = 1.0
    ...
    ...     @staticmethod
    ...     def point(log_p, log_q, p, q, weight):
    ...         return weight * q * q, -2.0 * weight * p * q * q, 2.0 * weight * p * q * q * (p - q)
    >>> Brier(pos_weight=3.0)
    Brier(pos_weight=3.0)
    """
    # A kind of losses has the text about its own fields, but for `curvature`, in `_shared_parameters`
    made: Any = dataclass(kw_only=True, repr=False, eq=False)(loss)
    shared = {field.name for base in made.__mro__ if "_shared_parameters" in vars(base) for field in fields(base)}
    signature = inspect.signature(made.__init__)
    given = list(signature.parameters.values())
    given.sort(key=lambda parameter: parameter.name in shared)  # stable, and self stays the first
    made.__init__.__signature__ = signature.replace(parameters=given)
    if made.__doc__ and "\ncurvature :" in (text := inspect.cleandoc(made.__doc__)):
        made.__doc__ = text.replace("\ncurvature :", f"\n{made._shared_parameters}curvature :", 1)
    return loss
