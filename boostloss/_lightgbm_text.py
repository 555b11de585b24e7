"""LightGBM's model text: the only place where a booster keeps its start and its link."""

import re
from collections.abc import Iterable

import numpy as np

from boostloss._types import Floats

# leaf_const belongs to linear trees; internal_value is what contributions and refits read
VALUES = ("leaf_value", "internal_value", "leaf_const")


def with_link(text: str, link: str) -> str:
    """The model with an objective line, which tells ``predict`` its link."""
    header, separator, trees = text.partition("\nTree=")
    header = re.sub(r"\nobjective=[^\n]*", "", header)
    header = header.replace("\nfeature_names=", f"\nobjective={link}\nfeature_names=", 1)
    return header + separator + trees


def with_start(text: str, start: Iterable[float]) -> str:
    """The model with `start[k]` added to the first tree of every output k."""
    pieces = re.split(r"(?=\nTree=\d+\n)", text)
    for k, value in enumerate(start):
        pieces[k + 1] = _shifted(pieces[k + 1], float(value))
    return _with_tree_sizes(pieces)


def _shifted(tree: str, value: float) -> str:
    """One tree of the text with `value` added to everything it can put out; its shrinkage is then spent."""
    lines = []
    for line in tree.split("\n"):
        name, equals, numbers = line.partition("=")
        if name in VALUES and numbers:
            numbers = " ".join(repr(float(number) + value) for number in numbers.split(" "))
        elif name == "shrinkage":
            numbers = "1"
        lines.append(name + equals + numbers)
    return "\n".join(lines)


def _with_tree_sizes(pieces: list[str]) -> str:
    """The text with the header's list of tree lengths, by which LightGBM finds them, brought up to date."""
    header, *trees = pieces
    last, mark, rest = trees[-1].partition("\nend of trees")
    trees[-1] = last
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    return re.sub(r"\ntree_sizes=[^\n]*", f"\ntree_sizes={sizes}", header) + "".join(trees) + mark + rest


def leaf_values(text: str) -> Floats:
    """The outputs of the leaves of the first tree, to the last bit."""
    numbers = text.partition("\nleaf_value=")[2].partition("\n")[0]
    return np.array(numbers.split(" "), float)
