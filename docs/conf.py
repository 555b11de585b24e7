"""Sphinx configuration: guide, API reference and gallery. Nothing is fetched from the network."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import boostloss
import public_names

project = "boostloss"
copyright = "the boostloss developers"
release = version = boostloss.__version__

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "templates"]
templates_path = ["templates"]
default_role = "py:obj"

autosummary_context = public_names.template_context()
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/(plot_|quickstart)",
    "ignore_pattern": r"datasets\.py",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "example_file.set_file"),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "boostloss"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
