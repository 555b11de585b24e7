"""What the gallery must do before it runs an example."""

import builtins
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def set_file(gallery_conf, fname):
    """Give an example its `__file__`, which sphinx-gallery leaves undefined: a built-in name is looked up last."""
    builtins.__file__ = None if fname is None else str(EXAMPLES / fname)
