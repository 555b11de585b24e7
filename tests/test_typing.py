"""What a type checker says of a user's code."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # mypy reads NumPy and both engines

RIGHT = """\
import lightgbm as lgb
import numpy as np
import xgboost as xgb

import boostloss as bl
import boostloss.lightgbm
import boostloss.xgboost
from boostloss.formula import sqrt

X, y = np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0])


class RootOfSquares(bl.RegressionLoss):
    def __init__(self, *, c: float = 1.0) -> None:
        self.c = c

    @staticmethod
    def point(r: float, c: float) -> tuple[float, float, float, float]:
        s = sqrt(1.0 + (r / c) * (r / c))
        weight = 1.0 / (c * c * s)
        return (r / c) * (r / c) / (s + 1.0), r * weight, weight / (s * s), weight


@bl.hyper_parameters
class Brier(bl.ClassificationLoss):
    weight: float = 1.0

    @staticmethod
    def point(log_p: float, log_q: float, p: float, q: float, weight: float) -> tuple[float, float, float]:
        return weight * q * q, -2.0 * weight * p * q * q, 2.0 * weight * p * q * q * (p - q)


losses: list[bl.Loss] = [
    Brier(weight=2.0, pos_weight=3.0),
    RootOfSquares(c=2.0),
    bl.Focal(gamma=[1.0, 2.0], class_weight={0: 1.0, 1: 3.0}),
    bl.Huber(delta="auto"),
    bl.Quantile(quantile=np.array([0.1, 0.9])),
    bl.MultiLabel(label_loss=[bl.Focal(), bl.Poly1()]),
]
loss: bl.Focal = bl.Focal(class_weight="balanced").resolve(y)
gradient, hessian = loss.gradient_hessian([1, 0], np.zeros(2), curvature="exact")
mean: float = loss.metric([1, 0], [0.5, 0.5])
same: bl.Focal = bl.Focal.from_dict(loss.to_dict())

xgb.train({}, xgb.DMatrix(X, y), 3, obj=loss, custom_metric=loss.metric)
lgb.train({"objective": loss}, lgb.Dataset(X, y), 3, feval=loss.metric)
xgb.XGBClassifier(objective=loss)
lgb.LGBMClassifier(objective=loss)
boostloss.xgboost.train({}, xgb.DMatrix(X, y), 3, loss=loss)
boostloss.lightgbm.train({}, lgb.Dataset(X, y), 3, loss=loss)
"""
WRONG = {
    "bl.Focal(gama=2.0)": "call-arg",
    "bl.Huber(delta=None)": "arg-type",
    "bl.Focal().gradeint_hessian": "attr-defined",
    "bl.Focal().metric_name + 1": "operator",
}


def errors_in(code: str, folder: Path) -> list[str]:
    """What mypy finds in code of a user."""
    path = folder / "user.py"
    path.write_text(code, encoding="utf-8")
    options = "--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={folder}"
    run = subprocess.run([sys.executable, "-m", "mypy", *options, path], capture_output=True, text=True, check=False)
    assert not run.stderr, run.stderr
    return [line for line in run.stdout.splitlines() if " error: " in line]


def test_right_code_has_no_errors(tmp_path):
    """Losses of one's own, both engines, and what losses return."""
    pytest.importorskip("mypy", reason="mypy is in the test extra, and not installed here")
    assert errors_in(RIGHT, tmp_path) == []


def test_mistakes_are_found(tmp_path):
    """A misspelt parameter or method, a parameter of another type, and what is done with a name."""
    pytest.importorskip("mypy", reason="mypy is in the test extra, and not installed here")
    errors = errors_in("import boostloss as bl\n" + "\n".join(WRONG), tmp_path)
    found = {int(error.split(":")[1]) - 2: error for error in errors}
    for i, kind in enumerate(WRONG.values()):
        assert f"[{kind}]" in found.get(i, ""), errors
