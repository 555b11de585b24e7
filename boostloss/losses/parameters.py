"""How a loss of classes declares its hyper-parameters: as fields, to which those that all of them have are added."""

import inspect
from dataclasses import dataclass, fields
from typing import Any, TypeVar, dataclass_transform

SHARED = """\
alpha : float in (0, 1), optional
    Weight of class 1 against 1 - alpha of class 0 (two classes; Lin et al. 2017, section 3.1).
pos_weight : float > 0 or "balanced", optional
    Weight of class 1 against 1 of class 0 (two classes): `scale_pos_weight` of the engines. "balanced" is n_0 / n_1.
class_weight : "balanced", "effective", dict or sequence, optional
    Weight of every class, by class index; "balanced" is n / (K n_k), "effective" prop. to 1 / (1 - beta^n_k), with sum
    K (Cui et al., CVPR 2019); n_k is the summed sample weight of class k. At most one of the three may be given.
beta : float in [0, 1), default=0.999
    Of "effective": 0 weighs all classes alike, close to 1 it is "balanced" but for a factor.
label_smoothing : float in [0, 1), default=0.0
    epsilon: labels become (1 - epsilon) y + epsilon / K (Szegedy et al. 2016), which `predict_proba` takes out again.
    With more than two classes for the cross-entropy only."""

LossType = TypeVar("LossType", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False)
def hyper_parameters(loss: LossType) -> LossType:
    """Make the annotated attributes of a loss keyword-only arguments; the shared ones come last, and are documented."""
    made: Any = dataclass(kw_only=True, repr=False, eq=False)(loss)
    shared = {field.name for base in made.__mro__ if "_shared_parameters" in vars(base) for field in fields(base)}
    signature = inspect.signature(made.__init__)
    given = list(signature.parameters.values())
    given.sort(key=lambda parameter: parameter.name in shared)  # stable, and self stays the first
    made.__init__.__signature__ = signature.replace(parameters=given)
    if made.__doc__ and "\ncurvature :" in (text := inspect.cleandoc(made.__doc__)):
        made.__doc__ = text.replace("\ncurvature :", f"\n{SHARED}\ncurvature :", 1)
    return made
