"""XGBoost: training with a loss that has its right start, link, metric and saved model."""

import functools
import warnings
from typing import Any

import numpy as np

from boostloss import _resident_training
from boostloss._engine import describe, refuse, resolved_loss, restore, warn_of_empty_classes, warn_of_unit
from boostloss._types import Array
from boostloss._xgboost_continuation import booster_of
from boostloss._xgboost_units import in_rows_of, row_count_of, set_back
from boostloss.losses import ClassificationLoss, Loss
from boostloss.objective import Objective

FURTHEST_START = 13.8  # a margin: beyond, XGBoost would replace it by that of the probability 1e-6
ATTRIBUTE = "boostloss"  # of a Booster: the loss it was trained with
# reg:quantileerror and reg:absoluteerror are never named: up to 3.3 XGBoost would replace our leaves by its own
REFUSED = ("objective", "base_score", "scale_pos_weight", "huber_slope", "quantile_alpha", "tweedie_variance_power")


LEAST_SPREAD_OF_PLAIN_OBJECTIVE = 1e-2


def _link(loss: Any) -> dict[str, Any]:
    """The named objective whose link and file format belong to a resolved loss."""
    if not isinstance(loss, ClassificationLoss):
        # not count:poisson, which would limit the steps
        link = {"objective": "reg:gamma" if loss.link == "log" else "reg:squarederror"}
        return link if loss.n_outputs == 1 else {**link, "num_target": loss.n_outputs}
    if loss.n_classes_ == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": loss.n_classes_}


def _base_score(loss: Any, start: Any) -> float | list[float]:
    """A start in the space XGBoost wants: that of predictions, but for K classes."""
    if _link(loss)["objective"] == "binary:logistic":
        if np.abs(start).max() > FURTHEST_START:
            raise ValueError(
                f"start == {start!r} of loss == {loss!r}, must be in [-{FURTHEST_START}, {FURTHEST_START}]: XGBoost "
                "keeps it as a probability. Choose milder parameters, or LightGBM."
            )
        start = 1 / (1 + np.exp(-start))
    if _link(loss)["objective"] == "reg:gamma":
        start = np.exp(start)
    return [float(s) for s in start] if np.ndim(start) else float(start)


def params(loss: Loss, y_true: Any, sample_weight: Any = None, *, n_classes: int | None = None) -> dict[str, Any]:
    """Parameters that ``xgboost.train(..., obj=loss)`` needs for the right start, link and saved model.

    Parameters
    ----------
    loss : Loss
    y_true : array-like of shape (n,)
        Training labels.
    sample_weight : array-like of shape (n,), optional
    n_classes : int, optional
        Number of classes where the labels do not show it.

    Returns
    -------
    dict
        ``objective`` (it names the link; gradients come from ``obj``), ``base_score``, ``num_class`` for K > 2,
        ``num_target`` for several quantiles.
    """
    resolved = resolved_loss(loss, y_true, sample_weight, n_classes)
    start = resolved.fit_intercept_only(y_true, sample_weight)
    if not isinstance(resolved, ClassificationLoss):
        warn_of_unit(resolved, y_true, sample_weight, start, LEAST_SPREAD_OF_PLAIN_OBJECTIVE)
    if n_classes is None:
        warn_of_empty_classes(resolved, y_true)
    return {**_link(resolved), "base_score": _base_score(resolved, start)}


def objective(
    loss: Loss, *, device: str = "cuda", learning_rate: float | None = None, n_rounds_before: int = 0
) -> Objective:
    """Make an objective for a plain ``xgboost.train(obj=...)`` on a GPU, whose gradients are computed and stay there.

    A bare ``obj=loss`` computes on the CPU. Next to it belong ``params``, which has the start and the link. Serves one
    training.

    Parameters
    ----------
    loss : Loss
        Resolved, where it depends on training labels.
    device : str, default="cuda"
        That of XGBoost: "cuda", or "cuda:1" for one of several; "cpu" for the CPU after all.
    learning_rate : float, optional
        That of the training, which decides the length of a step of residual losses.
    n_rounds_before : int, default=0
        Rounds of a model that the training continues.

    Returns
    -------
    Objective

    Raises
    ------
    ValueError
        If XGBoost could not use the device: no GPU, or built without CUDA.
    ImportError
        If numba-cuda is not installed.

    Examples
    --------
    >>> loss = bl.Focal().resolve(y)
    >>> params = {"device": "cuda", **boostloss.xgboost.params(loss, y)}
    >>> xgboost.train(params, dtrain, obj=boostloss.xgboost.objective(loss))  # doctest: +SKIP
    """
    route = "host" if device == "cpu" else "device"
    return Objective(loss, learning_rate, n_rounds_before, device=device, route=route)


