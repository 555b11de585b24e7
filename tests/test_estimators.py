"""LossClassifier and LossRegressor with XGBoost's and LightGBM's estimators."""

import copy
import pickle
import subprocess
import sys

import joblib
import lightgbm
import numpy as np
import pandas as pd
import polars
import pytest
import xgboost
from problems import (
    CLASSIFIERS,
    LABELS,
    REGRESSORS,
    binary_problem,
    features,
    lgbm_classifier,
    lgbm_regressor,
    multiclass_problem,
    regression_problem,
    xgb_classifier,
    xgb_regressor,
)
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost

# With features of few values: no cut point and no leaf depends on the number of rows, which LightGBM only estimates
EXACT = {
    xgb_classifier: {"tree_method": "exact"},
    xgb_regressor: {"tree_method": "exact"},
    lgbm_classifier: {"min_child_samples": 1, "min_data_in_bin": 1, "min_child_weight": 5},
    lgbm_regressor: {"min_child_samples": 1, "min_data_in_bin": 1, "min_child_weight": 5},
}



# ------------------------------------------------------------------------------------------------ against the built-ins


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_cross_entropy_is_the_built_in_binary_objective(make):
    """The default loss trains the engine's own logistic model: start, gradients, weights, link."""
    X, y, weight = binary_problem()
    own = make().fit(X, y, sample_weight=weight).predict_proba(X)
    ours = bl.LossClassifier(make()).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(X), own, atol=1e-5)


@pytest.mark.parametrize("make", REGRESSORS)
def test_huber_with_a_large_delta_is_the_squared_error(make):
    """Residual losses are scaled so that they reach the built-in squared error in their limit, weights included."""
    X, y, weight = regression_problem()
    own = make().fit(X, y, sample_weight=weight).predict(X)
    ours = bl.LossRegressor(make(), bl.Huber(delta=1e9, curvature="exact")).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict(X), own, atol=1e-4 * np.std(y))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_multiclass_is_about_as_good_as_the_built_in_softmax(make):
    """K classes train and give probabilities, in the order of classes_."""
    X, y, weight = multiclass_problem()
    X_test, y_test, _ = multiclass_problem(seed=5)
    own = log_loss(y_test, make().fit(X, y, sample_weight=weight).predict_proba(X_test))
    ours = bl.LossClassifier(make()).fit(X, y, sample_weight=weight)
    assert ours.predict_proba(X_test).shape == ours.decision_function(X_test).shape == (len(y_test), 3)
    assert log_loss(y_test, ours.predict_proba(X_test)) < 1.1 * own


# -------------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize("robust", [False, True])
def test_weights_are_copies_of_rows(make, robust):
    """A row of weight k counts as k rows, for start, gradients and the scale of residual losses."""
    if make in CLASSIFIERS:
        (X, y, weight), kind, loss = binary_problem(200), bl.LossClassifier, bl.Focal() if robust else bl.CrossEntropy()
    else:
        (X, y, weight), kind, loss = regression_problem(200), bl.LossRegressor, bl.Quantile() if robust else bl.Huber()
    X, copies = X.round(1), weight.astype(int)
    few = {"n_estimators": 3}  # rounding decides between equal splits at last
    weighted = kind(make(**few, **EXACT[make]), loss).fit(X, y, sample_weight=weight)
    copied = kind(make(**few, **EXACT[make]), loss).fit(X.repeat(copies, axis=0), y.repeat(copies))
    a, b = weighted._raw_predictions(X), copied._raw_predictions(X)
    np.testing.assert_allclose(a, b, atol=1e-4 * np.std(b))


def test_weight_zero_removes_a_row():
    """Rows of weight zero change nothing, where cut points do not depend on them."""
    X, y, weight = binary_problem(200)
    weight[::3] = 0
    classifier = bl.LossClassifier(xgb_classifier(tree_method="exact", max_depth=2))
    weighted = clone(classifier).fit(X, y, sample_weight=weight)
    removed = clone(classifier).fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0])
    kept = X[weight > 0]
    np.testing.assert_allclose(weighted.decision_function(kept), removed.decision_function(kept), atol=1e-4)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_class_without_weight_stays_a_class(make):
    """One of three classes with weights of zero keeps its column and is hardly ever predicted."""
    X, y, weight = multiclass_problem()
    classifier = bl.LossClassifier(make()).fit(X, y, sample_weight=np.where(y == 2, 0, weight))
    assert classifier.predict_proba(X).shape == (len(y), 3)
    assert (classifier.predict(X) == 2).mean() < 0.01


