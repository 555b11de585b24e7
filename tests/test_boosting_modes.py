"""dart, GOSS and linear boosters under the estimators."""

import subprocess
import sys

import numpy as np
import pytest
import xgboost
from problems import binary_problem, lgbm_classifier

import boostloss as bl


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
