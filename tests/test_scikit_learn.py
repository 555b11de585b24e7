"""At home in scikit-learn: inside its meta-estimators, with its metadata routing, its displays and its containers."""

import re

import numpy as np
import pandas as pd
import pytest
from problems import CLASSIFIERS, LABELS, REGRESSORS, binary_problem, multiclass_problem, regression_problem
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # HalvingRandomSearchCV is experimental
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, TunedThresholdClassifierCV, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr

import boostloss as bl

EVERY_CLASSIFIER = pytest.mark.parametrize("make", CLASSIFIERS)
EVERY_REGRESSOR = pytest.mark.parametrize("make", REGRESSORS)


# ------------------------------------------------------------------------------------------------------ meta-estimators


@EVERY_CLASSIFIER
def test_pipeline_and_column_transformer(make):
    """Columns by name, a frame between the steps where set_output says so, the same model as by hand."""
    X, y, _ = binary_problem()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(colour=np.where(X[:, 0] > 0, "red", "blue"))
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["b", "c"]), ("code", OneHotEncoder(sparse_output=False), ["colour"])],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    classifier = bl.LossClassifier(make(), bl.Focal())
    pipeline = make_pipeline(columns, classifier).fit(frame, LABELS[y])
    by_hand = clone(columns).fit_transform(frame)
    expected = clone(classifier).fit(by_hand, LABELS[y])
    assert pipeline[-1].feature_names_in_.tolist() == ["b", "c", "colour_blue", "colour_red"]
    np.testing.assert_array_equal(pipeline.predict_proba(frame), expected.predict_proba(by_hand))
    np.testing.assert_array_equal(pipeline.predict(frame), expected.predict(by_hand))
    assert pipeline.score(frame, LABELS[y]) > 0.75
    assert pipeline[:-1].get_feature_names_out().tolist() == ["b", "c", "colour_blue", "colour_red"]


@EVERY_CLASSIFIER
def test_grid_search(make):
    """The score of a candidate is that of cross-validation by hand; the best one is refitted."""
    X, y, _ = binary_problem()
    grid = {"loss": [bl.CrossEntropy(), bl.Focal(gamma=4.0)], "estimator__max_depth": [2]}
    search = GridSearchCV(bl.LossClassifier(make()), grid, cv=3, scoring="neg_log_loss").fit(X, y)
    by_hand = bl.LossClassifier(make(max_depth=2), bl.Focal(gamma=4.0))
    scores = cross_validate(by_hand, X, y, cv=3, scoring="neg_log_loss")["test_score"]
    assert search.cv_results_["mean_test_score"][1] == pytest.approx(scores.mean())
    expected = clone(by_hand).set_params(loss=search.best_params_["loss"]).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), expected.predict_proba(X))


@EVERY_REGRESSOR
def test_halving_random_search(make):
    """Rounds as the resource: every candidate that is left over has all of them in the end."""
    X, y, _ = regression_problem()
    search = HalvingRandomSearchCV(
        bl.LossRegressor(make(), bl.Quantile()),
        {"loss__quantile": [0.2, 0.5, 0.8], "estimator__learning_rate": [0.1, 0.3]},
        n_candidates=4, resource="estimator__n_estimators", min_resources=3, max_resources=12, factor=2, cv=2,
        scoring="neg_mean_absolute_error", random_state=0,
    ).fit(X, y)  # fmt: skip
    assert search.best_params_["estimator__n_estimators"] == 12
    assert search.best_estimator_.loss_.quantile == search.best_params_["loss__quantile"]
    assert len(list(search.best_estimator_.staged_predict(X))) == 12
    by_rounds = search.cv_results_["param_estimator__n_estimators"]
    assert sorted(set(by_rounds)) == [3, 6, 12]


def fit_and_test():
    """Two thousand rows to train and as many others to test."""
    return *binary_problem(2000)[:2], *binary_problem(2000, seed=7)[:2]


