"""What the reader of README.md has, and its code blocks do not show: imports, data, two data sets for each engine.

y is 0 or 1, so that the same rows are a problem of two classes and one of numbers.
"""

# ruff: noqa: F401

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.model_selection import GridSearchCV, train_test_split
from xgboost import XGBClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3))
y = (X[:, 0] + rng.normal(size=300) > 1).astype(int)
w = rng.uniform(0.5, 2, size=300)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, stratify=y, random_state=0)
dtrain, dvalid, dtest = xgb.DMatrix(X_train, y_train), xgb.DMatrix(X_valid, y_valid), xgb.DMatrix(X_valid)
train_set = lgb.Dataset(X_train, y_train, params={"verbosity": -1})
valid = train_set.create_valid(X_valid, y_valid)
