"""How each engine's scikit-learn estimators are given a loss: all that `estimators` needs to know about an engine."""

import inspect

from scipy import sparse

from boostloss import lightgbm as lightgbm_api
from boostloss import xgboost as xgboost_api
from boostloss._engine import describe, refuse
from boostloss._xgboost_units import in_rows_of, row_count_of, set_back
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.objective import Objective

NO_START = "the loss has its own start; boostloss.{}.train takes yours"
NO_CLASS_WEIGHT = "give class_weight to the loss"
NO_CONTINUATION = "its link would be lost; boostloss.xgboost.train continues it"
NO_NUMBER_OF_CLASSES = "the labels decide it"


class XGBoost:
    """XGBClassifier and XGBRegressor."""

    package = "xgboost"
    prefix = "XGB"

    @staticmethod
    def check(estimator, loss, fit_params):
        """Raise for what contradicts the loss."""
        params = estimator.get_params()
        # The wrapper's own defaults name the link that the loss has as well
        links = ("binary:logistic", "multi:softprob") if isinstance(loss, ClassificationLoss) else ("reg:squarederror",)
        if params["objective"] in links:
            del params["objective"]
        refuse(params, xgboost_api.REFUSED, loss, "the loss decides it", "estimator.{}")
        refuse(params, ("num_class",), loss, NO_NUMBER_OF_CLASSES, "estimator.{}")
        refuse(fit_params, ("base_margin", "base_margin_eval_set"), loss, NO_START.format("xgboost"), "{}")
        xgboost_api._check_metrics(loss, params["eval_metric"], ("identity",), "estimator.eval_metric")
        refuse(params, ("num_target",), loss, "the loss decides it", "estimator.{}")
        if _has_log_link(loss):
            refuse(fit_params, ("xgb_model",), loss, NO_CONTINUATION, "{}")

    @staticmethod
    def take_eval_sets(fit_params):
        """The evaluation sets as a list of (X, y), removed from the arguments of fit."""
        return list(fit_params.pop("eval_set", None) or ())

    @staticmethod
    def fit(estimator, X, y, sample_weight, loss, eval_sets, fit_params):
        """Train with a resolved loss on checked data."""
        params = estimator.get_params()
        start = loss.fit_intercept_only(y, sample_weight)
        row_count = row_count_of(loss, params, y, sample_weight, start)
        in_rows = in_rows_of(params, row_count)
        n_rounds_before = xgboost_api._rounds_of(fit_params.get("xgb_model"))
        rate, device = xgboost_api._learning_rate(params), params["device"]
        objective = Objective(loss, rate, n_rounds_before, row_count, device=device)
        link = {name: value for name, value in xgboost_api._link(loss).items() if name != "objective"}
        estimator.set_params(objective=objective, **link, **in_rows)
        if fit_params.get("xgb_model") is None:
            # With a callable the wrapper trains a regressor under the identity
            base_score = float(start) if _has_log_link(loss) else xgboost_api._base_score(loss, start)
            estimator.set_params(base_score=base_score)
        if params.get("eval_metric") is None:
            estimator.set_params(eval_metric=loss.metric, disable_default_eval_metric=True)
        description = describe(loss)
        estimator.fit(X, y, sample_weight=sample_weight, eval_set=eval_sets or None, **fit_params)
        booster = estimator.get_booster()
        booster.set_attr(**{xgboost_api.ATTRIBUTE: description})
        estimator.set_params(**{name: params.get(name) for name in in_rows})
        set_back(booster, params, in_rows)
        if _has_log_link(loss):
            booster.set_param({**xgboost_api._link(loss), "base_score": xgboost_api._base_score(loss, start)})

    @staticmethod
    def margins(estimator, X):
        """Raw predictions, of the best iteration where training stopped early."""
        return estimator.predict(X, output_margin=True)