# -------------------------------------------------------------------------------------------------------- probabilities


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_focal_probabilities_are_calibrated(make):
    """Focal loss is not proper, its probabilities are: mean at the base rate, log-loss within 10 % of the logistic."""
    X, y, _ = binary_problem(2000)
    X_test, y_test, _ = binary_problem(2000, seed=7)
    logistic = bl.LossClassifier(make()).fit(X, y).predict_proba(X_test)
    focal = bl.LossClassifier(make(), bl.Focal(gamma=2.0)).fit(X, y)
    proba = focal.predict_proba(X_test)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert abs(proba[:, 1].mean() - y_test.mean()) < 0.02
    assert log_loss(y_test, proba) < 1.1 * log_loss(y_test, logistic)
    assert log_loss(y_test, proba) < log_loss(y_test, expit(focal.decision_function(X_test)))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_balanced_class_weight_moves_decisions_not_probabilities(make):
    """With costs as class weights predict finds more positives while predict_proba stays at the base rate."""
    X, y, _ = binary_problem(2000)
    plain = bl.LossClassifier(make()).fit(X, y)
    balanced = bl.LossClassifier(make(), bl.CrossEntropy(class_weight="balanced")).fit(X, y)
    assert balanced.predict(X).mean() > plain.predict(X).mean() + 0.02
    assert abs(balanced.predict_proba(X)[:, 1].mean() - y.mean()) < 0.02


# --------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(object), np.array([-1, 1]), np.array([False, True])])
def test_labels_of_any_type(make, labels):
    """Training sees class indices only; predictions are in the user's labels and dtype."""
    X, y, _ = binary_problem()
    plain = bl.LossClassifier(make()).fit(X, y)
    classifier = bl.LossClassifier(make()).fit(X, labels[y])
    np.testing.assert_array_equal(classifier.classes_, labels)
    np.testing.assert_array_equal(classifier.predict(X), labels[plain.predict(X)])
    assert classifier.predict(X).dtype == labels.dtype
    np.testing.assert_array_equal(classifier.predict_proba(X), plain.predict_proba(X))
    assert classifier.score(X, labels[y]) == plain.score(X, y) > 0.7


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_class_weight_keys_are_the_users_labels(make):
    """A dict by label is the sequence in the order of classes_; the user's loss keeps its dict."""
    X, y, _ = binary_problem()
    loss = bl.CrossEntropy(class_weight={"yes": 3.0})
    by_label = bl.LossClassifier(make(), loss).fit(X, LABELS[y])
    in_order = bl.LossClassifier(make(), bl.CrossEntropy(class_weight=[1.0, 3.0])).fit(X, LABELS[y])
    np.testing.assert_array_equal(by_label.decision_function(X), in_order.decision_function(X))
    assert loss.class_weight == {"yes": 3.0}
    assert by_label.loss_.class_weight == {1: 3.0}


def test_refit_forgets_the_labels_of_the_first_fit():
    """Two classes after three: classes_, loss_ and the shape of the margins follow."""
    X, y, _ = multiclass_problem()
    classifier = bl.LossClassifier(xgb_classifier()).fit(X, y)
    classifier.fit(X, np.minimum(y, 1))
    assert classifier.classes_.tolist() == [0, 1]
    assert classifier.loss_.n_classes_ == 2
    assert classifier.decision_function(X).shape == (len(y),)


