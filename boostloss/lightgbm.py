"""LightGBM: training with a loss that has its right start, link, metric and saved model."""

import contextlib
import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from boostloss import _lightgbm_text
from boostloss._engine import refuse, resolved_loss, warn_of_empty_classes, warn_of_unit
from boostloss._lightgbm_device import check_data_sets, check_device
from boostloss._lightgbm_renewal import LeafRenewal
from boostloss._types import Array
from boostloss.losses import ClassificationLoss, Loss, MultiLabel
from boostloss.objective import Objective

OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")
METRIC = ("metric", "metrics", "metric_types")
NUM_CLASS = ("num_class", "num_classes")
LEARNING_RATE = ("learning_rate", "shrinkage_rate", "eta")
BOOSTING = ("boosting", "boosting_type", "boost")
N_ROUNDS = ("num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds",
            "num_boost_round", "max_iter", "n_estimators")
REFUSED = (
    *OBJECTIVE,
    *("scale_pos_weight", "is_unbalance", "unbalance", "unbalanced_sets", "boost_from_average", "sigmoid"),
    *("alpha", "fair_c", "poisson_max_delta_step", "tweedie_variance_power", "reg_sqrt"),
)
AGAINST_RENEWAL = {
    **dict.fromkeys(("linear_tree", "linear_trees"), "a linear leaf is not one value"),
    **dict.fromkeys(("monotone_constraints", "mc", "monotone_constraint", "monotonic_cst"), "renewal would break them"),
    **dict.fromkeys(("max_delta_step", "max_tree_output", "max_leaf_output"), "renewal would exceed it"),
}
TREE_LEARNER = ("tree_learner", "tree", "tree_type", "tree_learner_type")
NO_METRIC = {"none", "null", "custom", "na", ""}
# What needs no link: the others would take raw scores for probabilities
METRICS_OF_RANKS = {"auc", "average_precision", "auc_mu", "multi_error", *NO_METRIC}


def _given(params: dict[str, Any], names: Iterable[str], default: Any = None) -> Any:
    """The value of a parameter under any of its names."""
    return next((params[name] for name in names if params.get(name) is not None), default)


def _learning_rate(params: dict[str, Any]) -> float:
    return float(_given(params, LEARNING_RATE, 0.1))


def _rounds_of(model: Any) -> int:
    """Number of rounds of a model to continue: a Booster, an estimator or a file."""
    import lightgbm

    if model is None:
        return 0
    model = getattr(model, "booster_", model)
    model = model if isinstance(model, lightgbm.Booster) else lightgbm.Booster(model_file=model)
    return int(model.current_iteration())


def _metric_names(params: dict[str, Any]) -> Iterable[Any]:
    metrics = _given(params, METRIC, ())
    return metrics.split(",") if isinstance(metrics, str) else metrics


def _check_outputs(loss: Loss) -> None:
    if isinstance(loss, MultiLabel):
        raise ValueError(f"loss == {loss!r}, must be a loss of one label: LightGBM has no model of several. "
                         "Use scikit-learn's MultiOutputClassifier, or XGBoost.")


def _check_params(params: dict[str, Any], loss: Loss, where: str = "params[{!r}]") -> None:
    refuse(params, REFUSED, loss, "the loss decides it", where)
    check_device(params, where)
    forests = {name: params[name] for name in BOOSTING if params.get(name) in ("rf", "random_forest")}
    refuse(forests, BOOSTING, loss, "LightGBM's random forest takes no custom objective", where)
    if _given(params, BOOSTING) == "dart":
        warnings.warn("LightGBM's dart is not reproducible with a custom objective.", stacklevel=3)
    for name in _metric_names(params):
        if not _takes_metric(loss, str(name).strip().lower()):
            raise ValueError(f"{where.format('metric')} == {name!r} contradicts loss == {loss!r}: LightGBM would "
                             "evaluate it on raw scores. Leave it out for the loss's own metric, or give a callable.")


