"""Packages that only some of boostloss needs."""

import importlib
from typing import Any


def imported(name: str, extra: str, what: str) -> Any:
    """Import a module, or say which extra of boostloss has it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{what}, but {package} is not installed: pip install 'boostloss[{extra}]'.") from error
