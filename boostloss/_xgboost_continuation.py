"""A model of XGBoost as its estimators continue it: without rounds after the best one, and under the identity."""

import json
from typing import Any

import numpy as np

LOG_LINKS = "reg:gamma", "count:poisson", "reg:tweedie"


def booster_of(model: Any) -> Any:
    """Return the Booster of a Booster, an estimator or a file."""
    import xgboost

    model = model.get_booster() if hasattr(model, "get_booster") else model
    return model if isinstance(model, xgboost.Booster) else xgboost.Booster(model_file=model)


def model_to_continue(model: Any) -> Any:
    """Return the Booster without the rounds after its best one, or None.

    Else its `best_iteration` would go on to say which rounds predictions use, whatever is added.
    """
    booster = booster_of(model)
    if booster.attr("best_iteration") is None:
        return booster
    if json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] != "gblinear":
        return booster[: booster.best_iteration + 1]
    booster = booster.copy()  # it has no rounds: it is as it was after the last one
    booster.set_attr(best_iteration=None, best_score=None)
    return booster


def under_the_identity(booster: Any, has_log_link: bool, loss: Any) -> tuple[Any, float | None]:
    """Return a copy whose start an estimator understands, and that start; they are unchanged and None without link."""
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    if (objective in LOG_LINKS) != has_log_link:
        raise ValueError(f"xgb_model has the objective {objective!r}, which contradicts the link of loss == {loss!r}.")
    if not has_log_link:
        return booster, None
    start = float(np.log(float(learner["learner_model_param"]["base_score"].strip("[]"))))
    booster = booster.copy()
    booster.set_param({"objective": "reg:squarederror", "base_score": start})
    return booster, start
