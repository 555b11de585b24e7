"""What importing boostloss imports."""

from processes import run_python

IMPORTS = """
import json, sys
import boostloss, boostloss.xgboost, boostloss.lightgbm, boostloss.formula
heavy = ("numba", "numba.cuda", "xgboost", "lightgbm", "matplotlib", "mpmath")
before = [name for name in heavy if name in sys.modules]
loss = boostloss.Focal()
loss([0.0, 1.0], [0.5, 0.5])
loss.metric([0.0, 1.0], [0.5, 0.5])
print(json.dumps([before, [name for name in heavy if name in sys.modules]]))
"""


def test_import_is_light():
    """`import boostloss` imports no engine, no matplotlib and no Numba; a first call imports Numba without CUDA."""
    at_import, after_a_call = run_python(IMPORTS)
    assert at_import == []
    assert after_a_call == ["numba"]