# ------------------------------------------------------------------------------------------ parameters, model selection


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_grid_search_over_a_parameter_of_the_loss(make):
    """loss__gamma and estimator__... reach the model, through a clone and a pipeline."""
    X, y, _ = binary_problem()
    pipeline = make_pipeline(StandardScaler(), bl.LossClassifier(make(), bl.Focal()))
    depth = {"lossclassifier__estimator__max_depth": [2]}
    grid = GridSearchCV(pipeline, {"lossclassifier__loss__gamma": [0.0, 4.0], **depth}, cv=2, scoring="neg_log_loss")
    grid.fit(X, LABELS[y])
    assert len(set(grid.cv_results_["mean_test_score"])) == 2
    best = grid.best_estimator_[-1]
    assert best.loss_.gamma == grid.best_params_["lossclassifier__loss__gamma"]
    assert best.estimator_.get_params()["max_depth"] == 2


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_cross_val_predict_gives_probabilities(make):
    """The estimator works where scikit-learn trains clones of it on parts of the data."""
    X, y, _ = binary_problem()
    proba = cross_val_predict(bl.LossClassifier(make(), bl.Focal()), X, LABELS[y], cv=3, method="predict_proba")
    assert log_loss(y, proba) < 0.6


def test_parameters_of_the_loss_stay_out_of_the_engine():
    """Only loss and estimator, and what is nested in them, are parameters; the fitted engine has none of the loss."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(xgb_classifier(), bl.Focal(gamma=1.0))
    assert {"estimator", "loss", "loss__gamma", "estimator__max_depth"} <= set(classifier.get_params())
    assert not [name for name in classifier.fit(X, y).estimator_.get_params() if "__" in name]
    assert classifier.estimator.get_params()["objective"] == "binary:logistic"


@pytest.mark.parametrize("how", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)), clone])
@pytest.mark.parametrize("make", CLASSIFIERS)
def test_copies_train_the_same_model(make, how):
    """A copy of an unfitted estimator, made in any way, is that estimator."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(make(), bl.Focal(gamma=1.5))
    expected = clone(classifier).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(how(classifier).fit(X, y).predict_proba(X), expected)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_fitted_estimators_survive_pickle_and_joblib(make, tmp_path):
    """A stored classifier predicts what it predicted."""
    X, y, _ = binary_problem()
    classifier = bl.LossClassifier(make(), bl.Focal()).fit(X, LABELS[y])
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    read = joblib.load(tmp_path / "classifier.joblib")
    for stored in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier)), read):
        np.testing.assert_array_equal(stored.predict(X), classifier.predict(X))
        np.testing.assert_array_equal(stored.predict_proba(X), classifier.predict_proba(X))


# --------------------------------------------------------------------------------------------------------- saved models


def load_plain(estimator, path):
    """Save the engine's estimator and load the file with the engine alone; a function of X: what its predict gives."""
    if isinstance(estimator, xgboost.XGBModel):
        estimator.save_model(path)
        booster = xgboost.Booster(model_file=path)
        return lambda X: booster.predict(xgboost.DMatrix(X))
    estimator.booster_.save_model(path)
    return lightgbm.Booster(model_file=path).predict


@pytest.mark.parametrize("make", CLASSIFIERS)
@pytest.mark.parametrize("problem", [binary_problem, multiclass_problem])
def test_saved_models_carry_start_and_link(make, problem, tmp_path):
    """A file read by the plain engine gives the sigmoid or softmax of the margins."""
    X, y, _ = problem()
    classifier = bl.LossClassifier(make(n_estimators=3), bl.Focal(gamma=1.0)).fit(X, y)
    link = expit if problem is binary_problem else lambda margins: softmax(margins, axis=1)
    predicted = load_plain(classifier.estimator_, tmp_path / "model.json")(X)
    np.testing.assert_allclose(predicted, link(classifier.decision_function(X)), atol=1e-6)


@pytest.mark.parametrize("make", REGRESSORS)
def test_saved_regression_models_carry_the_start(make, tmp_path):
    """A file read by the plain engine predicts on the scale of y."""
    X, y, _ = regression_problem()
    regressor = bl.LossRegressor(make(n_estimators=3), bl.Quantile(quantile=0.9)).fit(X, y)
    predicted = load_plain(regressor.estimator_, tmp_path / "model.json")(X)
    np.testing.assert_allclose(predicted, regressor.predict(X), rtol=1e-6)