def _takes_metric(loss: Any, name: str) -> bool:
    """Whether raw scores suffice for a built-in metric."""
    if isinstance(loss, ClassificationLoss):
        return name in METRICS_OF_RANKS
    return name in NO_METRIC or (loss.link == "identity" and loss.n_outputs == 1)


def _check_renewal(params: dict[str, Any], loss: Any, keep_training_booster: bool) -> None:
    """Raise for what leaf renewal cannot do."""
    if getattr(loss, "leaf_quantile", None) is None:
        raise ValueError(f"renew_leaves == True contradicts loss == {loss!r}: its best leaf is no single "
                         "quantile of residuals, as that of AbsoluteError and of Quantile with one level is.")
    against = {name: reason for name, reason in AGAINST_RENEWAL.items() if np.any(params.get(name))}
    if _given(params, BOOSTING) == "dart":
        against |= dict.fromkeys(BOOSTING, "dart changes earlier trees")
    if _given(params, TREE_LEARNER, "serial") != "serial":
        against |= dict.fromkeys(TREE_LEARNER, "no machine has all rows of a leaf")
    if any(str(name).strip().lower() not in NO_METRIC for name in _metric_names(params)):
        against |= dict.fromkeys(METRIC, "LightGBM would evaluate it on the trees as they were. Give a callable")
    for name, reason in against.items():
        if params.get(name) is not None:
            raise ValueError(f"params[{name!r}] == {params[name]!r} contradicts renew_leaves == True: {reason}.")
    if keep_training_booster:
        raise ValueError("keep_training_booster == True contradicts renew_leaves == True: a booster in training keeps "
                         "the scores of the trees as they were.")


def _link(loss: Any) -> str:
    """The objective line of the model's text."""
    if not isinstance(loss, ClassificationLoss):
        return "poisson" if loss.link == "log" else "regression"
    return "binary sigmoid:1" if loss.n_classes_ == 2 else f"multiclass num_class:{loss.n_classes_}"


def _check_unit(loss: Any, label: Any, weight: Any, start: Any) -> None:
    """Warn of targets whose unit float32 gradients do not bear."""
    if not isinstance(loss, ClassificationLoss):
        warn_of_unit(loss, label, weight, start)


def _outputs(loss: Any) -> dict[str, int]:
    """What tells LightGBM of several outputs."""
    if isinstance(loss, ClassificationLoss):
        return {"num_class": loss.n_classes_} if loss.n_classes_ > 2 else {}
    return {"num_class": loss.n_outputs} if loss.n_outputs > 1 else {}


def _init_score(start: Any, n_rows: int) -> Array:
    """The start in every row: (n,), or (n, K) for K outputs."""
    return np.tile(start, (n_rows, 1)) if np.ndim(start) else np.full(n_rows, start)


@contextlib.contextmanager
def _started(data_sets: list[Any], start: Any) -> Iterator[None]:
    """Data sets with the start as init_score; as they were afterwards, whatever happens."""
    given: list[Any] = []
    try:
        for data in data_sets:
            data.set_init_score(_init_score(start, data.num_data()))
            given.append(data)
        yield
    finally:
        for data in given:
            data.set_field("init_score", None)
            data.init_score = None


