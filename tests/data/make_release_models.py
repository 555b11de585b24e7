"""Write the models of this release that later ones must read: ``python tests/data/make_release_models.py``.

Run it once, when a version is about to be released, with the oldest engines of pyproject.toml. Files of earlier
releases stay as they are; tests/test_release_models.py reads all of them.
"""

import pickle
from pathlib import Path

import lightgbm
import numpy as np
import xgboost

import boostloss as bl

DATA = Path(__file__).parent
LABELS = np.array(["no", "perhaps", "yes"])
XGB = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}
LGBM = {"n_estimators": 3, "num_leaves": 3, "n_jobs": 1, "verbosity": -1}


def problem():
    """Features and targets of every kind."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    X[::7, 1] = np.nan
    score = X[:, 0] + rng.normal(size=80)
    return X, {
        "two": LABELS[2 * (score > 0.5)],
        "three": LABELS[np.digitize(score, [-0.5, 0.8])],
        "several": np.column_stack([score > 0, X[:, 2] > 0.3]).astype(int),
        "number": 10 + 3 * score,
        "positive": np.exp(score / 2),
    }


def models():
    """Estimators, each with the kind of its target: a loss of every family, both engines."""
    two, three = bl.Focal(gamma=1.5, class_weight={"yes": 3.0}), bl.LDAM(class_weight="balanced")
    classifiers = {
        "xgboost": (lambda: xgboost.XGBClassifier(**XGB), lambda: xgboost.XGBRegressor(**XGB)),
        "lightgbm": (lambda: lightgbm.LGBMClassifier(**LGBM), lambda: lightgbm.LGBMRegressor(**LGBM)),
    }
    for engine, (classifier, regressor) in classifiers.items():
        yield engine, "two", bl.LossClassifier(classifier(), two)
        yield engine, "three", bl.LossClassifier(classifier(), three)
        if engine == "xgboost":
            yield engine, "several", bl.LossClassifier(classifier(), bl.Asymmetric())
        yield engine, "number", bl.LossRegressor(regressor(), bl.Quantile(quantile=[0.1, 0.5, 0.9]))
        yield engine, "positive", bl.LossRegressor(regressor(), bl.Poisson())


def main():
    """Write one pickle per engine, and what its models predict."""
    X, targets = problem()
    pickles, predictions = {}, {"X": X}
    for engine, target, model in models():
        pickles.setdefault(engine, {})[target] = model.fit(X, targets[target])
        for method in ("predict", "predict_proba"):
            if hasattr(model, method):
                predictions[f"{engine}-{target}-{method}"] = getattr(model, method)(X)
    for engine, fitted in pickles.items():
        (DATA / f"release_{bl.__version__}_{engine}.pkl").write_bytes(pickle.dumps(fitted, protocol=5))
    np.savez_compressed(DATA / f"release_{bl.__version__}_predictions.npz", **predictions)


if __name__ == "__main__":
    main()