def test_boosters_know_their_loss():
    """The functions of the native interface read the loss from a booster trained by an estimator."""
    X, y, _ = binary_problem()
    loss = bl.Focal(class_weight={"yes": 3.0})
    a, b = (bl.LossClassifier(make(), loss).fit(X, LABELS[y]) for make in CLASSIFIERS)
    from_xgboost = boostloss.xgboost.predict_proba(a.estimator_.get_booster(), X)
    from_lightgbm = boostloss.lightgbm.predict_proba(b.estimator_.booster_, X)
    np.testing.assert_allclose(from_xgboost, a.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(from_lightgbm, b.predict_proba(X), atol=1e-12)


# ------------------------------------------------------------------------------------------------------------- features


def frame_with_categories(seed=0):
    X, y, _ = binary_problem(seed=seed)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    colour = np.where(X[:, 0] > 0, "red", np.where(X[:, 1] > 0, "green", "blue"))
    frame["colour"] = pd.Categorical(colour, categories=["blue", "green", "red"])
    frame["a"] = np.nan
    return frame, pd.Series(LABELS[y])


@pytest.mark.parametrize(("make", "params"), [(xgb_classifier, {"enable_categorical": True}), (lgbm_classifier, {})])
def test_data_frames_go_to_the_engine_with_their_categories(make, params):
    """Categories split, missing values pass, names are remembered and checked, evaluation sets included."""
    frame, labels = frame_with_categories()
    arguments = {"verbose": False} if make is xgb_classifier else {}
    classifier = bl.LossClassifier(make(**params)).fit(frame, labels, eval_set=[frame_with_categories(3)], **arguments)
    assert classifier.feature_names_in_.tolist() == list(frame)
    assert classifier.n_features_in_ == 5
    assert classifier.score(frame, labels) > 0.75
    shuffled = frame.assign(colour=frame["colour"].array[::-1])
    assert (classifier.predict_proba(shuffled) != classifier.predict_proba(frame)).any()
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[["b", "a", "c", "d", "colour"]])


def polars_frame(seed=0):
    colours = polars.Enum(["blue", "green", "red"])  # XGBoost 3.4 refuses Categorical
    return polars.from_pandas(frame_with_categories(seed)[0]).with_columns(polars.col("colour").cast(colours))


@pytest.mark.parametrize(("make", "params"), [(xgb_classifier, {"enable_categorical": True}), (lgbm_classifier, {})])
@pytest.mark.parametrize("convert", [lambda frame: frame, lambda frame: frame.to_arrow()], ids=["polars", "arrow"])
def test_frames_of_polars_and_arrow(make, params, convert):
    """As those of pandas: numbers, missing values, categories by their names; labels and weights as Series."""
    frame, labels = frame_with_categories()
    expected = bl.LossClassifier(make(**params)).fit(frame, labels).predict_proba(frame)
    X, weight = convert(polars_frame()), polars.Series(np.ones(len(frame)))
    arguments = {"verbose": False} if make is xgb_classifier else {}
    classifier = bl.LossClassifier(make(**params))
    classifier.fit(X, polars.Series(labels.tolist()), weight, eval_set=(X, labels.to_numpy()), **arguments)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)
    assert list(classifier.staged_predict(X))[-1].tolist() == classifier.predict(X).tolist()
    assert (classifier.feature_names_in_.tolist() == list(frame)) == hasattr(X, "columns")
    numbers = convert(polars_frame().select("b", "c"))
    assert classifier.fit(numbers, labels).score(numbers, labels) > 0.6


def test_strings_in_a_frame_are_an_error():
    """LightGBM would abort the process at a column of Arrow that is not of numbers."""
    frame = polars_frame().with_columns(polars.col("colour").cast(polars.String))
    with pytest.raises(ValueError, match="pandas dtypes must be int, float or bool"):
        bl.LossClassifier(lgbm_classifier()).fit(frame, frame_with_categories()[1])


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_missing_values_and_sparse_matrices(make):
    """NaN is a value of its own; infinity is an error; sparse features train the model."""
    X, y, _ = binary_problem()
    X[::2, 0] = np.nan
    classifier = bl.LossClassifier(make()).fit(X, y)
    assert np.isfinite(classifier.predict_proba(X)).all()
    with pytest.raises(ValueError, match="infinity"):
        classifier.fit(np.where(np.isnan(X), np.inf, X), y)
    S = np.where(X > 0, X, 0)
    for container in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        assert classifier.fit(container(S), y).score(container(S), y) > 0.6


