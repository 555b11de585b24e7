"""The losses as curves
====================

The losses as curves: value, gradient, curvature beside the exact Hessian, and the probability a prediction means.

Two figures. Losses of two classes are drawn against the margin m of the true class, which is the raw prediction z of a
positive row and -z of a negative one; thin grey lines are the cross-entropy and its sigmoid. Losses of the residual
have half the square in grey; their scales are what "auto" gives where S, the typical residual, is 1.

Where the dashed exact Hessian is below zero (shaded) or vanishes, a Newton step runs away; the solid line is the
curvature that `gradient_hessian` recommends. The gradient of SelfAdjusting is not the slope of its value: the weight in
it is frozen. Left out are KLDivergence, with hard labels the cross-entropy; GradientHarmonized, Dice, Tversky and
FocalTversky, whose rows depend on their batch and have no curve of their own; and MultiLabel, which is one of the
others for every label.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

import boostloss as bl

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUTPUT = Path(__file__).parent / "output"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # the colour-blind tell them apart, too
GREY = {"color": "0.65", "linewidth": 1.0, "zorder": 1.5}
VISIBLE = 0.005  # of a Hessian below zero


@dataclass
class Curve:
    """A loss of two classes, seen from the rows of one of them."""

    label: str
    loss: bl.ClassificationLoss
    y: int = 1

    def by_margin(self, m):
        """Value, gradient, curvature and exact Hessian."""
        sign = 1 if self.y else -1
        y, z = np.full_like(m, self.y), sign * m
        value, gradient, curvature, exact = lines_of(self.loss, y, z)
        return value, sign * gradient, curvature, exact


@dataclass
class Family:
    """One row of panels: losses, the largest margin, and the limits of value, gradient and curvature."""

    title: str
    curves: list[Curve]
    span: float
    limits: list[tuple[float, float]]


CROSS_ENTROPY = Curve("cross-entropy", bl.CrossEntropy())
ADJUSTED = bl.LogitAdjusted(class_prior=[0.9, 0.1])
LDAM = bl.LDAM(margins=[0.1, 0.5])
FAMILIES = [
    Family(
        "Focusing: rows that are nearly right pull less. Negatives of Asymmetric let go of confident mistakes as well",
        [
            Curve("Focal, γ = 2", bl.Focal(gamma=2.0)),
            Curve("SelfAdjusting, γ = 1", bl.SelfAdjusting(gamma=1.0)),
            Curve("Asymmetric, y = 1", bl.Asymmetric()),
            Curve("Asymmetric, y = 0", bl.Asymmetric(), y=0),
        ],
        6.0,
        [(-0.2, 6.2), (-1.25, 0.08), (-0.35, 0.65)],
    ),
    Family(
        "Polynomial: the first term of the expansion in powers of 1 - p, moved by ε",
        [
            Curve("Poly1, ε = 1", bl.Poly1(epsilon=1.0)),
            Curve("Poly1, ε = 4", bl.Poly1(epsilon=4.0)),
            Curve("Poly1, ε = -1", bl.Poly1(epsilon=-1.0)),
            Curve("Poly1Focal, γ = 2, ε = 1", bl.Poly1Focal(gamma=2.0, epsilon=1.0)),
        ],
        6.0,
        [(-0.3, 10.2), (-1.7, 0.1), (-0.3, 0.9)],
    ),
    Family(
        "Truncated: rows that are right count nothing (hard) or ever less (soft)",
        [
            Curve("HardTruncated, θ = 0.6", bl.HardTruncated(theta=0.6)),
            Curve("SoftTruncated, k = 10, θ = 0.5", bl.SoftTruncated(k=10.0, theta=0.5)),
            Curve("MarginTruncated, k = 2, t = -1", bl.MarginTruncated(k=2.0, t=-1.0)),
        ],
        6.0,
        [(-0.2, 6.2), (-1.4, 0.08), (-0.35, 1.15)],
    ),
    Family(
        "Class frequencies: here class 1 is a tenth of the rows. Its rows must be right by more than those of class 0",
        [
            Curve("LogitAdjusted, y = 1", ADJUSTED),
            Curve("LogitAdjusted, y = 0", ADJUSTED, y=0),
            Curve("LDAM, y = 1", LDAM),
            Curve("LDAM, y = 0", LDAM, y=0),
        ],
        6.0,
        [(-0.25, 8.5), (-1.05, 0.06), (-0.01, 0.27)],
    ),
    Family(
        "Hinges: beyond a margin nothing. Where the slope is the same for all z, no probability can be told from z",
        [
            Curve("Hinge, b = 0.3", bl.Hinge(bandwidth=0.3)),
            Curve("QuadraticHinge, k = 1", bl.QuadraticHinge(width=1.0)),
            Curve("SquaredHinge", bl.SquaredHinge()),
            Curve("Perceptron, b = 0.3", bl.Perceptron(bandwidth=0.3)),
        ],
        3.0,
        [(-0.15, 5.0), (-2.7, 0.15), (-0.08, 1.8)],
    ),
    Family(
        "Steep: mistakes pull exponentially hard, or up to four times as hard as in the cross-entropy",
        [Curve("Exponential", bl.Exponential()), Curve("ModifiedHuber", bl.ModifiedHuber())],
        3.0,
        [(-0.4, 12.0), (-8.0, 0.4), (-0.25, 6.0)],
    ),
]
RESIDUAL_FAMILIES = [
    (
        "Robust: no outlier pulls harder than by δ or c",
        {"Huber, δ = 1.3": bl.Huber(delta=1.3), "LogCosh, c = 1.2": bl.LogCosh(scale=1.2)},
        [(-0.15, 5.5), (-1.6, 1.6), (-0.05, 1.2)],
    ),
    (
        "Quantiles: the pinball loss has no curvature at all; smoothed over a width of b it has one",
        {
            f"Quantile, τ = {tau}, b = {b:.2g}": bl.Quantile(quantile=tau, bandwidth=b)
            for tau, b in ((0.5, 0.5), (0.75, 0.375), (0.9, 0.18))
        },
        [(-0.15, 4.2), (-1.1, 1.1), (-0.1, 3.0)],
    ),
]


def lines_of(loss, y, z):
    """Value, gradient, curvature and exact Hessian."""
    gradient, curvature = loss.gradient_hessian(y, z)
    return loss.loss(y, z), gradient, curvature, loss.gradient_hessian(y, z, curvature="exact")[1]


def draw(axes, x, lines, **style):
    """Value, gradient, and curvature with the exact Hessian where it is another, in three panels."""
    value, gradient, curvature, exact = lines
    for ax, line in zip(axes, (value, gradient, curvature), strict=False):
        ax.plot(x, line, **style)
    if not np.allclose(curvature, exact):
        axes[2].plot(x, exact, **{**style, "label": None, "linestyle": (0, (4, 2)), "linewidth": 1.2})


def finish(axes, span, limits):
    """Limits, a line at 0, and the legend in the first panel."""
    for ax, limit in zip(axes, limits, strict=True):
        ax.set(xlim=(-span, span), ylim=limit)
        ax.axhline(0, color="0.85", linewidth=0.8, zorder=1)
    axes[2].axhspan(axes[2].get_ylim()[0], 0, color="#fbeae6", zorder=0)
    axes[0].legend(fontsize="small")


def draw_family(figure, family):
    """One row of the first figure: four panels under a title."""
    axes = figure.subplots(1, 4)
    m = np.linspace(-family.span, family.span, 1201)
    draw(axes, m, CROSS_ENTROPY.by_margin(m), label=CROSS_ENTROPY.label, **GREY)
    axes[3].plot(m, CROSS_ENTROPY.loss.predict_proba(m)[:, 1], label="sigmoid of z", **GREY)
    without = []
    for curve, colour in zip(family.curves, COLOURS, strict=False):
        draw(axes, m, curve.by_margin(m), label=curve.label, color=colour)
        if not curve.loss.has_posterior:
            without.append(type(curve.loss).__name__)
        elif curve.y == 1:
            axes[3].plot(m, curve.loss.predict_proba(m)[:, 1], color=colour)
    if without:
        names = "\n".join(without)
        axes[3].text(0.03, 0.95, f"no posterior:\n{names}", transform=axes[3].transAxes, va="top", color="0.35")
    finish(axes, family.span, [*family.limits, (-0.04, 1.04)])
    axes[3].legend(fontsize="small", loc="lower right")
    figure.suptitle(family.title, x=0.01, ha="left", fontweight="bold")
    axes[0].set(ylabel="value", xlabel="margin m")
    axes[1].set(ylabel="gradient", xlabel="margin m")
    axes[2].set(ylabel="curvature, dashed: exact Hessian", xlabel="margin m")
    axes[3].set(ylabel="posterior of class 1", xlabel="raw prediction z")


def draw_residual_family(figure, title, losses, limits):
    """One row of the second figure: three panels under a title."""
    axes = figure.subplots(1, 3)
    r = np.linspace(-4, 4, 1201)
    draw(axes, r, (r**2 / 2, r, np.ones_like(r), np.ones_like(r)), label="half the square", **GREY)
    for (label, loss), colour in zip(losses.items(), COLOURS, strict=False):
        draw(axes, r, lines_of(loss, np.zeros_like(r), r), label=label, color=colour)
    finish(axes, 4, limits)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    for ax, label in zip(axes, ("value", "gradient", "curvature, dashed: exact Hessian"), strict=True):
        ax.set(ylabel=label, xlabel="residual r = prediction - y")


def new_figure(width, height, n_rows):
    """A figure and its rows, each to be drawn on its own."""
    figure = plt.figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    return figure, figure.subfigures(n_rows)


def save_figures():
    """Write both figures and return their paths."""
    OUTPUT.mkdir(exist_ok=True)
    paths = OUTPUT / "loss_gallery.png", OUTPUT / "loss_gallery_regression.png"
    figure, rows = new_figure(16, 21, len(FAMILIES))
    for row, family in zip(rows, FAMILIES, strict=True):
        draw_family(row, family)
    figure.savefig(paths[0], dpi=100)
    figure, rows = new_figure(13, 7.5, len(RESIDUAL_FAMILIES))
    for row, family in zip(rows, RESIDUAL_FAMILIES, strict=True):
        draw_residual_family(row, *family)
    figure.savefig(paths[1], dpi=100)
    return paths


def print_table():
    """Print how hard wrong, undecided and right rows pull, how low the exact Hessian falls, and what z = 2 means."""
    m = np.linspace(-6, 6, 1201)
    at = np.searchsorted(m, (-4, 0, 4))
    print(f"{'':32}{'pull -dL/dm at':>24}{'lowest exact':>16}{'posterior':>12}")
    print(f"{'loss':32}{'m = -4':>8}{'m = 0':>8}{'m = 4':>8}{'Hessian':>9}{'at m':>7}{'at z = 2':>12}")
    for curve in [CROSS_ENTROPY, *(curve for family in FAMILIES for curve in family.curves)]:
        _, gradient, _, exact = curve.by_margin(m)
        pull = "".join(f"{0 - g:8.2f}" for g in gradient[at])
        lowest = f"{exact.min():9.2f}{m[exact.argmin()]:7.1f}" if exact.min() < -VISIBLE else f"{'>= 0':>9}{'':7}"
        posterior = f"{curve.loss.predict_proba([2.0])[0, 1]:.3f}" if curve.loss.has_posterior else "none"
        print(f"{curve.label:32}{pull}{lowest}{posterior:>12}")


def main():
    print_table()
    for path in save_figures():
        print(f"Figure: {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
