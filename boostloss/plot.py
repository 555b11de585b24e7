"""Curves of a loss; needs matplotlib (``pip install "boostloss[plot]"``)."""

from typing import Any

import numpy as np

from boostloss.losses import ClassificationLoss, Loss, MultiLabel


def curves(loss: Loss, *, span: float = 6.0, axes: Any = None) -> Any:
    """Draw value, gradient and curvature of a loss against its margin or its residual.

    Parameters
    ----------
    loss : Loss
        Of two classes: drawn for class 1, whose margin is the raw prediction. A residual loss: drawn against
        raw_prediction - y_true, with the link of y_true where there is one, an automatic scale being that of the
        residuals drawn. A loss that is no function of these: drawn for y_true = 1.
    span : float > 0, default=6.0
        The curves go from -span to span.
    axes : sequence of three matplotlib Axes, optional
        By default those of a new figure.

    Returns
    -------
    ndarray of three matplotlib Axes

    Raises
    ------
    ValueError
        For a loss of the whole batch, of several labels or of several quantiles, and for one that still depends on the
        training labels.
    """
    from matplotlib import pyplot

    if loss.of_batch or isinstance(loss, MultiLabel) or getattr(loss, "n_outputs", 1) > 1:
        raise ValueError(f"loss == {loss!r} has no curve: its values are not those of one raw prediction.")
    if isinstance(loss, ClassificationLoss) and loss._depends_on_labels():
        raise ValueError(f"loss == {loss!r} depends on the training labels: draw loss.resolve(y_true, sample_weight).")
    if axes is None:
        _, axes = pyplot.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    x = np.linspace(-span, span, 501)
    y_true, raw = _rows(loss, x)
    gradient, curvature = loss.gradient_hessian(y_true, raw)
    _, exact = loss.gradient_hessian(y_true, raw, curvature="exact")
    label = "margin" if isinstance(loss, ClassificationLoss) else "residual"
    for ax, title, line in zip(
        axes, ("value", "gradient", "curvature"), (loss.loss(y_true, raw), gradient, curvature), strict=True
    ):
        ax.plot(x, line, label=repr(loss))
        ax.set(title=title, xlabel=label)
    axes[2].plot(x, exact, "--", color="grey", label="second derivative")
    axes[2].legend(fontsize="small")
    return axes


def _rows(loss: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and raw predictions whose margins or residuals are `x`."""
    if isinstance(loss, ClassificationLoss):
        return np.ones_like(x), x
    if loss.variable == "prediction":
        return np.ones_like(x), x if loss.link == "log" else x + 1  # log(1) = 0
    return loss.predict(np.zeros_like(x)), x
