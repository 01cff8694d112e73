"""The grammar of shell command lines: tree-sitter's, of bash.

Both packages are libraries in C with a few lines of Python around them, which load half of the
standard library: twice what all the rest of an edit hook costs. So the libraries are loaded alone.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tree_sitter import Node


def parse(line: str) -> Node:
    """The tree of a command line. ImportError if the grammar is not installed."""
    library, bash = _libraries()
    root: Node = (
        library.Parser(library.Language(bash.language()))
        .parse(line.encode("utf-8", "replace"))
        .root_node
    )
    return root


def _libraries() -> tuple[Any, Any]:
    """The library and the grammar of bash."""
    for folder in _installed():
        found = [_library(os.path.join(folder, name)) for name in ("tree_sitter", _BASH)]
        if all(found):
            return found[0], found[1]
    return _imported()


_BASH = "tree_sitter_bash"


def _installed() -> list[str]:
    """Where packages are, next to this one or of this interpreter."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    prefix = os.path.dirname(os.path.dirname(sys.executable))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [os.path.join(prefix, "lib", version, "site-packages"), here]


def _library(package: str) -> Any:
    """The module in C of an installed package; None if it is not there, or not as expected."""
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import (
        ExtensionFileLoader,
    )
    from _imp import create_dynamic, exec_dynamic, extension_suffixes

    for suffix in extension_suffixes():
        path = os.path.join(package, f"_binding{suffix}")
        if os.path.exists(path):
            name = f"{os.path.basename(package)}._binding"
            try:
                module = create_dynamic(
                    ModuleSpec(name, ExtensionFileLoader(name, path), origin=path)
                )
                exec_dynamic(module)
            except ImportError:
                return None
            return module
    return None


def _imported() -> tuple[Any, Any]:
    """Both in the ordinary way."""
    if sys.flags.no_site:  # as hooks start Python
        import site

        site.main()
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter, tree_sitter_bash