def train(
    params: dict[str, Any],
    train_set: Any,
    num_boost_round: int = 100,
    valid_sets: Any = None,
    valid_names: Any = None,
    feval: Any = None,
    init_model: Any = None,
    keep_training_booster: bool = False,
    callbacks: Any = None,
    *,
    loss: Loss,
    renew_leaves: bool = False,
) -> Any:
    """Train with a loss: ``lightgbm.train`` with the loss's start, link, metric and saved model.

    Parameters
    ----------
    params : dict
        As for ``lightgbm.train``, without what the loss decides (objective, is_unbalance, boost_from_average, ...).
    train_set : lightgbm.Dataset
        Labels and weights come from it; K classes are 0 .. K-1, with a warning where one of them has no rows and
        ``num_class`` was not given. An ``init_score`` of yours is used as the start, with a warning.
    num_boost_round, valid_sets, valid_names
        As for ``lightgbm.train``.
    feval : callable or list of them, optional
        In place of the loss's own metric. They see raw scores.
    init_model : optional
        Continue this model, with its start.
    keep_training_booster : bool, default=False
        As for ``lightgbm.train``.
    callbacks : list of callables, optional
        As for ``lightgbm.train``.
    loss : Loss
    renew_leaves : bool, default=False
        Whether every leaf of a new tree becomes the quantile of its rows' residuals, times the learning rate, as under
        LightGBM's own objectives "quantile" and "l1": the level of `Quantile`, the median for `AbsoluteError`. Gradient
        and curvature then decide the splits alone, and lambda_l1, lambda_l2 and path_smooth no longer shrink leaves.
        Weighted, with the middle where a quantile is an interval (numpy's "averaged_inverted_cdf"); all rows of a leaf
        count, also those that bagging or GOSS left out; leaves with the same output before are renewed as one. Metrics,
        callables of yours among them, early stopping and the model are those of the renewed trees.

        Seldom worth it. Held-out pinball loss relative to False (whose steps did not shorten then), on six data sets of
        1,600 to 10,000 rows, half of them for training, levels .1, .5 and .9, learning rates .3, .1 and .05: geometric
        mean 1.02 with early stopping (single cases .94 to 1.27), 1.04 after 100 and 200 rounds (.91 to 1.32), for 1.6
        to 1.9 times the training time. LightGBM's own objective has 1.06 and 1.02.

    Returns
    -------
    lightgbm.Booster
        ``predict`` adds the start and applies the link, also after loading its file where boostloss is not installed.

    Raises
    ------
    ValueError
        If a parameter contradicts the loss, labels or weights are outside its domain, or ``device_type`` is "cuda"
        where LightGBM would end the process: without a GPU, or with a data set constructed without it.
    """
    import lightgbm

    params = copy.deepcopy(params)
    _check_outputs(loss)
    _check_params(params, loss)
    if keep_training_booster and params.get("linear_tree"):
        raise ValueError("keep_training_booster == True with params['linear_tree'] == True, must be False: the start "
                         "cannot be added to the leaves of a booster in training.")
    if _given(params, METRIC) is None:
        params["metric"] = "None"
    if renew_leaves:
        _check_renewal(params, loss, keep_training_booster)
    data_sets = _constructed(params, train_set, valid_sets, init_model)
    label, weight = _label_and_weight(train_set)
    n_classes = int(_given(params, NUM_CLASS, 0))
    resolved = resolved_loss(loss, label, weight, n_classes if n_classes > 1 else None)
    for name in NUM_CLASS:
        params.pop(name, None)
    params.update(_outputs(resolved))
    start = resolved.fit_intercept_only(label, weight)
    _check_unit(resolved, label, weight, start)
    if n_classes <= 1 and init_model is None:
        warn_of_empty_classes(resolved, label)
    own_start = init_model is not None
    if not own_start and train_set.get_init_score() is not None:
        warnings.warn("train_set has an init_score: it is the start, and it is not in the saved model.", stacklevel=2)
        own_start = True
    if not own_start and any(data.get_init_score() is not None for data in data_sets):
        raise ValueError("valid_sets have an init_score and train_set has none, must be given for all of them or none.")
    metrics: list[Any] = feval if isinstance(feval, list) else [resolved.metric if feval is None else feval]
    hooks: list[Any] = [_KeepObjective()]
    level = getattr(resolved, "leaf_quantile", None)
    if renew_leaves and level is not None:
        renewal = LeafRenewal(level, _learning_rate)
        metrics, hooks = [renewal.metric(), *metrics], [*hooks, *renewal.callbacks()]
    with _started([] if own_start else data_sets, start):
        booster: Any = lightgbm.train(
            {**params, "objective": Objective(resolved, _learning_rate(params), _rounds_of(init_model))},
            train_set,
            num_boost_round,
            valid_sets=valid_sets,
            valid_names=valid_names,
            feval=metrics,
            init_model=init_model,
            keep_training_booster=True,
            callbacks=[*(callbacks or ()), *hooks],
        )
    _finish(booster, _link(resolved), None if own_start else start, keep_training_booster)
    booster.boostloss_ = resolved
    return booster


