"""How each engine's scikit-learn estimators are given a loss: all that `estimators` needs to know about an engine."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any, TypeAlias

from boostloss import lightgbm as lightgbm_api
from boostloss import xgboost as xgboost_api
from boostloss._engine import describe, refuse
from boostloss._lightgbm_features import known_to_lightgbm
from boostloss._optional import imported
from boostloss._progress import Advance, lightgbm_callback, xgboost_callback
from boostloss._types import Array
from boostloss._xgboost_continuation import model_to_continue, under_the_identity
from boostloss._xgboost_units import in_rows_of, row_count_of, set_back
from boostloss.losses.base import Loss
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.objective import Objective

NO_START = "the loss has its own start; boostloss.{}.train takes yours"
NO_CLASS_WEIGHT = "give class_weight to the loss"
NO_NUMBER_OF_CLASSES = "the labels decide it"


class XGBoost:
    """XGBClassifier and XGBRegressor."""

    package, prefix = "xgboost", "XGB"
    model_before = "xgb_model"  # of fit: the model to continue

    @staticmethod
    def check(estimator: Any, loss: Loss, fit_params: dict[str, Any]) -> None:
        """Raise for what contradicts the loss."""
        params = estimator.get_params()
        # The wrapper's own defaults name the link that the loss has as well
        links = ("binary:logistic", "multi:softprob") if isinstance(loss, ClassificationLoss) else ("reg:squarederror",)
        if params["objective"] in links:
            del params["objective"]
        refuse(params, xgboost_api.REFUSED, loss, "the loss decides it", "estimator.{}")
        refuse(params, ("num_class",), loss, NO_NUMBER_OF_CLASSES, "estimator.{}")
        refuse(fit_params, ("base_margin", "base_margin_eval_set"), loss, NO_START.format("xgboost"), "{}")
        xgboost_api._warn_of_dart(params, params["early_stopping_rounds"])
        xgboost_api._check_metrics(loss, params["eval_metric"], ("identity",), "estimator.eval_metric")
        refuse(params, ("num_target",), loss, "the loss decides it", "estimator.{}")

    @staticmethod
    def n_rounds(estimator: Any) -> int:
        """Number of rounds of a training."""
        return int(estimator.get_num_boosting_rounds())

    @staticmethod
    def fit(
        estimator: Any, X: Any, y: Array, sample_weight: Array | None, loss: Loss, eval_sets: list[tuple[Any, Array]],
        fit_params: dict[str, Any], advance: Advance | None = None
    ) -> None:
        """Train with a resolved loss on checked data; `advance` is called after every round, with values of metrics."""
        params = estimator.get_params()
        model = fit_params.pop("xgb_model", None)
        model = None if model is None else model_to_continue(model)
        start: Any = loss.fit_intercept_only(y, sample_weight)
        row_count = row_count_of(loss, params, y, sample_weight, start)
        in_rows = in_rows_of(params, row_count)
        n_rounds_before = xgboost_api._rounds_of(model)
        rate, device = xgboost_api._learning_rate(params), params["device"]
        objective = Objective(loss, rate, n_rounds_before, row_count, device=device)
        link = {name: value for name, value in xgboost_api._link(loss).items() if name != "objective"}
        estimator.set_params(objective=objective, **link, **in_rows)
        if model is None:
            # With a callable the wrapper trains a regressor under the identity
            base_score = float(start) if _has_log_link(loss) else xgboost_api._base_score(loss, start)
            estimator.set_params(base_score=base_score)
        else:
            model, start = under_the_identity(model, _has_log_link(loss), loss)
        if params.get("eval_metric") is None:
            estimator.set_params(eval_metric=loss.metric, disable_default_eval_metric=True)
        if advance is not None:
            estimator.set_params(callbacks=[*(params["callbacks"] or ()), xgboost_callback(advance)])
            fit_params.setdefault("verbose", False)
        description = describe(loss)
        estimator.fit(X, y, sample_weight=sample_weight, eval_set=eval_sets or None, xgb_model=model, **fit_params)
        estimator.set_params(callbacks=params["callbacks"])
        booster = estimator.get_booster()
        booster.set_attr(**{xgboost_api.ATTRIBUTE: description})
        estimator.set_params(**{name: params.get(name) for name in in_rows})
        set_back(booster, params, in_rows)
        if _has_log_link(loss):
            booster.set_param({**xgboost_api._link(loss), "base_score": xgboost_api._base_score(loss, start)})

    @staticmethod
    def margins(estimator: Any, X: Any) -> Array:
        """Raw predictions, of the best iteration where training stopped early."""
        margins: Array = estimator.predict(X, output_margin=True)
        return margins

    @staticmethod
    def staged_margins(estimator: Any, X: Any) -> Iterator[Array]:
        """Raw predictions after every round that `margins` uses, each the one before plus the trees of a round."""
        params = estimator.get_xgb_params()
        if params.get("booster") == "gblinear":
            raise ValueError("booster == 'gblinear' has one model, not one per round: there are no staged predictions.")
        # dart takes no base_margin: the sum of all trees then, n^2 of them in n rounds
        one_by_one, margins = params.get("booster") != "dart", None
        for i in range(XGBoost.best_iteration(estimator) or estimator.get_booster().num_boosted_rounds()):
            rounds = (i if one_by_one else 0), i + 1
            margins = estimator.predict(X, output_margin=True, base_margin=margins, iteration_range=rounds)
            yield margins
            margins = margins if one_by_one else None

    @staticmethod
    def best_iteration(estimator: Any) -> int | None:
        """Number of rounds of the best iteration; None where training could not stop early."""
        return getattr(estimator, "best_iteration", -1) + 1 or None

    @staticmethod
    def evals_result(estimator: Any) -> dict[str, dict[str, list[float]]] | None:
        """Values of metrics by evaluation set and metric; None without an evaluation set."""
        return getattr(estimator, "evals_result_", None)

    @staticmethod
    def feature_importances(estimator: Any) -> Array:
        """One number per feature."""
        importances: Array = estimator.feature_importances_
        return importances


class LightGBM:
    """LGBMClassifier and LGBMRegressor."""

    package, prefix = "lightgbm", "LGBM"
    model_before = "init_model"

    @staticmethod
    def check(estimator: Any, loss: Loss, fit_params: dict[str, Any]) -> None:
        """Raise for what contradicts the loss."""
        params = estimator.get_params()
        refuse(params, ("class_weight",), loss, NO_CLASS_WEIGHT, "estimator.{}")
        refuse(params, lightgbm_api.NUM_CLASS, loss, NO_NUMBER_OF_CLASSES, "estimator.{}")
        lightgbm_api._check_params(params, loss, "estimator.{}")
        refuse(fit_params, ("init_score", "eval_init_score"), loss, NO_START.format("lightgbm"), "{}")
        refuse(fit_params, ("eval_class_weight",), loss, NO_CLASS_WEIGHT, "{}")
        lightgbm_api._check_params({"metric": _named(fit_params.get("eval_metric"))}, loss, "eval_{}")

    @staticmethod
    def n_rounds(estimator: Any) -> int:
        """Number of rounds of a training."""
        return int(lightgbm_api._given(estimator.get_params(), lightgbm_api.N_ROUNDS))

    @staticmethod
    def fit(
        estimator: Any, X: Any, y: Array, sample_weight: Array | None, loss: Loss, eval_sets: list[tuple[Any, Array]],
        fit_params: dict[str, Any], advance: Advance | None = None
    ) -> None:
        """Train with a resolved loss on checked data, and complete the model; `advance` as of XGBoost."""
        lightgbm_api._check_outputs(loss)
        params = estimator.get_params()
        rate = lightgbm_api._learning_rate(params)
        # A classifier counts its classes itself
        outputs = {} if isinstance(loss, ClassificationLoss) else lightgbm_api._outputs(loss)
        n_rounds_before = lightgbm_api._rounds_of(fit_params.get("init_model"))
        estimator.set_params(objective=Objective(loss, rate, n_rounds_before), **outputs)
        if lightgbm_api._given(params, lightgbm_api.METRIC) is None:
            estimator.set_params(metric="None")  # else the wrapper adds a built-in metric, of raw scores
            if fit_params.get("eval_metric") is None:
                fit_params["eval_metric"] = loss.metric
        start = None if fit_params.get("init_model") is not None else loss.fit_intercept_only(y, sample_weight)
        if start is not None:
            lightgbm_api._check_unit(loss, y, sample_weight, start)
            fit_params["init_score"] = lightgbm_api._init_score(start, len(y))
            fit_params["eval_init_score"] = [lightgbm_api._init_score(start, len(labels)) for _, labels in eval_sets]
        bar = [] if advance is None else [lightgbm_callback(advance)]
        fit_params["callbacks"] = [*bar, *(fit_params.get("callbacks") or ()), lightgbm_api._KeepObjective()]
        eval_sets = [(known_to_lightgbm(features), labels) for features, labels in eval_sets]
        fit_params.update(_eval_arguments(estimator, eval_sets))
        estimator.fit(known_to_lightgbm(X), y, sample_weight=sample_weight, **fit_params)
        lightgbm_api._finish(estimator.booster_, lightgbm_api._link(loss), start, keep_training_booster=False)
        estimator.booster_.boostloss_ = loss

    @staticmethod
    def margins(estimator: Any, X: Any) -> Array:
        """Raw predictions, of the best iteration where training stopped early."""
        return _raw_scores(estimator, known_to_lightgbm(X))

    @staticmethod
    def staged_margins(estimator: Any, X: Any) -> Iterator[Array]:
        """Raw predictions after every round that `margins` uses, each the one before plus the trees of a round."""
        X = known_to_lightgbm(X)
        margins: Any = 0.0
        for i in range(LightGBM.best_iteration(estimator) or estimator.booster_.current_iteration()):
            margins = margins + _raw_scores(estimator, X, start_iteration=i, num_iteration=1)
            yield margins

    @staticmethod
    def best_iteration(estimator: Any) -> int | None:
        """Number of rounds of the best iteration; None where training could not stop early."""
        return max(estimator.best_iteration_, 0) or None

    @staticmethod
    def evals_result(estimator: Any) -> dict[str, dict[str, list[float]]] | None:
        """Values of metrics by evaluation set and metric; None without an evaluation set."""
        return estimator.evals_result_ or None

    @staticmethod
    def feature_importances(estimator: Any) -> Array:
        """One number per feature."""
        importances: Array = estimator.feature_importances_
        return importances


def _has_log_link(loss: Loss) -> bool:
    return getattr(loss, "link", None) == "log"


def _named(metrics: Any) -> list[str]:
    """The built-in ones among an `eval_metric`, which may be a name, a callable or a list of them."""
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return [name for name in metrics if isinstance(name, str)]


def _raw_scores(estimator: Any, X: Any, **rounds: Any) -> Array:
    """Raw predictions of an estimator of LightGBM for features that are checked."""
    with warnings.catch_warnings():
        # 4.6 gives columns without names some of its own, and warns at every prediction that these are missing
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        margins: Array = estimator.predict(X, raw_score=True, **rounds)
    return margins


def _eval_arguments(estimator: Any, eval_sets: list[tuple[Any, Array]]) -> dict[str, Any]:
    """Evaluation sets as this version of LightGBM wants them: from 4.7 on, eval_set is deprecated."""
    if not eval_sets:
        return {}
    if "eval_X" not in inspect.signature(estimator.fit).parameters:
        return {"eval_set": eval_sets}
    features, labels = zip(*eval_sets, strict=True)
    return {"eval_X": features, "eval_y": labels}


Engine: TypeAlias = type[XGBoost] | type[LightGBM]
ENGINES = XGBoost, LightGBM


def engine_of(estimator: Any, kind: str) -> Engine:
    """The engine of an estimator of `kind`, "Classifier" or "Regressor", without importing one."""
    for base in type(estimator).__mro__:
        for engine in ENGINES:
            if base.__module__.partition(".")[0] == engine.package and base.__name__ == engine.prefix + kind:
                return engine
    allowed = " or ".join(f"an {engine.prefix}{kind}" for engine in ENGINES)
    raise TypeError(f"estimator == {estimator!r}, must be {allowed}, or None for an XGB{kind}.")


def default_estimator(kind: str) -> Any:
    """XGBoost's estimator of `kind` with its default parameters."""
    xgboost = imported("xgboost", "xgboost", f"estimator == None stands for xgboost.XGB{kind}()")
    return getattr(xgboost, f"XGB{kind}")()
