"""How a training of the estimators is watched, stopped and continued, and what is known of it afterwards."""

import pickle
import subprocess
import sys

import lightgbm
import numpy as np
import pytest
import xgboost
from problems import (
    CLASSIFIERS,
    LABELS,
    REGRESSORS,
    binary_problem,
    lgbm_classifier,
    lgbm_regressor,
    multiclass_problem,
    regression_problem,
    xgb_classifier,
    xgb_regressor,
)
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import boostloss as bl

# ------------------------------------------------------------------------------------------- evaluation, early stopping


def early_stopping(make, **params):
    """An estimator that stops early, and the arguments of fit that this takes."""
    if make in (xgb_classifier, xgb_regressor):
        return make(n_estimators=300, learning_rate=0.5, early_stopping_rounds=5, **params), {"verbose": False}
    callbacks = [lightgbm.early_stopping(5, verbose=False)]
    return make(n_estimators=300, learning_rate=0.5, **params), {"callbacks": callbacks}


def history(estimator):
    """Metric values of the first evaluation set, by name."""
    results = estimator.evals_result() if hasattr(estimator, "evals_result") else estimator.evals_result_
    return next(iter(results.values()))


CASES_OF_EARLY_STOPPING = [
    *((make, bl.LossClassifier, bl.Focal(class_weight="balanced"), binary_problem) for make in CLASSIFIERS),
    *((make, bl.LossClassifier, bl.CrossEntropy(), multiclass_problem) for make in CLASSIFIERS),
    *((make, bl.LossRegressor, bl.Quantile(quantile=0.8), regression_problem) for make in REGRESSORS),
]


