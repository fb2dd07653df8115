"""Sphinx settings. The API pages are written from the packages' modules, so that none is forgotten."""

import importlib.metadata
import pkgutil
from importlib.util import find_spec
from pathlib import Path

project = "Panoptic"
author = "The Panoptic Authors"
copyright = "2026, The Panoptic Authors"
release = importlib.metadata.version("panoptic-fusion")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Panoptic segmentation on MMDetection"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Members that our classes inherit from torch and OpenMMLab are documented there.
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Types of OpenMMLab and torch have no inventory at hand: the build uses no network.
nitpicky = False
suppress_warnings = ["ref.python"]

PACKAGES = ["panoptic_fusion", "panoptic_core", "panoptic_data", "panoptic_heads"]


def module_names(package: str) -> dict[str, bool]:
    """List a package's public modules in alphabetical order, and whether each is a package."""
    names = {}
    pending = [(package, list(find_spec(package).submodule_search_locations))]
    while pending:
        parent, paths = pending.pop()
        for info in pkgutil.iter_modules(paths):
            if info.name.startswith("_"):
                continue
            name = f"{parent}.{info.name}"
            names[name] = info.ispkg
            if info.ispkg:
                pending.append((name, [str(Path(path) / info.name) for path in paths]))
    return dict(sorted(names.items()))


def write_api_pages(folder: Path) -> None:
    """Write one page a package into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        title = package.replace("_", "-")
        lines = [f"# {title}", ""]
        for name, is_package in module_names(package).items():
            # What a package re-exports is documented where it is defined.
            options = ["   :no-members:"] if is_package else []
            lines += [f"## `{name}`", "", "```{eval-rst}", f".. automodule:: {name}", *options, "```", ""]
        (folder / f"{title}.md").write_text("\n".join(lines), encoding="utf-8")


write_api_pages(Path(__file__).parent / "generated")