def train(
    params: dict[str, Any],
    dtrain: Any,
    num_boost_round: int = 10,
    *,
    loss: Loss,
    route: str = "auto",
    X: Any = None,
    custom_metric: Any = None,
    xgb_model: Any = None,
    **arguments: Any,
) -> Any:
    """Train with a loss: ``xgboost.train`` with the loss's start, link, metric and saved model.

    Parameters
    ----------
    params : dict
        As for ``xgboost.train``, without what the loss decides (objective, base_score, scale_pos_weight, ...). For
        regression targets that spread by less than 1, lambda, alpha, gamma and min_child_weight are multiplied by a
        power of two, as the gradients are: trees are those of any other unit (but for ``gradient_based`` sampling).
    dtrain : xgboost.DMatrix
        Labels and weights come from it; K classes are 0 .. K-1, with a warning where one of them has no rows and
        ``num_class`` was not given. A ``base_margin`` of yours is used as the start, with a warning.
    num_boost_round : int, default=10
        Number of rounds.
    loss : Loss
    route : {"auto", "host", "device", "resident"}, default="auto"
        What crosses to the CPU and back in a round on a GPU. "host": raw predictions, and gradients, which the CPU
        computes. "device": raw predictions, which XGBoost hands out in memory only; gradients are computed on the GPU
        and stay there. "resident": nothing; a training loop of boostloss adds what each round's trees predict for `X`,
        at the price of that prediction. "auto": "device" where ``device`` is "cuda" and numba-cuda is installed, else
        "host". On the CPU "resident" trains the same trees.
    X : array or data frame of shape (n, n_features), optional
        For the route "resident", and not read by the others: the features that `dtrain` was made of, in the same order,
        NaN for missing values. On a GPU an array of the device (CuPy, torch, Numba), a cuDF frame, or a NumPy array,
        which is uploaded.
    custom_metric : callable, optional
        In place of the loss's own metric, which early stopping watches otherwise.
    xgb_model : optional
        Continue this model, with its start.
    **arguments
        Everything else ``xgboost.train`` takes.

    Returns
    -------
    xgboost.Booster
        ``predict`` applies the link, also after loading its file where boostloss is not installed; for losses that are
        not proper, `predict_proba` of this module gives probabilities.

    Raises
    ------
    ValueError
        If a parameter contradicts the loss, labels or weights are outside its domain, or ``device`` is "cuda" on a
        machine without a GPU. On the route "resident" also for ``booster`` "dart" or "gblinear", dropout,
        ``process_type`` "update", and an `X` that is not that of `dtrain`.
    ImportError
        If the route needs numba-cuda, or CuPy ("resident" on a GPU), and it is not installed.
    """
    if arguments.get("obj") is not None:
        raise ValueError(f"obj == {arguments['obj']!r} contradicts loss == {loss!r}: give one of them.")
    params = dict(params)
    refuse(params, REFUSED, loss, "the loss decides it")
    _warn_of_dart(params, arguments.get("early_stopping_rounds"))
    label, weight = dtrain.get_label(), dtrain.get_weight()
    weight = weight if weight.size else None
    n_classes = _number_of_classes(params.pop("num_class", None))
    resolved = resolved_loss(loss, label, weight, n_classes)
    start = resolved.fit_intercept_only(label, weight)
    if n_classes is None and xgb_model is None:
        warn_of_empty_classes(resolved, label)
    if xgb_model is None:
        params["base_score"] = _base_score(resolved, start)
        if dtrain.get_base_margin().size:
            warnings.warn("dtrain has a base_margin: it is the start, and it is not in the saved model.", stacklevel=2)
    _check_metrics(resolved, params.get("eval_metric"), ("identity", "log"), "params['eval_metric']")
    if params.get("eval_metric") is None:
        params["disable_default_eval_metric"] = 1
    row_count = row_count_of(resolved, params, label, weight, start)
    in_rows = in_rows_of(params, row_count)
    description = describe(resolved)  # before the training: a parameter that JSON has no room for is an error
    rounds_before = _rounds_of(xgb_model)
    device = params.get("device")
    objective = Objective(resolved, _learning_rate(params), rounds_before, row_count, device=device, route=route)
    booster = _training_loop(route, X)(
        {**params, **in_rows, **_link(resolved)},
        dtrain,
        num_boost_round,
        obj=objective,
        custom_metric=resolved.metric if custom_metric is None else custom_metric,
        xgb_model=xgb_model,
        **arguments,
    )
    booster.set_attr(**{ATTRIBUTE: description})
    set_back(booster, params, in_rows)
    return booster