@pytest.mark.parametrize(("make", "kind", "loss", "problem"), CASES_OF_EARLY_STOPPING)
def test_early_stopping_watches_the_loss(make, kind, loss, problem):
    """The loss is the only metric; training stops on it; predictions are those of its best iteration."""
    X, y, _ = problem()
    X_val, y_val, weight_val = problem(300, seed=9)
    labels = np.array(["a", "b", "c"]) if kind is bl.LossClassifier else None
    encode = (lambda y: labels[y]) if kind is bl.LossClassifier else (lambda y: y)
    estimator, arguments = early_stopping(make)
    weight_name = "sample_weight_eval_set" if "xgb" in make.__name__ else "eval_sample_weight"
    arguments[weight_name] = [weight_val]
    model = kind(estimator, loss).fit(X, encode(y), eval_set=[(X_val, encode(y_val))], **arguments)
    [(name, values)] = history(model.estimator_).items()
    assert name == loss.metric_name
    assert len(values) < 300
    assert np.argmin(values) == len(values) - 6
    at_best = model.loss_.metric(y_val, model._raw_predictions(X_val), weight_val)
    assert float(at_best) == pytest.approx(min(values), rel=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_metric_of_the_user_takes_the_place_of_the_losss(make):
    """eval_metric, where an engine wants it, is the only metric then."""
    X, y, _ = binary_problem()
    xgb = make is xgb_classifier
    classifier = bl.LossClassifier(make(eval_metric="auc") if xgb else make(), bl.Focal())
    arguments = {"verbose": False} if xgb else {"eval_metric": "auc"}
    classifier.fit(X, y, eval_set=[(X, y)], **arguments)
    assert list(history(classifier.estimator_)) == ["auc"]


@pytest.mark.parametrize("make", REGRESSORS)
def test_the_training_set_as_evaluation_set_keeps_its_weights(make):
    """The very arrays given as X and y are recognised, so that the engine evaluates its own training set."""
    X, y, weight = regression_problem()
    arguments = {"verbose": False, "sample_weight_eval_set": [weight]} if make is xgb_regressor else {}
    model = bl.LossRegressor(make(), bl.Huber(delta=1e4))
    model.fit(X, y, sample_weight=weight, eval_set=[(X, y)], **arguments)
    [values] = history(model.estimator_).values()
    assert values[-1] == pytest.approx(float(model.loss_.metric(y, model.predict(X), weight)), rel=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_evaluation_sets_in_two_parts(make):
    """eval_X and eval_y are encoded like eval_set, one of them or several."""
    X, y, _ = binary_problem()
    arguments = {"verbose": False} if make is xgb_classifier else {}
    others = [(features, LABELS[labels]) for features, labels, _ in (binary_problem(300, seed=9), binary_problem(200))]
    for sets in (others, others[:1]):
        both = bl.LossClassifier(make()).fit(X, LABELS[y], eval_set=sets, **arguments)
        features, labels = zip(*sets, strict=True) if len(sets) > 1 else sets[0]
        classifier = bl.LossClassifier(make()).fit(X, LABELS[y], eval_X=features, eval_y=labels, **arguments)
        assert classifier.evals_result_ == both.evals_result_
        assert len(classifier.evals_result_) == len(sets)
    with pytest.raises(ValueError, match="eval_X and eval_y must be given together"):
        classifier.fit(X, y, eval_X=X)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_early_stopping_on_a_metric_by_its_name(make):
    """The built-in area under the curve, which has the best value where training ends."""
    X, y, _ = binary_problem()
    X_val, y_val, _ = binary_problem(300, seed=9)
    xgb = make is xgb_classifier
    estimator, arguments = early_stopping(make, **({"eval_metric": "auc"} if xgb else {}))
    arguments |= {} if xgb else {"eval_metric": "auc"}
    classifier = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, eval_set=(X_val, y_val), **arguments)
    [values] = next(iter(classifier.evals_result_.values())).values()
    assert classifier.best_iteration_ == np.argmax(values) + 1 < len(values) < 300
    assert roc_auc_score(y_val, classifier.decision_function(X_val)) == pytest.approx(max(values), abs=1e-6)


@pytest.mark.parametrize("make", REGRESSORS)
def test_what_is_known_of_a_training(make):
    """Values by set and metric, the best round; one evaluation set as it is or in a list."""
    X, y, _ = regression_problem()
    validation = regression_problem(300, seed=9)[:2]
    estimator, arguments = early_stopping(make)
    one, listed = (bl.LossRegressor(estimator).fit(X, y, eval_set=sets, **arguments)
                   for sets in (validation, [validation]))  # fmt: skip
    assert one.evals_result_ == listed.evals_result_
    [values] = next(iter(one.evals_result_.values())).values()
    assert one.best_iteration_ == np.argmin(values) + 1 == len(values) - 5
    stored = pickle.loads(pickle.dumps(one))
    assert (stored.evals_result_, stored.best_iteration_) == (one.evals_result_, one.best_iteration_)


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
def test_what_is_not_known_is_not_there(make):
    """Before fit nothing; without an evaluation set no values, without early stopping no best round."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    X, y, _ = binary_problem() if kind is bl.LossClassifier else regression_problem()
    model = kind(make())
    for name in ("evals_result_", "best_iteration_", "feature_importances_"):
        with pytest.raises(AttributeError, match=f"{kind.__name__} has no {name} before it is fitted"):
            getattr(model, name)
    model.fit(X, y)
    with pytest.raises(AttributeError, match="evals_result_ is there only where fit was given an eval_set"):
        model.evals_result_
    with pytest.raises(AttributeError, match="best_iteration_ is there only where training may stop early"):
        model.best_iteration_
    np.testing.assert_array_equal(model.feature_importances_, model.estimator_.feature_importances_)
    assert model.feature_importances_.shape == (4,)
    assert model.feature_importances_[0] == max(model.feature_importances_)


# --------------------------------------------------------------------------------------------------- staged predictions


LOSSES_OF_REGRESSION = [bl.Huber(), bl.Quantile(quantile=[0.1, 0.5, 0.9]), bl.MSLE(), bl.Poisson()]


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("problem", [binary_problem, multiclass_problem])
def test_stages_of_classifiers(make, problem):
    """After n rounds what a model of n rounds says; the last is what the others say."""
    X, y, weight = problem(300)
    labels = np.array(["a", "b", "c"])[y]
    whole = bl.LossClassifier(make(n_estimators=6), bl.Focal()).fit(X, labels, sample_weight=weight)
    short = bl.LossClassifier(make(n_estimators=4), bl.Focal()).fit(X, labels, sample_weight=weight)
    for method in ("decision_function", "predict_proba", "predict"):
        stages = list(getattr(whole, f"staged_{method}")(X))
        assert len(stages) == 6
        np.testing.assert_array_equal(stages[-1], getattr(whole, method)(X))
        np.testing.assert_array_equal(stages[3], getattr(short, method)(X))
    for stage in whole.staged_decision_function(X):
        last = stage.copy()
        stage[:] = 0  # whoever gets a stage may do with it what they like
    np.testing.assert_array_equal(last, whole.decision_function(X))


@pytest.mark.parametrize("make", REGRESSORS)
@pytest.mark.parametrize("loss", LOSSES_OF_REGRESSION, ids=repr)
def test_stages_of_regressors(make, loss):
    """On the scale of y, far from zero as well."""
    X, y, _ = regression_problem(300)
    y = np.exp(y / 1e5 - 10) if loss.link != "identity" else y
    whole, short = (bl.LossRegressor(make(n_estimators=n), loss).fit(X, y) for n in (6, 4))
    stages = []
    for stage in whole.staged_predict(X):
        stages.append(stage.copy())
        stage[:] = 0  # whoever gets a stage may do with it what they like
    assert len(stages) == 6
    np.testing.assert_array_equal(stages[-1], whole.predict(X))
    np.testing.assert_array_equal(stages[3], short.predict(X))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_stages_end_where_predictions_do(make):
    """At the best round of a training that stopped early."""
    X, y, _ = binary_problem()
    estimator, arguments = early_stopping(make)
    classifier = bl.LossClassifier(estimator).fit(X, y, eval_set=binary_problem(300, seed=9)[:2], **arguments)
    stages = list(classifier.staged_decision_function(X))
    assert len(stages) == classifier.best_iteration_ < len(history(classifier.estimator_)["cross_entropy"])
    np.testing.assert_array_equal(stages[-1], classifier.decision_function(X))


def test_losses_without_posterior_have_no_stages_of_it():
    """As with predict_proba and its logarithm."""
    classifier = bl.LossClassifier(xgb_classifier(), bl.Hinge()).fit(*binary_problem(100)[:2])
    for method in ("predict_proba", "predict_log_proba", "staged_predict_proba"):
        assert not hasattr(classifier, method)
    assert len(list(classifier.staged_predict(np.zeros((1, 4))))) == 20


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_log_probabilities(make):
    """Those of predict_proba, and minus infinity of what is impossible, without a warning."""
    X = binary_problem()[0]
    classifier = bl.LossClassifier(make(learning_rate=1.0), bl.SquaredHinge()).fit(X, X[:, 0] > 0)
    proba, log_proba = classifier.predict_proba(X), classifier.predict_log_proba(X)
    assert proba.min() < 1e-7
    np.testing.assert_array_equal(log_proba == -np.inf, proba == 0)
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-6)


# -------------------------------------------------------------------------------------------------------- continuation


BEFORE = {xgb_classifier: "xgb_model", xgb_regressor: "xgb_model", lgbm_classifier: "init_model",
          lgbm_regressor: "init_model"}  # fmt: skip
CONTINUED = [
    *((make, bl.LossClassifier, bl.Focal(), problem) for make in CLASSIFIERS
      for problem in (binary_problem, multiclass_problem)),
    *((make, bl.LossRegressor, loss, regression_problem) for make in REGRESSORS for loss in LOSSES_OF_REGRESSION),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "loss", "problem"), CONTINUED)
@pytest.mark.parametrize("as_given", ["ours", "engine's", "booster"])
def test_training_can_be_continued(make, kind, loss, problem, as_given):
    """10 rounds and 10 more of that model, in any shape, are 20 rounds: the start counts once."""
    X, y, _ = problem()
    y = np.exp(y / 1e5 - 10) if getattr(loss, "link", "identity") != "identity" else y
    whole = kind(make(n_estimators=20), loss).fit(X, y)
    half = kind(make(n_estimators=10), loss).fit(X, y)
    model = half if as_given == "ours" else half.estimator_
    if as_given == "booster":
        model = model.booster_ if hasattr(model, "booster_") else model.get_booster()
    before = half.predict(X)
    other_half = clone(half).fit(X, y, **{BEFORE[make]: model})
    expected = whole._raw_predictions(X)
    np.testing.assert_allclose(other_half._raw_predictions(X), expected, atol=1e-4 * np.std(expected))
    np.testing.assert_array_equal(half.predict(X), before)
    assert len(list(other_half.staged_predict(X))) == 20


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("stops_again", [False, True])
def test_a_training_that_stopped_early_can_be_continued(make, stops_again):
    """From its best round, and predictions use what was added: XGBoost alone would go on with the old best round."""
    X, y, _ = binary_problem()
    validation = binary_problem(300, seed=9)[:2]
    estimator, arguments = early_stopping(make)
    first = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, eval_set=validation, **arguments)
    estimator, arguments = (estimator, {"eval_set": validation, **arguments}) if stops_again else (make(), {})
    second = bl.LossClassifier(estimator, bl.Focal()).fit(X, y, **{BEFORE[make]: first}, **arguments)
    stages = list(second.staged_decision_function(X))
    np.testing.assert_array_equal(stages[-1], second.decision_function(X))
    np.testing.assert_allclose(stages[first.best_iteration_ - 1], first.decision_function(X), atol=1e-6)
    if stops_again:
        assert len(stages) == second.best_iteration_ > first.best_iteration_
        [values] = next(iter(second.evals_result_.values())).values()
        at_best = second.loss_.metric(validation[1], second.decision_function(validation[0]))
        assert float(at_best) == pytest.approx(min(values), rel=1e-4)
    else:
        assert len(stages) == first.best_iteration_ + 20


def test_what_is_not_continued():
    """A model of other classes, or one that is not fitted."""
    X, y, _ = binary_problem(100)
    other = bl.LossClassifier(xgb_classifier()).fit(X, y)
    with pytest.raises(ValueError, match=r"xgb_model has the classes \[0 1\], must have those of y: \['no' 'yes'\]"):
        bl.LossClassifier(xgb_classifier()).fit(X, LABELS[y], xgb_model=other)
    with pytest.raises(ValueError, match="xgb_model has the classes"):
        other.fit(X, LABELS[y], xgb_model=other)  # itself
    other.fit(X, y)
    with pytest.raises(ValueError, match="not fitted yet"):
        bl.LossClassifier(xgb_classifier()).fit(X, y, xgb_model=bl.LossClassifier())
    with pytest.raises(TypeError, match="init_model has the estimator XGBClassifier, must have one of lightgbm"):
        bl.LossClassifier(lgbm_classifier()).fit(X, y, init_model=other)


def test_a_linear_booster_that_stopped_early_can_be_continued():
    """It has no rounds to drop: what is continued is what it predicts."""
    X, y, _ = binary_problem()
    validation = binary_problem(300, seed=9)[:2]
    linear = xgboost.XGBClassifier(booster="gblinear", n_estimators=50, n_jobs=1, verbosity=0, updater="coord_descent")
    first = bl.LossClassifier(clone(linear).set_params(early_stopping_rounds=2)).fit(
        X, y, eval_set=validation, verbose=False
    )
    second = bl.LossClassifier(clone(linear).set_params(n_estimators=1)).fit(X, y, xgb_model=first)
    assert not hasattr(second, "best_iteration_")
    losses = [float(model.loss_.metric(y, model.decision_function(X))) for model in (first, second)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


@pytest.mark.parametrize("eval_set", [lambda X, y: [X, y], lambda X, y: [(X, y, y)], lambda X, y: (X,)])
def test_evaluation_sets_of_another_shape(eval_set):
    """A tuple (X, y), or a list of them."""
    X, y, _ = binary_problem(100)
    with pytest.raises(ValueError, match=r"eval_set\[0\] is no \(X, y\), must be a tuple of features and labels"):
        bl.LossClassifier(xgb_classifier()).fit(X, y, eval_set=eval_set(X, y))


# --------------------------------------------------------------------------------------------------------- progress bar


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_progress_bar_of_the_rounds(make, capsys):
    """One step per round, the metrics beside it, and nothing else printed; the model is the same and can be stored."""
    pytest.importorskip("tqdm", reason="the progress extra is not installed")
    X, y, _ = binary_problem()
    silent = bl.LossClassifier(make(n_estimators=7)).fit(X, y)
    drawn = bl.LossClassifier(make(n_estimators=7), verbose=True).fit(X, y, eval_set=[binary_problem(100, seed=9)[:2]])
    captured = capsys.readouterr()
    assert "7/7" in captured.err
    assert f"cross_entropy={history(drawn.estimator_)['cross_entropy'][-1]:.3g}" in captured.err
    assert not captured.out
    np.testing.assert_array_equal(drawn.predict_proba(X), silent.predict_proba(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(drawn)).predict_proba(X), drawn.predict_proba(X))
    assert drawn.estimator_.get_params().get("callbacks") is None


class Count(xgboost.callback.TrainingCallback):
    """Counts rounds."""

    n_rounds = 0

    def after_iteration(self, model, epoch, evals_log):
        """One more."""
        self.n_rounds += 1
        return False


def test_callbacks_of_the_user_are_called_beside_the_bar(capsys):
    """Of either engine, and they stay those of the estimator."""
    pytest.importorskip("tqdm", reason="the progress extra is not installed")
    X, y, _ = binary_problem()
    count, envs = Count(), []
    classifier = bl.LossClassifier(xgb_classifier(callbacks=[count]), verbose=1).fit(X, y)
    [callback] = classifier.estimator_.get_params()["callbacks"]
    assert isinstance(callback, Count)
    assert callback.n_rounds == 20
    bl.LossClassifier(lgbm_classifier(), verbose=1).fit(X, y, callbacks=[lambda env: envs.append(env)])
    assert len(envs) == 20
    assert "20/20" in capsys.readouterr().err


def test_without_tqdm_the_extra_is_named(monkeypatch):
    """Only where a bar is asked for."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    X, y, _ = binary_problem(50)
    bl.LossClassifier(xgb_classifier()).fit(X, y)
    with pytest.raises(ImportError, match=r"tqdm is not installed: pip install 'boostloss\[progress\]'"):
        bl.LossClassifier(xgb_classifier(), verbose=True).fit(X, y)


@pytest.mark.parametrize(("verbose", "error"), [(-1, ValueError), ("yes", TypeError), (None, TypeError)])
def test_verbose_is_checked(verbose, error):
    """Yes, no, or a number."""
    with pytest.raises(error, match=f"verbose == {verbose!r}, must be "):
        bl.LossClassifier(xgb_classifier(), verbose=verbose).fit(*binary_problem(50)[:2])


# ------------------------------------------------------------------------------------------------------- boosting modes


def in_a_process(code):
    """What a program prints: an engine's warnings about a booster that it is about to drop are not of interest."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return np.array(run.stdout.split(), float)


DART_OF_XGBOOST = """
import sys; sys.path.insert(0, "tests")
import numpy as np, boostloss as bl
from problems import binary_problem, xgb_classifier
X, y, weight = binary_problem()
dart = {"booster": "dart", "rate_drop": 0.3, "random_state": 1}
own = xgb_classifier(**dart).fit(X, y, sample_weight=weight)
ours = bl.LossClassifier(xgb_classifier(**dart)).fit(X, y, sample_weight=weight)
stages = list(ours.staged_decision_function(X))
print(abs(own.predict_proba(X) - ours.predict_proba(X)).max(), abs(stages[-1] - ours.decision_function(X)).max())
print(len(stages), abs(stages[4] - ours.estimator_.predict(X, output_margin=True, iteration_range=(0, 5))).max())
"""


def test_dart_of_xgboost_is_the_built_in_one():
    """Gradients see the predictions of the round, dropped trees left out; so do stages of the final weights."""
    difference, last, n_stages, fifth = in_a_process(DART_OF_XGBOOST)
    assert difference < 1e-5
    assert (last, n_stages, fifth) == (0, 20, 0)


EARLY_DART = """
import sys, warnings; sys.path.insert(0, "tests")
import boostloss as bl, boostloss.xgboost, xgboost
from problems import binary_problem, xgb_classifier
X, y, _ = binary_problem()
data, dart = xgboost.DMatrix(X, y), {"booster": "dart", "nthread": 1}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bl.LossClassifier(xgb_classifier(booster="dart", early_stopping_rounds=3)).fit(X, y, eval_set=(X, y), verbose=False)
    stop = {"evals": [(data, "a")], "early_stopping_rounds": 3, "verbose_eval": False}
    boostloss.xgboost.train(dart, data, 3, loss=bl.Focal(), **stop)
    bl.LossClassifier(xgb_classifier(booster="dart")).fit(X, y)
print(sum("rescale its trees" in str(warning.message) for warning in caught))
"""


def test_early_stopping_of_dart_in_xgboost_is_warned_of():
    """Trees are rescaled after the best round: also of the engine's own objectives."""
    assert in_a_process(EARLY_DART) == [2]


def test_dart_of_lightgbm_is_warned_of_and_keeps_the_start():
    """It differs from run to run; the mean of its probabilities does not."""
    X, y, _ = binary_problem(2000)
    with pytest.warns(UserWarning, match="dart is not reproducible with a custom objective"):
        classifier = bl.LossClassifier(lgbm_classifier(boosting_type="dart")).fit(X, y)
    assert abs(classifier.predict_proba(X)[:, 1].mean() - y.mean()) < 0.03
    np.testing.assert_array_equal(list(classifier.staged_predict_proba(X))[-1], classifier.predict_proba(X))


@pytest.mark.parametrize("goss", [{"data_sample_strategy": "goss"}, {"boosting_type": "goss"}])
def test_goss_of_lightgbm_is_the_built_in_one(goss):
    """Rows with large gradients are kept, the others sampled and weighted: the same rows for the same loss."""
    X, y, weight = binary_problem(2000)
    own = lgbm_classifier(**goss).fit(X, y, sample_weight=weight).predict_proba(X)
    ours = bl.LossClassifier(lgbm_classifier(**goss)).fit(X, y, sample_weight=weight).predict_proba(X)
    np.testing.assert_allclose(ours, own, atol=1e-5)


def test_a_linear_booster_has_no_stages():
    """XGBoost's gblinear is one model that changes."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(xgboost.XGBClassifier(booster="gblinear", n_jobs=1, verbosity=0)).fit(X, y)
    assert classifier.score(X, y) > 0.8
    with pytest.raises(ValueError, match="booster == 'gblinear' has one model"):
        list(classifier.staged_predict(X))