class LightGBM:
    """LGBMClassifier and LGBMRegressor."""

    package = "lightgbm"
    prefix = "LGBM"

    @staticmethod
    def check(estimator, loss, fit_params):
        """Raise for what contradicts the loss."""
        params = estimator.get_params()
        refuse(params, ("class_weight",), loss, NO_CLASS_WEIGHT, "estimator.{}")
        refuse(params, lightgbm_api.NUM_CLASS, loss, NO_NUMBER_OF_CLASSES, "estimator.{}")
        lightgbm_api._check_params(params, loss, "estimator.{}")
        refuse(fit_params, ("init_score", "eval_init_score"), loss, NO_START.format("lightgbm"), "{}")
        refuse(fit_params, ("eval_class_weight",), loss, NO_CLASS_WEIGHT, "{}")
        lightgbm_api._check_params({"metric": _named(fit_params.get("eval_metric"))}, loss, "eval_{}")

    @staticmethod
    def take_eval_sets(fit_params):
        """The evaluation sets as a list of (X, y), removed from the arguments of fit."""
        eval_set = fit_params.pop("eval_set", None)
        features, labels = fit_params.pop("eval_X", None), fit_params.pop("eval_y", None)
        if features is not None or labels is not None:
            if eval_set is not None or features is None or labels is None:
                raise ValueError("eval_X and eval_y must be given together, and without eval_set.")
            return list(zip(features, labels, strict=True)) if isinstance(features, tuple) else [(features, labels)]
        return [eval_set] if isinstance(eval_set, tuple) else list(eval_set or ())

    @staticmethod
    def fit(estimator, X, y, sample_weight, loss, eval_sets, fit_params):
        """Train with a resolved loss on checked data, and complete the model."""
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
        fit_params["callbacks"] = [*(fit_params.get("callbacks") or ()), lightgbm_api._KeepObjective()]
        fit_params.update(_eval_arguments(estimator, eval_sets))
        estimator.fit(_as_matrix(X), y, sample_weight=sample_weight, **fit_params)
        lightgbm_api._finish(estimator.booster_, lightgbm_api._link(loss), start, keep_training_booster=False)
        estimator.booster_.boostloss_ = loss

    @staticmethod
    def margins(estimator, X):
        """Raw predictions, of the best iteration where training stopped early."""
        return estimator.predict(_as_matrix(X), raw_score=True)


def _has_log_link(loss):
    return getattr(loss, "link", None) == "log"


def _as_matrix(X):
    """SciPy's sparse arrays as its older sparse matrices, the only ones LightGBM knows."""
    is_array = sparse.issparse(X) and not isinstance(X, sparse.spmatrix)
    return {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[X.format](X) if is_array else X


def _named(metrics):
    """The built-in ones among an `eval_metric`, which may be a name, a callable or a list of them."""
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return [name for name in metrics if isinstance(name, str)]


def _eval_arguments(estimator, eval_sets):
    """Evaluation sets as this version of LightGBM wants them: from 4.7 on, eval_set is deprecated."""
    if not eval_sets:
        return {}
    if "eval_X" not in inspect.signature(estimator.fit).parameters:
        return {"eval_set": eval_sets}
    features, labels = zip(*eval_sets, strict=True)
    return {"eval_X": features, "eval_y": labels}


ENGINES = XGBoost, LightGBM


def engine_of(estimator, kind):
    """The engine of an estimator of `kind`, "Classifier" or "Regressor", without importing one."""
    for base in type(estimator).__mro__:
        for engine in ENGINES:
            if base.__module__.partition(".")[0] == engine.package and base.__name__ == engine.prefix + kind:
                return engine
    allowed = " or ".join(f"an {engine.prefix}{kind}" for engine in ENGINES)
    raise TypeError(f"estimator == {estimator!r}, must be {allowed}, or None for an XGB{kind}.")


def default_estimator(kind):
    """XGBoost's estimator of `kind` with its default parameters."""
    try:
        import xgboost
    except ImportError as error:
        raise ImportError(f"estimator == None stands for xgboost.XGB{kind}(), but XGBoost is not installed: "
                          "pip install 'boostloss[xgboost]', or give an estimator.") from error
    return getattr(xgboost, f"XGB{kind}")()