def _training_loop(route: str, X: Any) -> Any:
    """XGBoost's, or the one whose raw predictions stay where they are."""
    if route == "resident":
        return functools.partial(_resident_training.train, X=X)
    import xgboost

    return xgboost.train


def _warn_of_dart(params: dict[str, Any], early_stopping_rounds: Any) -> None:
    """Warn where the metric saw other predictions than those of the best round."""
    if params.get("booster") == "dart" and early_stopping_rounds:
        warnings.warn(
            f"early_stopping_rounds == {early_stopping_rounds!r} with booster == 'dart': rounds after the best one "
            "rescale its trees, so that its predictions are not those that the metric saw.",
            stacklevel=3,
        )


def _check_metrics(loss: Any, metrics: Any, links: tuple[str, ...], where: str) -> None:
    """Raise for built-in metrics of a regression loss that would see raw predictions in place of predictions.

    `links` are those that the engine applies before it evaluates.
    """
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    names = [name for name in metrics if isinstance(name, str)]
    if names and not isinstance(loss, ClassificationLoss) and (loss.n_outputs > 1 or loss.link not in links):
        raise ValueError(f"{where} == {names[0]!r} contradicts loss == {loss!r}: XGBoost would evaluate it on raw "
                         "predictions. Leave it out for the loss's own metric, or give a callable.")


def _learning_rate(params: dict[str, Any]) -> float:
    given = (params.get(name) for name in ("learning_rate", "eta"))
    default = 0.5 if params.get("booster") == "gblinear" else 0.3
    return float(next((rate for rate in given if rate is not None), default))


def _rounds_of(model: Any) -> int:
    """Number of rounds of a model to continue: a Booster, an estimator or a file."""
    return 0 if model is None else booster_of(model).num_boosted_rounds()


def _number_of_classes(given: Any) -> int | None:
    """num_class of the params; 0 and 1 are what the engine means by "not multiclass"."""
    return int(given) if given is not None and int(given) > 1 else None


def predict_proba(booster: Any, data: Any, loss: Loss | None = None, **arguments: Any) -> Array:
    """Posterior class probabilities of a booster trained with a loss.

    Parameters
    ----------
    booster : xgboost.Booster
    data : xgboost.DMatrix, or what a DMatrix is made of
    loss : Loss, optional
        By default the one `train` stored in the booster; needed for a loss of your own.
    **arguments
        Passed to ``Booster.predict``, for instance ``iteration_range``.

    Returns
    -------
    ndarray of shape (n, K)
        Float32; rows sum to one.
    """
    import xgboost

    trained_with: Any = loss
    if loss is None:
        text = booster.attr(ATTRIBUTE)
        if text is None:
            raise ValueError("loss == None and the booster has none, must be the loss it was trained with.")
        trained_with = restore(text)
    if not isinstance(data, xgboost.DMatrix):
        data = xgboost.DMatrix(data, enable_categorical=True)
    probabilities: Array = trained_with.predict_proba(booster.predict(data, output_margin=True, **arguments))
    return probabilities
