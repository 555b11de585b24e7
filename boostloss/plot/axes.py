"""The axes of a display: new ones, or those that were given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boostloss._optional import imported

PANEL = 3.2, 3.2  # inches


def axes_of(ax: Any, n_panels: int) -> NDArray[Any]:
    """Return `n_panels` axes, of a new figure if none are given."""
    pyplot = imported("matplotlib.pyplot", "plot", "boostloss.plot draws with matplotlib")
    if ax is None:
        size = n_panels * PANEL[0] + 0.4, PANEL[1]
        _, panels = pyplot.subplots(1, n_panels, figsize=size, layout="constrained", squeeze=False)
        return np.asarray(panels[0])
    axes = np.atleast_1d(np.asarray(ax, object)).ravel()
    if len(axes) != n_panels or not all(hasattr(one, "plot") for one in axes):
        raise ValueError(f"ax == {ax!r}, must be None or {n_panels} matplotlib axes.")
    return axes
