"""The compiler of kernels: Numba's, in fewer passes, with Python's collector paused."""

import gc

import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError

from boostloss.kernels.compiler import QuickCompiler


class Observer(event.Listener):
    """Whether the collector was on at the start of any pass."""

    def __init__(self):
        self.seen = set()

    def on_start(self, event):
        self.seen.add(gc.isenabled())

    def on_end(self, event):
        pass


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_paused_and_then_as_before(enabled):
    function, observer = njit(pipeline_class=QuickCompiler)(lambda x: x + 1), Observer()
    (gc.enable if enabled else gc.disable)()
    try:
        with event.install_listener("numba:run_pass", observer):
            assert function(1.5) == 2.5
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
    assert observer.seen == {False}


def test_collector_is_on_again_after_an_error():
    with pytest.raises(TypingError):
        njit(pipeline_class=QuickCompiler)(lambda x: x + "text")(1.5)
    assert gc.isenabled()


def test_passes_are_left_out():
    function = njit(pipeline_class=QuickCompiler)(lambda x: x * 2)
    assert function(1.5) == 3
    (times,) = function.get_metadata(function.signatures[0])["pipeline_times"].values()
    names = {name.split("_", 1)[1] for name in times}
    assert {"nopython_type_inference", "native_lowering"} <= names
    assert names.isdisjoint({"inline_closure_likes", "nopython_rewrites"})
