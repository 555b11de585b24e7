"""MarginLoss: what follows from a formula of the margin m, the raw prediction of class 1 and minus that of class 0."""

import numpy as np

from boostloss._types import Floats
from boostloss.kernels import templates
from boostloss.kernels.cpu import compiled
from boostloss.kernels.threads import run_rows
from boostloss.losses.classification_base import LEAST_CURVATURE, ClassificationLoss
from boostloss.losses.parameters import hyper_parameters

LEAST_SLOPE = 1e-300  # of a row that pulls no more: its logarithm is a number
FLOOR_OF_EXACT = 1e-6  # of the curvature over abs(gradient): the exact second derivative of a hinge is 0


@hyper_parameters
class MarginLoss(ClassificationLoss):
    """A loss of two classes by the margin m = z for class 1 and -z for class 0: derive from it and write `point`.

    ``point(m, *params)`` is a static method of plain scalar Python that returns value, first and second derivative by
    m, and a positive curvature. Its arguments after the first are hyper-parameters, attributes of the same names.

    Parameters
    ----------
    curvature : {"auto", "exact"}, default="auto"
        "auto" is the curvature of `point`; "exact" is its second derivative, at least 1e-6 abs(gradient).
    """

    variable = "margin"
    n_arguments = 1
    binary_only = True
    convex = True

    def _floors(self, curvature: str | None, n_outputs: int) -> tuple[float, float]:
        floors = super()._floors(curvature, n_outputs)
        return (FLOOR_OF_EXACT, LEAST_CURVATURE) if self.curvature == "exact" and curvature is None else floors

    def _slope(self, margins: Floats) -> Floats:
        """-phi'(m), by the kernel."""
        flat = np.ascontiguousarray(margins, np.float64).ravel()
        first, scalars = np.empty_like(flat), (*self._class_parameters(2), (1.0, 1.0), False, 0.0, 0.0)
        kernel = compiled(templates.binary_derivatives, self.point, self.variable, "double")
        run_rows(kernel, (np.ones_like(flat), flat, np.empty(0)), scalars, (first, np.empty_like(flat)))
        return -first.reshape(np.shape(margins))

    def _log_posterior(self, margins: Floats) -> Floats:
        """Where z is stationary, eta_1 / eta_0 = phi'(-z) / phi'(z)."""
        return -np.log(np.maximum(self._slope(margins), LEAST_SLOPE))