@EVERY_CLASSIFIER
def test_calibrated_classifier(make):
    """A loss without posterior gets probabilities from held-out data, close to those of the logistic model."""
    X, y, X_test, y_test = fit_and_test()
    hinge = bl.LossClassifier(make(), bl.Hinge())
    calibrated = CalibratedClassifierCV(hinge, method="isotonic", cv=3).fit(X, LABELS[y])
    proba = calibrated.predict_proba(X_test)
    assert calibrated.classes_.tolist() == LABELS.tolist()
    assert abs(proba[:, 1].mean() - y_test.mean()) < 0.03
    plain = clone(hinge).set_params(calibrate=False).fit(X, y).predict_proba(X_test)
    logistic = bl.LossClassifier(make()).fit(X, y).predict_proba(X_test)
    assert log_loss(y_test, proba) < 1.15 * log_loss(y_test, logistic)
    assert log_loss(y_test, proba) < log_loss(y_test, plain)


@EVERY_CLASSIFIER
def test_stacking_classifier(make):
    """Probabilities of three classes, cross-predicted, are the features of the last model."""
    X, y, _ = multiclass_problem()
    X_test, y_test, _ = multiclass_problem(seed=5)
    base = [("focal", bl.LossClassifier(make(), bl.Focal())), ("ldam", bl.LossClassifier(make(), bl.LDAM()))]
    stack = StackingClassifier(base, LogisticRegression(), cv=3).fit(X, y)
    assert stack.stack_method_ == ["predict_proba", "predict_proba"]
    assert stack.transform(X).shape == (len(y), 6)
    np.testing.assert_allclose(stack.transform(X)[:, :3], stack.named_estimators_["focal"].predict_proba(X), rtol=1e-6)
    worst = min(clone(model).fit(X, y).score(X_test, y_test) for _, model in base)
    assert stack.score(X_test, y_test) > worst - 0.02


@EVERY_CLASSIFIER
def test_tuned_threshold(make):
    """A threshold on true probabilities, chosen for balanced accuracy, lies near the base rate."""
    X, y, X_test, y_test = fit_and_test()
    classifier = bl.LossClassifier(make(), bl.Focal())
    tuned = TunedThresholdClassifierCV(classifier, scoring="balanced_accuracy", cv=3).fit(X, LABELS[y])
    assert abs(tuned.best_threshold_ - y.mean()) < 0.2
    untuned = clone(classifier).fit(X, LABELS[y])
    scores = [balanced_accuracy_score(LABELS[y_test], model.predict(X_test)) for model in (tuned, untuned)]
    assert scores[0] > scores[1] - 0.005
    above = tuned.estimator_.predict_proba(X_test)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(X_test), LABELS[above.astype(int)])


@EVERY_REGRESSOR
def test_other_meta_estimators_of_regressors(make):
    """Transformed targets, several targets, votes, permutation importance."""
    X, y, _ = regression_problem()
    y = np.abs(y)
    model = bl.LossRegressor(make(), bl.Huber())
    logs = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp).fit(X, y)
    np.testing.assert_allclose(logs.predict(X), np.exp(clone(model).fit(X, np.log(y)).predict(X)))
    several = MultiOutputRegressor(model).fit(X, np.column_stack([y, -y]))
    np.testing.assert_array_equal(several.predict(X)[:, 0], clone(model).fit(X, y).predict(X))
    votes = VotingRegressor([("a", model), ("b", model)]).fit(X, y)
    np.testing.assert_allclose(votes.predict(X), several.predict(X)[:, 0])
    importance = permutation_importance(clone(model).fit(X, y), X, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.argmax() == 0


# ----------------------------------------------------------------------------------------------------- metadata routing


@EVERY_CLASSIFIER
def test_sample_weight_is_routed(make):
    """Through a grid search and a pipeline, to fit and to the scorer, where they asked for it."""
    X, y, weight = binary_problem()
    with config_context(enable_metadata_routing=True):
        classifier = bl.LossClassifier(make(), bl.Focal()).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), classifier)
        # scikit-learn 1.6 cannot ask a pipeline's own score for it
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        search = GridSearchCV(pipeline, {"lossclassifier__loss__gamma": [1.0]}, cv=2, scoring=scorer)
        search.fit(X, y, sample_weight=weight)
        ignored = clone(pipeline)
        ignored[0].set_fit_request(sample_weight=True)
        ignored[-1].set_fit_request(sample_weight=False)
        without = ignored.fit(X, y, sample_weight=weight)
    scaled = StandardScaler().fit_transform(X)
    weighted = bl.LossClassifier(make(), bl.Focal(gamma=1.0)).fit(scaled, y, sample_weight=weight)
    np.testing.assert_array_equal(search.predict_proba(X), weighted.predict_proba(scaled))
    scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    plain, weighted = (bl.LossClassifier(make(), bl.Focal()).fit(scaled, y, sample_weight=w) for w in (None, weight))
    np.testing.assert_array_equal(without.predict_proba(X), plain.predict_proba(scaled))
    assert np.abs(weighted.predict_proba(scaled) - plain.predict_proba(scaled)).max() > 0.01


