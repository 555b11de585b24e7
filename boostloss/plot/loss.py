"""LossDisplay: what a loss is, as curves."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from boostloss._validation import check_number
from boostloss.losses import ClassificationLoss, Loss, MultiLabel
from boostloss.plot.axes import axes_of

N_POINTS = 1001
GREY = {"color": "0.6", "linewidth": 1.0, "zorder": 1.5}


class LossDisplay:
    """Value, gradient, Hessian, curvature and posterior of a loss; `from_loss` makes one.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Raw predictions, or residuals.
    lines : dict of ndarrays of shape (n,)
        The curves by their names: "value", "gradient", "Hessian", "curvature", and "posterior" where there is one.
    x_label : str
    name : str
        For the legend.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_panels,)
        A panel for each curve.
    figure_ : matplotlib Figure
    lines_ : ndarray of matplotlib Line2D, shape (n_panels,)
        The curves, one in each panel.

    Examples
    --------
    >>> import boostloss as bl
    >>> from boostloss.plot import LossDisplay
    >>> display = LossDisplay.from_loss(bl.Focal(gamma=2.0))  # doctest: +SKIP
    >>> LossDisplay.from_loss(bl.CrossEntropy(), ax=display.axes_)  # doctest: +SKIP
    """

    axes_: NDArray[Any]
    figure_: Any
    lines_: NDArray[Any]

    def __init__(self, *, x: NDArray[Any], lines: dict[str, NDArray[Any]], x_label: str, name: str) -> None:
        self.x = x
        self.lines = lines
        self.x_label = x_label
        self.name = name

    @classmethod
    def from_loss(
        cls,
        loss: Loss,
        *,
        y_true: float = 1.0,
        span: float = 6.0,
        name: str | None = None,
        ax: Any = None,
        **line_style: Any,
    ) -> Self:
        """Evaluate and draw a loss.

        Parameters
        ----------
        loss : Loss
            Of two classes: against the raw prediction. Of the residual: against raw_prediction - y_true (with the link
            of y_true where there is one), an automatic scale being that of the residuals drawn. Of a prediction with
            the link "log": against the raw prediction; else against its distance from `y_true`.
        y_true : float, default=1.0
            The label of every point. Losses of the residual do not depend on it.
        span : float > 0, default=6.0
            The curves go from -span to span.
        name : str, optional
            For the legend; by default the loss as it is written.
        ax : sequence of matplotlib Axes, optional
            As in `plot`.
        **line_style
            As in `plot`.

        Returns
        -------
        LossDisplay

        Raises
        ------
        ValueError
            For a loss of the whole batch, of several labels or of several quantiles, and for one that still depends on
            the training labels.
        """
        _check_curve(loss)
        check_number("span", span, low=0, low_open=True)
        x = np.linspace(-span, span, N_POINTS)
        y, raw, x_label = _rows(loss, x, float(y_true))
        gradient, curvature = loss.gradient_hessian(y, raw)
        exact = loss.gradient_hessian(y, raw, curvature="exact")[1]
        lines = {"value": loss.loss(y, raw), "gradient": gradient, "Hessian": exact, "curvature": curvature}
        if isinstance(loss, ClassificationLoss) and loss.has_posterior:
            lines["posterior"] = loss.predict_proba(raw)[:, 1]
        return cls(x=x, lines=lines, x_label=x_label, name=repr(loss) if name is None else name).plot(ax, **line_style)

    def plot(self, ax: Any = None, **line_style: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            One for each curve, for instance the `axes_` of another display; by default those of a new figure. Those of
            a display with a posterior take one without.
        **line_style
            Passed to ``Axes.plot``: ``color``, ``linestyle``, ...

        Returns
        -------
        LossDisplay
        """
        n_given = np.size(ax) if ax is not None else 0
        axes = axes_of(np.ravel(ax)[: len(self.lines)] if n_given > len(self.lines) else ax, len(self.lines))
        drawn = []
        for one, (title, line) in zip(axes, self.lines.items(), strict=True):
            first = not one.lines
            if title == "posterior" and first:
                one.plot(self.x, expit(self.x), linestyle="--", label="sigmoid", **GREY)
            drawn += one.plot(self.x, line, **{"label": self.name, **line_style})
            if title != "posterior" and first:
                one.axhline(0, **{**GREY, "color": "0.85"})
            one.set(title=title, xlabel=self.x_label)
        axes[0].legend(fontsize="small")
        if "posterior" in self.lines:
            axes[-1].set_title("posterior of class 1")
            axes[-1].legend(handles=axes[-1].lines[:1], fontsize="small")
        self.axes_, self.figure_, self.lines_ = axes, axes[0].figure, np.array(drawn)
        return self


def _check_curve(loss: Any) -> None:
    if not isinstance(loss, Loss):
        raise TypeError(f"loss == {loss!r}, must be a Loss.")
    if loss.of_batch or isinstance(loss, MultiLabel) or getattr(loss, "n_outputs", 1) > 1:
        raise ValueError(f"loss == {loss!r} has no curve: its values are not those of one raw prediction.")
    if isinstance(loss, ClassificationLoss) and loss._depends_on_labels():
        raise ValueError(f"loss == {loss!r} depends on the training labels: draw loss.resolve(y_true, sample_weight).")


def _rows(loss: Any, x: NDArray[Any], label: float) -> tuple[NDArray[Any], NDArray[Any], str]:
    """Labels and raw predictions of the points `x`, and what these are."""
    y_true = np.full_like(x, label)
    if isinstance(loss, ClassificationLoss) or (loss.variable == "prediction" and loss.link == "log"):
        return y_true, x, "raw prediction"
    if loss.variable == "prediction":
        return y_true, x + label, "prediction - y_true"
    y_true = loss.predict(np.zeros_like(x))  # 0 through the inverse link
    return y_true, x, "residual"
