"""XGBoost: training with a loss that has its right start, link, metric and saved model."""

import warnings
from typing import Any

import numpy as np

from boostloss._engine import describe, labels_read_once, refuse, resolved_loss, restore, spread, warn_of_unit
from boostloss.losses import ClassificationLoss, Loss
from boostloss.objective import Objective

FURTHEST_START = 13.8  # a margin: beyond, XGBoost would replace it by that of the probability 1e-6
ATTRIBUTE = "boostloss"  # of a Booster: the loss it was trained with
# reg:quantileerror and reg:absoluteerror are never named: up to 3.3 XGBoost would replace our leaves by its own
REFUSED = ("objective", "base_score", "scale_pos_weight", "huber_slope", "quantile_alpha", "tweedie_variance_power")


# What it measures in summed curvature, gradients or gains; of these what is 1 unless given, under any of its names
COUNTED = ("reg_lambda", "lambda", "min_child_weight", "reg_alpha", "alpha", "gamma", "min_split_loss")
COUNTED_AS_ONE = ("reg_lambda", "lambda"), ("min_child_weight",)
LEAST_SPREAD, GREATEST_SPREAD = 1e-6, 1e9  # of targets
LEAST_SPREAD_OF_PLAIN_OBJECTIVE = 1e-2


def _row_count(loss: Any, params: dict[str, Any], label: Any, weight: Any, start: Any) -> float:
    """The mean curvature of a row: more than 1 where targets spread by less than 1.

    XGBoost drops splits that gain less than 1e-6 in the unit of y squared. With gradient, curvature and all that is
    measured in them multiplied by the same number, leaves are the same and gains are large enough. It is a power of
    two, whose products are exact. Measured with targets times .01 and .001: root mean square change of predictions 22
    and 36 % of their standard deviation without, none with it.
    """
    if isinstance(loss, ClassificationLoss) or not loss.counts_rows or params.get("booster") == "gblinear":
        return 1.0
    warn_of_unit(loss, label, weight, start, LEAST_SPREAD, GREATEST_SPREAD)
    size = spread(loss, label, weight, start)
    return 1.0 if size >= 1 or size < np.finfo(np.float32).tiny else float(2.0 ** min(60, np.ceil(-2 * np.log2(size))))


def _set_back(booster: Any, params: dict[str, Any], in_rows: dict[str, Any]) -> None:
    """Have a booster whose training is over keep the user's parameters, for it may be continued with other targets."""
    ones = {name: 1.0 for names in COUNTED_AS_ONE for name in names}
    booster.set_param({name: ones[name] if params.get(name) is None else params[name] for name in in_rows})


def _in_rows(params: dict[str, Any], row_count: float) -> dict[str, Any]:
    """Those parameters that are measured in summed curvature, for rows that count as `row_count`."""
    if row_count == 1:
        return {}
    given = {name: params[name] for name in COUNTED if params.get(name) is not None}
    missing = {names[0]: 1.0 for names in COUNTED_AS_ONE if not given.keys() & set(names)}
    return {name: row_count * float(value) for name, value in {**given, **missing}.items()}


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
        warn_of_unit(resolved, y_true, sample_weight, start, LEAST_SPREAD_OF_PLAIN_OBJECTIVE, GREATEST_SPREAD)
    return {**_link(resolved), "base_score": _base_score(resolved, start)}


def train(
    params: dict[str, Any],
    dtrain: Any,
    num_boost_round: int = 10,
    *,
    loss: Loss,
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
        Labels and weights come from it. A ``base_margin`` of yours is used as the start, with a warning.
    num_boost_round : int, default=10
    loss : Loss
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
        If a parameter contradicts the loss, or labels or weights are outside its domain.
    """
    import xgboost

    if arguments.get("obj") is not None:
        raise ValueError(f"obj == {arguments['obj']!r} contradicts loss == {loss!r}: give one of them.")
    params = dict(params)
    refuse(params, REFUSED, loss, "the loss decides it")
    label, weight = dtrain.get_label(), dtrain.get_weight()
    weight = weight if weight.size else None
    resolved = resolved_loss(loss, label, weight, _number_of_classes(params.pop("num_class", None)))
    start = resolved.fit_intercept_only(label, weight)
    if xgb_model is None:
        params["base_score"] = _base_score(resolved, start)
        if dtrain.get_base_margin().size:
            warnings.warn("dtrain has a base_margin: it is the start, and it is not in the saved model.", stacklevel=2)
    has_link = getattr(resolved, "link", None) in ("identity", "log")
    _check_metrics(resolved, params.get("eval_metric"), has_link, "params['eval_metric']")
    if params.get("eval_metric") is None:
        params["disable_default_eval_metric"] = 1
    row_count = _row_count(resolved, params, label, weight, start)
    in_rows = _in_rows(params, row_count)
    description = describe(resolved)  # before the training: a parameter that JSON has no room for is an error
    with labels_read_once():
        booster = xgboost.train(
            {**params, **in_rows, **_link(resolved)},
            dtrain,
            num_boost_round,
            obj=Objective(resolved, _learning_rate(params), _rounds_of(xgb_model), row_count),
            custom_metric=resolved.metric if custom_metric is None else custom_metric,
            xgb_model=xgb_model,
            **arguments,
        )
    booster.set_attr(**{ATTRIBUTE: description})
    _set_back(booster, params, in_rows)
    return booster


def _check_metrics(loss: Any, metrics: Any, has_link: bool, where: str) -> None:
    """Raise for built-in metrics of a regression loss that would see raw predictions in place of predictions."""
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    names = [name for name in metrics if isinstance(name, str)]
    if names and not isinstance(loss, ClassificationLoss) and (loss.n_outputs > 1 or not has_link):
        raise ValueError(f"{where} == {names[0]!r} contradicts loss == {loss!r}: XGBoost would evaluate it on raw "
                         "predictions. Leave it out for the loss's own metric, or give a callable.")


def _learning_rate(params: dict[str, Any]) -> float:
    given = (params.get(name) for name in ("learning_rate", "eta"))
    default = 0.5 if params.get("booster") == "gblinear" else 0.3
    return float(next((rate for rate in given if rate is not None), default))


def _rounds_of(model: Any) -> int:
    """Number of rounds of a model to continue: a Booster, an estimator or a file."""
    import xgboost

    if model is None:
        return 0
    model = model.get_booster() if hasattr(model, "get_booster") else model
    model = model if isinstance(model, xgboost.Booster) else xgboost.Booster(model_file=model)
    return model.num_boosted_rounds()


def _number_of_classes(given: Any) -> int | None:
    """num_class of the params; 0 and 1 are what the engine means by "not multiclass"."""
    return int(given) if given is not None and int(given) > 1 else None


def predict_proba(booster: Any, data: Any, loss: Loss | None = None, **arguments: Any) -> np.ndarray:
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

    if loss is None:
        text = booster.attr(ATTRIBUTE)
        if text is None:
            raise ValueError("loss == None and the booster has none, must be the loss it was trained with.")
        loss = restore(text)
    if not isinstance(data, xgboost.DMatrix):
        data = xgboost.DMatrix(data, enable_categorical=True)
    return loss.predict_proba(booster.predict(data, output_margin=True, **arguments))
