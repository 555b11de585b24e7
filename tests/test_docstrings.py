"""Every public name has a numpydoc docstring with what a user needs: parameters, shapes, formulas, sources."""

import importlib
import inspect
import pkgutil
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

import boostloss
import boostloss.formula

PUBLIC_NAMES = Path(__file__).parents[1] / "docs" / "public_names.py"
public_names = SimpleNamespace(**runpy.run_path(str(PUBLIC_NAMES)))
MODULES = [name for name in public_names.MODULES if name != public_names.WORDS]
NAMES = [(module, name) for module in MODULES for name in public_names.names_of(module)]
# Errors in the sections, parameters that are missing, unknown or in another order, no summary, no Returns, no docstring
COUNTED = {
    *("GL04", "GL05", "GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR05", "PR06", "PR10"),
    *("RT01", "SS01", "SS02"),
}
ARRAY = re.compile(r"\b(array-like|ndarrays?)\b")
WITH_SHAPE = re.compile(r"of shape|, shape|shaped as|of three")
BARE_NUMBER = re.compile(r"(float|int)(, (default=.*|optional))?")


def test_modules_are_documented():
    """A new module has its page, or is one of those whose names the package exports."""
    modules = {f"boostloss.{module.name}" for module in pkgutil.iter_modules(boostloss.__path__)}
    exported = {"boostloss.estimators", "boostloss.kernels", "boostloss.losses"}
    assert {name for name in modules if "._" not in name} == {*public_names.MODULES, *exported} - {"boostloss"}
    reference = PUBLIC_NAMES.with_name("reference.rst").read_text(encoding="utf-8")
    assert all(f"\n   {name}\n" in reference for name in public_names.MODULES)


def described():
    """Everything public that has a docstring of its own, by its path: classes, functions, members that are listed."""
    things = {}
    for module, name in NAMES:
        thing = getattr(importlib.import_module(module), name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            things[f"{module}.{name}"] = thing
        if inspect.isclass(thing):
            things |= {f"{module}.{name}.{m}": getattr(thing, m) for m in public_names.members_of(thing)}
    return things


DESCRIBED = described()
LOSSES = [path for path in public_names.template_context()["losses"] if DESCRIBED[path] not in public_names.BASES]


@pytest.mark.parametrize("path", list(DESCRIBED))
def test_docstrings_are_valid(path):
    """Every public docstring parses as numpydoc and names exactly the parameters there are."""
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the test extra, and not installed here")
    assert not [problem for problem in validate.validate(path)["errors"] if problem[0] in COUNTED]


def sections(path):
    """The docstring of something public, by section."""
    scrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is in the test extra, and not installed here")
    return scrape.NumpyDocString(inspect.getdoc(DESCRIBED[path]))


@pytest.mark.parametrize("path", list(DESCRIBED))
def test_docstrings_give_shapes_and_domains(path):
    """An array has its shape, and a number that is a parameter its domain, its default or a sentence."""
    doc = sections(path)
    for entry in (*doc["Parameters"], *doc["Returns"], *doc["Attributes"]):
        text = f"{entry.name} : {entry.type}"
        assert not ARRAY.search(text) or WITH_SHAPE.search(text), text
    for entry in doc["Parameters"]:
        assert entry.desc or not BARE_NUMBER.fullmatch(entry.type), entry


@pytest.mark.parametrize("path", LOSSES)
def test_losses_have_formula_and_notes(path):
    """The value stands in the summary; what it reduces to, its convexity and its source in the notes."""
    doc = sections(path)
    assert ":math:" in " ".join(doc["Summary"]) or path == "boostloss.MultiLabel"
    assert doc["Notes"]


def test_words_of_formulas_are_described():
    """Each in the docstring of its module."""
    for word in boostloss.formula.__all__:
        assert f"``{word}(" in boostloss.formula.__doc__