class _KeepObjective:
    """Callback that keeps LightGBM from setting the objective, which is "none" already, once more.

    Where no feature can be split, as in a small or a constant data set, that aborts the training.
    """

    before_iteration = True

    def __call__(self, env: Any) -> None:
        env.model._Booster__set_objective_to_none = True


def _label_and_weight(data: Any) -> tuple[Any, Any]:
    """Those of a data set, which may still have to be constructed where a training is continued."""
    if getattr(data, "_handle", None) is None:
        return data.label, data.weight
    return data.get_label(), data.get_weight()


def _constructed(params: dict[str, Any], train_set: Any, valid_sets: Any, init_model: Any) -> list[Any]:
    """All data sets, made with the parameters of the training as ``lightgbm.train`` would; the start needs their size.

    A training continued from a model constructs them itself, with that model's predictions.
    """
    valid_sets = [] if valid_sets is None else valid_sets if isinstance(valid_sets, (list, tuple)) else [valid_sets]
    own = {k: v for k, v in params.items() if k not in OBJECTIVE}
    check_data_sets(params, [train_set, *valid_sets])
    if init_model is None:
        train_set._update_params({**own, "objective": "none"}).construct()
    others = [data for data in valid_sets if data is not train_set]
    for data in others if init_model is None else ():
        data._update_params({**own, "objective": "none"}).set_reference(train_set).construct()
    return [train_set, *others]


def _finish(booster: Any, link: str, start: Any, keep_training_booster: bool) -> None:
    """Put start and link into the model, so that its predictions and its file are complete."""
    if keep_training_booster:
        if start is not None:
            _add_start(booster, np.atleast_1d(start))
        if booster.num_model_per_iteration() > 1 and link == "regression":
            return  # several quantiles, which LightGBM has no objective for: raw scores are predictions
        name, *settings = link.split()
        booster.reset_parameter({"objective": name, **dict(setting.split(":") for setting in settings)})
        return
    text = _lightgbm_text.with_link(booster.model_to_string(), link)
    if start is not None:
        text = _lightgbm_text.with_start(text, np.atleast_1d(start))
    booster.model_from_string(text).free_dataset()


def _add_start(booster: Any, start: Array) -> None:
    """Add `start[k]` to every leaf of the first tree of output k, in a booster that goes on training."""
    first_trees = booster.dump_model(num_iteration=1)["tree_info"]
    for k, value in enumerate(start):
        for leaf in range(first_trees[k]["num_leaves"]):
            booster.set_leaf_output(k, leaf, booster.get_leaf_output(k, leaf) + value)


def predict_proba(booster: Any, data: Any, loss: Loss | None = None, **arguments: Any) -> Array:
    """Posterior class probabilities of a booster trained with a loss.

    Parameters
    ----------
    booster : lightgbm.Booster
    data : what ``Booster.predict`` takes
    loss : Loss, optional
        By default the one the booster was trained with, if it comes from `train` or from a pickle of such a booster;
        LightGBM's text files have no room for it.
    **arguments
        Passed to ``Booster.predict``, for instance ``num_iteration``.

    Returns
    -------
    ndarray of shape (n, K)
        Float64; rows sum to one.
    """
    trained_with: Any = getattr(booster, "boostloss_", None) if loss is None else loss
    if trained_with is None:
        raise ValueError("loss == None and the booster has none, must be the loss it was trained with.")
    probabilities: Array = trained_with.predict_proba(booster.predict(data, raw_score=True, **arguments))
    return probabilities
