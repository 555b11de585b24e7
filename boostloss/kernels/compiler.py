"""Numba's compiler, as quick as it gets for our functions: K classes take 0.8 of the time to compile."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager

# Closures and comprehensions, which formulas may not have, and expressions of whole arrays
UNUSED_PASSES = {"InlineClosureLikes", "NopythonRewrites"}
_passes: list[Any] = []


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Python's collector would pass many times through all that Numba allocates, and keeps: an eighth of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class QuickCompiler(CompilerBase):
    """For `njit(pipeline_class=...)`."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a function, and what it calls."""
        with collector_paused():
            return super().compile_extra(func)

    def define_pipelines(self) -> list[Any]:
        """The passes of nopython mode that have work to do; the list is the same for all our functions."""
        if not _passes:
            default = DefaultPassBuilder.define_nopython_pipeline(self.state)
            _passes[:] = [entry for entry in default.passes if entry[0].__name__ not in UNUSED_PASSES]
        manager = PassManager("nopython")
        manager.passes = _passes
        manager.finalize()
        return [manager]
