"""XGBoost's training loop with raw predictions that stay where the features are, in memory or on a CUDA device.

``xgboost.train`` has those of all trees copied to the host in every round. Here those of a round are those of the round
before plus what its own trees predict, by the engine's own prediction in place: the same sums in the same order.
"""

import importlib
import json
import weakref
from typing import Any

import numpy as np

from boostloss._data_sets import data_set_of
from boostloss._device_arrays import in_memory, is_on_device
from boostloss.objective import Objective

ROUTE = "route == 'resident'"
OTHER_SUMS = "else a round changes trees before it, and raw predictions are not a sum over rounds"
Evals = list[tuple[Any, str]]


def train(
    params: dict[str, Any],
    dtrain: Any,
    num_boost_round: int,
    *,
    X: Any,
    obj: Objective,
    evals: Any = None,
    maximize: bool | None = None,
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, Any] | None = None,
    verbose_eval: bool | int | None = True,
    xgb_model: Any = None,
    callbacks: Any = None,
    custom_metric: Any = None,
) -> Any:
    """As ``xgboost.train``; `X` are the features that `dtrain` was made of."""
    import xgboost

    evals = list(evals or ())
    _check_evals(evals, dtrain)
    booster = xgboost.Booster(params, [dtrain, *(data for data, _ in evals)], model_file=xgb_model)
    chosen = _callbacks(callbacks, verbose_eval, early_stopping_rounds, maximize)
    container = xgboost.callback.CallbackContainer(chosen, metric=custom_metric, output_margin=True)
    booster = container.before_training(booster)
    _check_booster(booster, params)
    features = _features(X, dtrain, obj)
    _run(booster, dtrain, num_boost_round, features, obj, container, evals)
    booster = container.after_training(booster)
    if evals_result is not None:
        evals_result.update(container.history)
    return booster.reset()


def _run(
    booster: Any, dtrain: Any, n_rounds: int, features: Any, objective: Objective, container: Any, evals: Evals
) -> None:
    """All rounds; XGBoost's own raw predictions are asked for before the first one, after it, and after the last."""
    data_set = data_set_of(dtrain)
    margins = booster.predict(dtrain, output_margin=True, training=True)  # without it `boost` knows no start
    largest = np.abs(margins).max(initial=0)
    for i in range(n_rounds):
        if container.before_iteration(booster, i, dtrain, evals):
            break
        gradient, hessian = objective._derivatives(margins, data_set)
        booster.boost(dtrain, i, grad=gradient, hess=hessian)
        margins = _after_round(booster, features, margins)
        if i == 0:
            _check_margins(booster, dtrain, margins, largest)
        if container.after_iteration(booster, i, dtrain, evals):
            break
    _check_margins(booster, dtrain, margins, largest)


def _after_round(booster: Any, features: Any, margins: Any) -> Any:
    """Raw predictions before the last round plus those of its trees."""
    last = booster.num_boosted_rounds()
    return booster.inplace_predict(
        features, iteration_range=(last - 1, last), predict_type="margin", base_margin=margins
    )


def _check_margins(booster: Any, dtrain: Any, margins: Any, largest: float) -> None:
    """Raise where the engine has others for the same rows, beyond the rounding of a sum that begins at `largest`."""
    expected, found = booster.predict(dtrain, output_margin=True, training=True), in_memory(margins)
    n_trees = booster.num_boosted_rounds() * int(_gradient_booster(booster)["gbtree_model_param"]["num_parallel_tree"])
    bound = 4 * n_trees * np.finfo(np.float32).eps * np.abs(expected).max(initial=largest)
    if (wrong := ~(np.abs(found - expected) <= bound)).any():
        index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise ValueError(
            f"X[{index[0]}] has the raw prediction {found[index]}, must have {expected[index]} as in dtrain: X "
            "must be the features that dtrain was made of, in the same order, with NaN for missing values."
        )


def _callbacks(given: Any, verbose_eval: Any, early_stopping_rounds: Any, maximize: Any) -> list[Any]:
    """What `xgboost.train` makes of its arguments."""
    import xgboost

    callbacks = list(given or ())
    if verbose_eval:
        callbacks.append(xgboost.callback.EvaluationMonitor(period=int(verbose_eval)))
    if early_stopping_rounds:
        callbacks.append(xgboost.callback.EarlyStopping(rounds=early_stopping_rounds, maximize=maximize))
    return callbacks


def _check_evals(evals: Evals, dtrain: Any) -> None:
    import xgboost

    for k, (data, name) in enumerate(evals):
        if not isinstance(data, xgboost.DMatrix):
            raise TypeError(f"evals[{k}][0] is of type {type(data).__name__}, must be a DMatrix.")
        if data is not dtrain and getattr(data, "ref", reference := weakref.ref(dtrain)) is not reference:
            raise ValueError(f"evals[{k}][0] ({name!r}) is a {type(data).__name__} without ref=dtrain, must have it.")


def _gradient_booster(booster: Any) -> Any:
    return json.loads(booster.save_config())["learner"]["gradient_booster"]


def _check_booster(booster: Any, params: dict[str, Any]) -> None:
    """Raise for trainings in which a round does more than to add trees."""
    config = _gradient_booster(booster)
    if config["name"] == "gblinear":
        raise ValueError(f"{ROUTE} with booster == 'gblinear', must be trees: a linear model has no rounds to predict.")
    dropout = config.get("dart_train_param", {})  # from 3.4 on of every tree booster
    rates = {name: float(dropout.get(name, 0)) for name in ("rate_drop", "one_drop")}
    if "dart" in (config["name"], params.get("booster")) or any(rates.values()):
        raise ValueError(f"{ROUTE} with booster == 'dart' or {rates}, must be without dropout: {OTHER_SUMS}.")
    if params.get("process_type", "default") != "default":
        raise ValueError(f"{ROUTE} with process_type == {params['process_type']!r}, must be 'default': {OTHER_SUMS}.")


def _features(X: Any, dtrain: Any, objective: Objective) -> Any:
    """`X` where gradients are computed."""
    if X is None:
        raise ValueError(f"X == None with {ROUTE}, must be the features dtrain was made of, which does not keep them.")
    expected = dtrain.num_row(), dtrain.num_col()
    if tuple(getattr(X, "shape", ())) != expected:
        raise ValueError(f"X.shape == {getattr(X, 'shape', None)}, must be {expected} as of dtrain.")
    if objective.device is None:
        if is_on_device(X):
            raise ValueError(f"X is on a CUDA device with {ROUTE}, must be in memory where device is the CPU.")
        return X
    if not is_on_device(X) and not isinstance(X, np.ndarray):
        kinds = "an array of the device or of NumPy, or a frame of cuDF"
        raise TypeError(f"X is of type {type(X).__name__} with {ROUTE} on a GPU, must be {kinds}.")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        advice = "pip install cupy-cuda13x, or cupy-cuda12x for CUDA 12"
        raise ImportError(f"{ROUTE} on a GPU needs CuPy, as XGBoost's predictions there do: {advice}.") from error
    return cupy.asarray(X) if isinstance(X, np.ndarray) else X
