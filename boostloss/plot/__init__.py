"""Pictures of losses and of trainings, after scikit-learn's displays (``pip install "boostloss[plot]"``)."""

from boostloss.plot.loss import LossDisplay
from boostloss.plot.training import TrainingDisplay, plot_training

__all__ = ["LossDisplay", "TrainingDisplay", "plot_training"]
