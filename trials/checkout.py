"""A copy of this checkout with an environment of its own, to break the program in."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


def copied(folder: Path) -> Path:
    """Copy what git tracks and install it there; its ``.venv`` runs the copy."""
    copy = folder / "copy"
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0")[:-1]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    subprocess.run(("make", "dev"), cwd=copy, check=True, stdout=subprocess.DEVNULL)
    return copy


@contextlib.contextmanager
def replaced(path: Path, text: str) -> Iterator[None]:
    """Another text in a module for a while."""
    right = path.read_text(encoding="utf-8")
    _write_module(path, text)
    try:
        yield
    finally:
        _write_module(path, right)


def _write_module(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    # Python knows a stale one by size and second alone: too coarse for what is replaced quickly.
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
