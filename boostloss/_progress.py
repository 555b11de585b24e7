"""A progress bar of the rounds of a training."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from boostloss._optional import imported

Advance = Callable[[dict[str, float]], None]


@contextlib.contextmanager
def progress_bar(n_rounds: int) -> Iterator[Advance]:
    """A bar of tqdm; call what it yields after every round, with the values of metrics."""
    tqdm = imported("tqdm.auto", "progress", "verbose draws a progress bar with tqdm")
    with tqdm.tqdm(total=n_rounds, unit="round") as bar:

        def advance(values: dict[str, float]) -> None:
            bar.set_postfix(values, refresh=False)
            bar.update()

        yield advance


def xgboost_callback(advance: Advance) -> Any:
    """`advance` as a callback of XGBoost."""
    import xgboost

    class Callback(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            advance({f"{name} {metric}": float(history[-1])
                     for name, metrics in evals_log.items() for metric, history in metrics.items()})
            return False

    return Callback()


def lightgbm_callback(advance: Advance) -> Any:
    """`advance` as a callback of LightGBM, before one that may stop the training."""

    def callback(env: Any) -> None:
        advance({f"{name} {metric}": value for name, metric, value, *_ in env.evaluation_result_list or ()})

    return callback
