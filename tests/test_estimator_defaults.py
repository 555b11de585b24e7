"""The estimators without arguments, without XGBoost, and what engines print."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import xgboost
from problems import CLASSIFIERS, REGRESSORS, binary_problem, lgbm_classifier
from threadpoolctl import threadpool_limits

import boostloss as bl


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


@pytest.mark.parametrize("make", CLASSIFIERS + REGRESSORS)
def test_predictions_of_arrays_warn_of_nothing(make):
    """Whatever the version of the engine thinks of columns without names."""
    kind = bl.LossClassifier if make in CLASSIFIERS else bl.LossRegressor
    X, y, _ = binary_problem(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the filters of pyproject.toml are for what is not ours
        model = kind(make()).fit(X, y, eval_set=(X, y), **({"verbose": False} if "xgb" in make.__name__ else {}))
        stages = list(model.staged_predict(X))
        np.testing.assert_array_equal(stages[-1], model.predict(X))