def test_lightgbm_trains_where_no_feature_can_be_split():
    """Few rows or constant features give the start, as the built-in objectives do."""
    X, y, _ = binary_problem(16)
    for table in (X, np.ones_like(X)):
        classifier = bl.LossClassifier(lgbm_classifier()).fit(table, y)
        np.testing.assert_allclose(classifier.predict_proba(table)[:, 1], y.mean(), rtol=1e-6)


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (xgb_classifier(scale_pos_weight=3.0), r"estimator.scale_pos_weight == 3.0 contradicts loss == Focal"),
        (xgb_classifier(base_score=0.3), r"estimator.base_score == 0.3 contradicts loss == Focal"),
        (xgb_classifier(objective="binary:hinge"), r"estimator.objective == 'binary:hinge' contradicts loss == Focal"),
        (xgb_classifier(num_class=3), r"estimator.num_class == 3 contradicts loss == Focal"),
        (lgbm_classifier(class_weight="balanced"), r"estimator.class_weight == 'balanced' contradicts loss == Focal"),
        (lgbm_classifier(is_unbalance=True), r"estimator.is_unbalance == True contradicts loss == Focal"),
        (lgbm_classifier(objective="binary"), r"estimator.objective == 'binary' contradicts loss == Focal"),
        (lgbm_classifier(boosting_type="rf"), r"estimator.boosting_type == 'rf' contradicts loss == .*random forest"),
        (lgbm_classifier(metric="binary_logloss"), r"estimator.metric == 'binary_logloss' contradicts loss == Focal"),
    ],
)
def test_parameters_that_contradict_the_loss(estimator, words):
    """What the loss decides cannot be decided by the estimator as well; both are named."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=words):
        bl.LossClassifier(estimator, bl.Focal()).fit(X, y)


@pytest.mark.parametrize(
    ("make", "argument", "value"),
    [
        (xgb_classifier, "base_margin", np.zeros(50)),
        (lgbm_classifier, "init_score", np.zeros(50)),
        (lgbm_classifier, "eval_class_weight", ["balanced"]),
        (lgbm_classifier, "eval_metric", "binary_logloss"),
    ],
)
def test_arguments_of_fit_that_contradict_the_loss(make, argument, value):
    """A start that predictions would lack, weights beside the loss's, metrics of raw scores: refused."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=f"(?s){argument} == .* contradicts loss == CrossEntropy"):
        bl.LossClassifier(make()).fit(X, y, **{argument: value})


@pytest.mark.parametrize("estimator", [xgboost.XGBClassifier, xgb_regressor(), StandardScaler(), "xgboost", 3])
def test_estimators_of_another_kind(estimator):
    """A classifier of one of the engines, as an instance, and nothing else."""
    with pytest.raises(TypeError, match=r"(?s)estimator == .*must be an XGBClassifier or an LGBMClassifier"):
        bl.LossClassifier(estimator).fit(*binary_problem(50)[:2])


@pytest.mark.parametrize(
    ("kind", "loss", "words"),
    [
        (bl.LossClassifier, bl.Huber(), r"loss == Huber\(\), must be a ClassificationLoss or None"),
        (bl.LossRegressor, bl.Focal(), r"loss == Focal\(\), must be a RegressionLoss or None"),
        (bl.LossClassifier, bl.Focal, "loss == <class .*Focal'>, must be a ClassificationLoss or None"),
        (bl.LossClassifier, "focal", "loss == 'focal', must be a ClassificationLoss or None"),
    ],
)
def test_losses_of_another_kind(kind, loss, words):
    """Classifiers want an instance of a classification loss, regressors of a regression loss."""
    with pytest.raises(TypeError, match=words):
        kind(loss=loss).fit(*binary_problem(50)[:2])


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_parameters_of_the_loss_are_checked_at_fit(make):
    """set_params takes what it is given; fit says what is wrong, and the estimator stays unfitted."""
    classifier = bl.LossClassifier(make(), bl.Focal()).set_params(loss__gamma=-1)
    with pytest.raises(ValueError, match="gamma == -1, must be >= 0"):
        classifier.fit(*binary_problem(50)[:2])
    with pytest.raises(NotFittedError):
        classifier.predict(features(5))


