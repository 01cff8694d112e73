"""Copies of the program with a mistake in it, which the tests must find."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import agentlock


class Mistake(NamedTuple):
    """A text in one module and what stands there instead; ``name`` says what it comes to."""

    name: str
    module: str
    right: str
    wrong: str


def planted(mistake: Mistake, folder: Path) -> Path:
    """A folder for PYTHONPATH in which the program has that mistake."""
    source = Path(agentlock.__file__).parent
    shutil.copytree(source, folder / "agentlock", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source.parent / "hooks", folder / "hooks")
    path = folder / "agentlock" / mistake.module
    text = path.read_text(encoding="utf-8")
    assert text.count(mistake.right) == 1, mistake
    path.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")
    return folder
