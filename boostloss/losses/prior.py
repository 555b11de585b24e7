"""Cross-entropies that know how frequent the classes are: logit adjustment and LDAM."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from boostloss._types import Array, Floats, OfClasses, OfProbability, Parameters
from boostloss._validation import check_number
from boostloss.kernels import softmax
from boostloss.kernels.cpu import compiled
from boostloss.kernels.scalar import log1p_unit, margin_exp, real
from boostloss.kernels.threads import empty_like, run_flat
from boostloss.losses.base import Targets, target_of
from boostloss.losses.class_weight import check_numbers_of_classes
from boostloss.losses.classification import CrossEntropy
from boostloss.losses.classification_base import ClassificationLoss
from boostloss.losses.parameters import hyper_parameters
from boostloss.losses.probability import softplus


def shifted_logistic(log_p: float, log_q: float, p: float, q: float, shift: float, scale: float) -> OfProbability:
    """log(1 + exp(-x)) / scale, x = scale (m - shift), with the margin m of p."""
    x, e = margin_exp(log_p, log_q, shift, scale)
    scale = real(scale)
    larger = 1.0 / (1.0 + e)
    smaller = e * larger
    up = x >= 0.0
    first = -smaller if up else -larger
    return ((0.0 if up else -x) + log1p_unit(e)) / scale, first, scale * smaller * larger + p * first


@hyper_parameters
class LogitAdjusted(CrossEntropy):
    r"""Logit-adjusted cross-entropy: that of the raw predictions :math:`z_k + \tau \log \pi_k`.

    Parameters
    ----------
    tau : float >= 0, default=1.0
        0 is the cross-entropy; at 1 the largest raw prediction is the best decision for balanced error.
    class_prior : sequence of float > 0, optional
        pi, the frequency of every class, in any unit. By default the summed sample weights of the training labels.
    curvature : {"auto", "exact"}, default="auto"
        As of the cross-entropy.

    Notes
    -----
    It is the cross-entropy with an offset that is left out at prediction: `predict` takes the largest raw prediction,
    so that rare classes are found; `predict_proba` puts the offset back and is true. Convex. Two classes: the offset is
    tau log(pi_1 / pi_0) for the one raw prediction. Source: Menon et al., ICLR 2021.
    """

    tau: float = 1.0
    class_prior: OfClasses | None = None

    def _validate(self) -> None:
        super()._validate()
        check_number("tau", self.tau, low=0)
        check_numbers_of_classes("class_prior", self.class_prior, low=0, low_open=True)

    point = staticmethod(shifted_logistic)  # type: ignore[assignment]  # it has hyper-parameters

    def _depends_on_labels(self) -> bool:
        return self.class_prior is None or super()._depends_on_labels()

    def _take_numbers(self, resolved: Self, targets: Targets) -> None:
        super()._take_numbers(resolved, targets)
        if self.class_prior is None:
            totals = self._class_totals(targets)
            totals[totals == 0] = targets.total_weight / targets.n_rows / 2  # half a row
            resolved.class_prior = (totals / totals.sum()).tolist()

    def _offset(self, n_classes: int) -> Floats:
        """What is added to the raw prediction of every class, tau log pi."""
        if self.class_prior is None:
            raise ValueError(
                "class_prior == None depends on the training labels: "
                "use loss.resolve(y_true, sample_weight), which returns a loss with numbers."
            )
        if len(self.class_prior) != n_classes:
            raise ValueError(f"class_prior has {len(self.class_prior)} entries, must have {n_classes}.")
        return self.tau * np.log(np.asarray(self.class_prior, np.float64))

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        offset = self._offset(n_classes)
        if n_classes > 2:
            return [()] * n_classes
        shift = float(offset[1] - offset[0])
        return [(shift, 1.0), (-shift, 1.0)]

    def _run(
        self, result: str, targets: Targets, raw: Array, policy: tuple[float, ...], outputs: tuple[Array, ...]
    ) -> None:
        if targets.n_outputs == 1:
            return super()._run(result, targets, raw, policy, outputs)
        shifted = empty_like(raw)
        offset = self._offset(targets.n_outputs).astype(raw.dtype)
        target, layout = target_of(raw.dtype, raw.dtype), softmax.layout_of(raw)
        kernel = compiled(softmax.shift_classes, None, None, target, layout=layout)
        run_flat(kernel, (), raw, (offset,), (shifted,))
        return self._plain()._run(result, targets, shifted, policy, outputs)

    def _log_posterior(self, margins: Floats) -> Floats:
        return -softplus(-margins) + self._offset(margins.shape[1])

    def _decision(self, raw: Array) -> NDArray[np.intp]:
        """That of the largest raw prediction."""
        return CrossEntropy()._decision(raw)


@hyper_parameters
class LDAM(ClassificationLoss):
    r"""Label-distribution-aware margin loss: :math:`w_y \log(1 + e^{-s (m - \Delta_y)}) / s`, m the margin of p.

    Parameters
    ----------
    max_margin : float >= 0, default=0.5
        The margin Delta of the rarest class; the others have max_margin (n_min / n_k)^(1/4).
    scale : float > 0, default=1.0
        s. The 30 of the paper is for normalised logits.
    margins : sequence of float >= 0, optional
        Delta of every class. By default from the summed sample weights n_k of the training labels.
    curvature : {"auto", "exact"}, default="auto"
        Two classes: both are the second derivative, at least 1e-16. K classes: "auto" is
        max(second derivative, abs(gradient) / 2).

    Notes
    -----
    The margin against all other classes: m = log(p / (1 - p)). Convex; max_margin = 0 and scale = 1 are the
    cross-entropy. Not proper; `predict_proba` inverts exactly. Source: Cao et al., NeurIPS 2019.
    """

    convex = True

    max_margin: float = 0.5
    scale: float = 1.0
    margins: OfClasses | None = None

    def _validate(self) -> None:
        super()._validate()
        check_number("max_margin", self.max_margin, low=0)
        check_number("scale", self.scale, low=0, low_open=True)
        check_numbers_of_classes("margins", self.margins, low=0)

    point = staticmethod(shifted_logistic)

    def _depends_on_labels(self) -> bool:
        return self.margins is None or super()._depends_on_labels()

    def _take_numbers(self, resolved: Self, targets: Targets) -> None:
        super()._take_numbers(resolved, targets)
        if self.margins is None:
            totals = self._class_totals(targets)
            rarest = totals[totals > 0].min()
            totals[totals == 0] = rarest
            resolved.margins = (self.max_margin * (rarest / totals) ** 0.25).tolist()

    def _class_parameters(self, n_classes: int) -> list[Parameters]:
        if self.margins is None:
            raise ValueError(
                "margins == None depends on the training labels: "
                "use loss.resolve(y_true, sample_weight), which returns a loss with numbers."
            )
        if len(self.margins) != n_classes:
            raise ValueError(f"margins has {len(self.margins)} entries, must have {n_classes}.")
        return [(float(margin), float(self.scale)) for margin in self.margins]

    def _log_slope(self, log_p: Floats, log_q: Floats, p: Floats, q: Floats) -> Floats:
        """log(-f') = -log(1 + exp(scale (m - Delta))) - log q."""
        margins = np.array([margin for margin, _ in self._class_parameters(log_p.shape[1])])
        return -softplus(self.scale * (log_p - log_q - margins)) - log_q