def with_nan(y):
    y = y.astype(float)
    y[3] = np.nan
    return y


@pytest.mark.parametrize("make", [xgb_classifier, lgbm_regressor])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y, w: (X, with_nan(y), w), r"y\[3\] == nan, must be"),
        (lambda X, y, w: (X, y[:-1], w), "inconsistent numbers of samples"),
        (lambda X, y, w: (X, y, w[:-1]), r"sample_weight.shape == \(49,\), must be \(50,\)"),
        (lambda X, y, w: (X, y, -w), r"sample_weight\[0\] == -\d.0, must be finite and >= 0"),
        (lambda X, y, w: (X, y, 0 * w), "sample_weight is zero in every row"),
    ],
)
def test_bad_labels_and_weights(make, change, words):
    """Errors name the argument, and the row where there is one, before any training."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    with pytest.raises(ValueError, match=words):
        kind(make()).fit(*change(*binary_problem(50)))


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_one_class_only(make):
    """One class, in the labels or in the rows with a weight, has no best start and is an error."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match=r"y has one class only \(yes\), must have at least two"):
        bl.LossClassifier(make()).fit(X, np.full(50, "yes"))
    with pytest.raises(ValueError, match=r"y has one class only \(no\) in rows with a weight"):
        bl.LossClassifier(make()).fit(X, LABELS[y], sample_weight=1 - y)


def test_labels_that_are_not_known():
    """Labels of an evaluation set, and keys of class_weight, must be labels of y."""
    X, y, _ = binary_problem(50)
    with pytest.raises(ValueError, match="previously unseen labels"):
        bl.LossClassifier(xgb_classifier()).fit(X, LABELS[y], eval_set=[(X, np.full(50, "maybe"))])
    loss = bl.CrossEntropy(class_weight={"maybe": 2.0})
    with pytest.raises(ValueError, match=r"class_weight has key 'maybe', must be one of the labels \['no', 'yes'\]"):
        bl.LossClassifier(xgb_classifier(), loss).fit(X, LABELS[y])


# ---------------------------------------------------------------------------------------------------------- the package


def test_none_is_xgboost_with_its_defaults():
    """No estimator and no loss: XGBoost with cross-entropy or Huber."""
    X, y, _ = binary_problem(100)
    with threadpool_limits(1, user_api="openmp"):
        classifier, regressor = bl.LossClassifier().fit(X, y), bl.LossRegressor().fit(X, y)
    assert isinstance(classifier.estimator_, xgboost.XGBClassifier)
    assert isinstance(classifier.loss_, bl.CrossEntropy)
    assert isinstance(regressor.estimator_, xgboost.XGBRegressor)
    assert isinstance(regressor.loss_, bl.Huber)


def test_without_xgboost_the_default_names_the_extra(monkeypatch):
    """Where XGBoost is absent, estimator=None says what to install, and LightGBM works."""
    monkeypatch.setitem(sys.modules, "xgboost", None)
    X, y, _ = binary_problem(100)
    with pytest.raises(ImportError, match=r"pip install 'boostloss\[xgboost\]'"):
        bl.LossClassifier().fit(X, y)
    bl.LossClassifier(lgbm_classifier()).fit(X, y)


def test_importing_boostloss_imports_no_engine():
    """Engines are optional: neither is imported before an estimator of it is used."""
    code = "import sys, boostloss; sys.exit(bool({'xgboost', 'lightgbm', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
def test_engines_have_nothing_to_complain_about(make, capfd):
    """At their default verbosity the engines print no warning: no unknown parameter, no meaningless metric."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    arguments = {"verbose": False} if "xgb" in make.__name__ else {}
    X, y, _ = binary_problem()
    model = kind(make(verbosity=1)).fit(X, y, eval_set=[(X[:100], y[:100])], **arguments)
    model.predict(X)
    printed = "".join(capfd.readouterr()).lower()
    for word in ("unknown", "not used", "warning", "boostloss"):
        assert word not in printed
