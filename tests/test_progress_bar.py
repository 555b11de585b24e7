"""The progress bar of the estimators."""

import pickle
import sys

import numpy as np
import pytest
import xgboost
from problems import CLASSIFIERS, binary_problem, lgbm_classifier, xgb_classifier
from trainings import history

import boostloss as bl


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