@EVERY_CLASSIFIER
def test_evaluation_sets_are_routed(make):
    """fit asks for them as for weights; a pipeline transforms their features on the way, if it is told to."""
    X, y, _ = binary_problem()
    X_val, y_val, _ = binary_problem(300, seed=9)
    with config_context(enable_metadata_routing=True):
        classifier = bl.LossClassifier(make()).set_fit_request(eval_set=True, eval_X=True, eval_y=True)
        pipeline = make_pipeline(StandardScaler(), classifier, transform_input=["eval_X"])
        pipeline.fit(X, y, eval_X=X_val, eval_y=y_val)
        scaler = StandardScaler().fit(X)
        expected = clone(classifier).fit(scaler.transform(X), y, eval_set=(scaler.transform(X_val), y_val))
        asks_not = make_pipeline(StandardScaler(), bl.LossClassifier(make()))
        with pytest.raises(ValueError, match="eval_set"):  # as scikit-learn wants it
            asks_not.fit(X, y, eval_set=(X_val, y_val))
    assert pipeline[-1].evals_result_ == expected.evals_result_


def test_metadata_requests():
    """What fit and score can be asked to route."""
    requests = bl.LossClassifier().get_metadata_routing()
    assert set(requests.fit.requests) == {"sample_weight", "eval_set", "eval_X", "eval_y"}
    assert set(requests.score.requests) == {"sample_weight"}


# ---------------------------------------------------------------------------------------------------------------- HTML


def text_of_html(model):
    """The words of scikit-learn's HTML, without its style."""
    words = re.sub(r"(?s)<(style|script)>.*?</\1>|<[^>]*>", " ", estimator_html_repr(model))
    return re.sub(r"\s+", " ", words)


@EVERY_CLASSIFIER
def test_html_shows_loss_and_estimator(make):
    """Each in a box of its own, the loss with its parameters, also within a pipeline and after the training."""
    classifier = bl.LossClassifier(make(), bl.Focal(gamma=1.25))
    for model in (classifier, make_pipeline(StandardScaler(), classifier)):
        text = text_of_html(model)
        assert f" estimator {type(make()).__name__} " in text
        assert re.search(r" loss Focal (Parameters gamma 1\.25 |Focal\(gamma=1\.25\) )", text)  # newest, oldest
        assert "Not fitted" in text
    fitted = classifier.fit(*binary_problem(100)[:2])
    assert " Fitted" in text_of_html(fitted)
    assert " loss Focal " in text_of_html(fitted)
    assert "Focal(gamma=1.25)" in repr(fitted)


def test_html_of_defaults_and_of_mistakes():
    """What None stands for; and something that fit would refuse is shown, for that is when one looks."""
    assert " estimator XGBClassifier XGBClassifier loss CrossEntropy " in text_of_html(bl.LossClassifier())
    assert " estimator XGBRegressor XGBRegressor loss Huber " in text_of_html(bl.LossRegressor())
    assert "losses.classification.Focal" in text_of_html(bl.LossClassifier(loss=bl.Focal))
    assert " loss focal " in text_of_html(bl.LossClassifier(loss="focal"))
