"""What of boostloss is public: read from the package, so that a new name is documented, and tested for a docstring."""

import importlib
import inspect
import re
from typing import Any

from sklearn.base import BaseEstimator

import boostloss

MODULES = (
    "boostloss",
    "boostloss.xgboost",
    "boostloss.lightgbm",
    "boostloss.verify",
    "boostloss.plot",
    "boostloss.objective",
    "boostloss.formula",
)
WORDS = "boostloss.formula"  # its names stand for other functions in every kernel: its own docstring describes them
FORMULAS = ("point", "prepare")  # methods that a loss is made of; readers of a loss call none of them
BASES = (boostloss.Loss, boostloss.ClassificationLoss, boostloss.MarginLoss, boostloss.RegressionLoss)


def names_of(module_name):
    """Public names of a module: `__all__`, else the functions and classes that are defined there."""
    module = importlib.import_module(module_name)
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and callable(thing) and thing.__module__ == module_name
    ]


def groups_of(module_name):
    """Public classes and functions of a module under the headings they are listed by."""
    if module_name == WORDS:
        return {}
    module = importlib.import_module(module_name)
    groups: dict[str, list[str]] = {}
    for name in sorted(names_of(module_name), key=str.lower):
        if callable(getattr(module, name)):
            groups.setdefault(_heading(getattr(module, name)), []).append(name)
    return dict(sorted(groups.items()))


def constants_of(module_name):
    """Public constants of a module, as Python writes them."""
    module = importlib.import_module(module_name)
    return {name: repr(getattr(module, name)) for name in names_of(module_name) if not callable(getattr(module, name))}


def _heading(thing):
    if thing in BASES or thing is boostloss.hyper_parameters:
        return "For a loss of your own"
    if inspect.isclass(thing) and issubclass(thing, boostloss.ClassificationLoss):
        return "Losses for classes"
    if inspect.isclass(thing) and issubclass(thing, boostloss.Loss):
        return "Losses for numbers"
    if inspect.isclass(thing):
        return "Estimators" if issubclass(thing, BaseEstimator) else "Classes"
    return "Functions"


def members_of(kind):
    """Public members of a class that are documented with it, each "method" or "property", as they are defined.

    Of a loss those it defines itself, for the others are those of the class it derives from; of another class all that
    boostloss defines.
    """
    bases = [base for base in reversed(kind.__mro__) if base.__module__.partition(".")[0] == "boostloss"]
    bases = [kind] if issubclass(kind, boostloss.Loss) else bases
    return {
        name: "property" if isinstance(thing, property) else "method"
        for base in bases
        for name, thing in vars(base).items()
        if _is_member(name, thing)
    }


def _is_member(name: str, thing: Any) -> bool:
    described = inspect.isroutine(thing) or isinstance(thing, property)
    return described and not re.match("_|set_.*_request", name) and name not in FORMULAS


def _base(kind):
    """The class that a loss has its other methods from."""
    bases = [base.__name__ for base in kind.__mro__[1:] if base in BASES]
    return bases[0] if bases else None


def template_context():
    """What the templates of the API reference need to know."""
    classes = {
        f"{module_name}.{name}": thing
        for module_name in MODULES
        if module_name != WORDS
        for name in names_of(module_name)
        if inspect.isclass(thing := getattr(importlib.import_module(module_name), name))
    }
    return {
        "groups": {module_name: groups_of(module_name) for module_name in MODULES},
        "constants": {module_name: constants_of(module_name) for module_name in MODULES},
        "members_of_class": {name: members_of(kind) for name, kind in classes.items()},
        "losses": [name for name, kind in classes.items() if issubclass(kind, boostloss.Loss)],
        "base_of_loss": {name: _base(kind) for name, kind in classes.items() if _base(kind)},
    }
