"""Husky, which sets core.hooksPath anew at each `npm install`, and so leads git away from ours."""

from __future__ import annotations

import json
import os

_LISTS = ("dependencies", "devDependencies", "optionalDependencies")


def line_to_add(root: bytes) -> str:
    """The line for package.json that installs our hooks after husky's, or "" if none is needed."""
    try:
        with open(os.path.join(root, b"package.json"), encoding="utf-8") as file:
            package = json.load(file)
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(package, dict):
        return ""
    lists = [package.get(name) for name in _LISTS]
    if not any(isinstance(one, dict) and "husky" in one for one in lists):
        return ""
    scripts = package.get("scripts")
    prepare = scripts.get("prepare") if isinstance(scripts, dict) else None
    if not isinstance(prepare, str) or not prepare.strip():
        prepare = "husky"
    if "agentlock" in prepare:
        return ""
    # A colleague without agentlock must still be able to run `npm install`.
    return f'"prepare": {json.dumps(f"{prepare} && (agentlock hooks install || true)")}'
