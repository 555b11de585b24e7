"""TrainingDisplay: how the metrics went, round after round."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from boostloss.plot.axes import axes_of


class TrainingDisplay:
    """Learning curves: a panel for each metric, a line for each data set; `plot_training` makes one.

    Parameters
    ----------
    evals_result : dict of dicts of sequences
        Values by data set and metric, as both engines record them.
    best_iteration : int, optional
        Number of rounds after which a metric was best, where training stopped early.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_panels,)
    figure_ : matplotlib Figure
    lines_ : dict of matplotlib Line2D
        By (data set, metric).
    best_lines_ : list of matplotlib Line2D
        The marks of `best_iteration`, one in each panel.
    """

    axes_: NDArray[Any]
    figure_: Any
    lines_: dict[tuple[str, str], Any]
    best_lines_: list[Any]

    def __init__(self, *, evals_result: dict[str, dict[str, Any]], best_iteration: int | None = None) -> None:
        self.evals_result = evals_result
        self.best_iteration = best_iteration

    def plot(self, ax: Any = None, **line_style: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, optional
            One for each metric; by default those of a new figure.
        **line_style
            Passed to ``Axes.plot``.

        Returns
        -------
        TrainingDisplay
        """
        metrics = list(dict.fromkeys(metric for values in self.evals_result.values() for metric in values))
        axes = axes_of(ax, len(metrics))
        self.lines_, self.best_lines_ = {}, []
        for one, metric in zip(axes, metrics, strict=True):
            for index, (data_set, results) in enumerate(self.evals_result.items()):
                if metric in results:
                    rounds = np.arange(1, len(results[metric]) + 1)
                    style = {"label": data_set, "color": f"C{index}", **line_style}  # the same in every panel
                    [self.lines_[data_set, metric]] = one.plot(rounds, results[metric], **style)
            if self.best_iteration is not None:
                self.best_lines_.append(one.axvline(self.best_iteration, linestyle="--", color="0.6", label="best"))
            one.set(xlabel="rounds", ylabel=metric)
            one.legend(fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def plot_training(training: Any, *, metric: str | None = None, ax: Any = None, **line_style: Any) -> TrainingDisplay:
    """Draw the learning curves of a training.

    Parameters
    ----------
    training : estimator or dict
        A fitted `LossClassifier`, `LossRegressor` or estimator of an engine, trained with an ``eval_set``; or the
        dict in which ``evals_result=`` of XGBoost or ``record_evaluation`` of LightGBM collected the values.
    metric : str, optional
        The only one to draw; by default all of them.
    ax : matplotlib Axes or sequence of them, optional
        As many as there are metrics to draw; by default those of a new figure.
    **line_style
        What ``Axes.plot`` is given for every curve.

    Returns
    -------
    TrainingDisplay

    Raises
    ------
    TypeError
        If `training` is of another kind.
    ValueError
        If it has no values, or none of `metric`.
    """
    results = _evals_result(training)
    names = sorted({name for by_metric in results.values() for name in by_metric})
    if not names:
        raise ValueError("training has no values of a metric, must have been given an eval_set.")
    if metric is not None and metric not in names:
        raise ValueError(f"metric == {metric!r}, must be one of {names}.")
    drawn = {data_set: {name: by_metric[name] for name in by_metric if metric in (None, name)}
             for data_set, by_metric in results.items()}
    return TrainingDisplay(evals_result=drawn, best_iteration=_best_iteration(training)).plot(ax, **line_style)


def _evals_result(training: Any) -> dict[str, dict[str, Any]]:
    if isinstance(training, dict):
        results = training
    elif hasattr(training, "evals_result_"):  # ours and LightGBM's
        results = training.evals_result_
    elif hasattr(training, "evals_result"):  # XGBoost's
        results = training.evals_result()
    else:
        raise TypeError(f"training == {training!r}, must be a fitted estimator or a dict of recorded values.")
    if not all(isinstance(values, dict) for values in results.values()):
        raise TypeError(f"training has the keys {list(results)}, must have a dict of metrics for each data set.")
    return results


def _best_iteration(training: Any) -> int | None:
    """Number of rounds; None where training did not stop early."""
    best = getattr(training, "best_iteration_", None)  # ours and LightGBM's
    if best is None and hasattr(training, "best_iteration"):
        best = training.best_iteration + 1  # XGBoost's is an index
    return best or None
