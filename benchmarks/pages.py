"""Pages of measurements whose sections are measured, and replaced, one by one."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from run import Section, machine

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Page", "Section", "short"]


class Page:
    """A Markdown file: a title, then sections; each says by which command and where it was made."""

    def __init__(self, path: Path, title: str) -> None:
        self._path = path
        self._title = title

    def replace(self, section: Section) -> None:
        """Write the section in the place of an older one of that title, or at the end."""
        head = f"# {self._title}\n\n"
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else head
        sections = re.split(r"(?m)^(?=## )", text)
        new = section.markdown() + f"\n{origin()}\n"
        kept = [old for old in sections if old.partition("\n")[0] != f"## {section.title}"]
        at = next((at for at, old in enumerate(sections) if old not in kept), len(kept))
        kept[at:at] = [new]
        joined = "\n\n".join(part.strip() for part in kept) + "\n"
        self._path.write_text(joined, encoding="utf-8")
        print(new)


def origin() -> str:
    command = " ".join(["python", *sys.argv])
    return f"Made by `{command}`.\n\n{machine()}"


def short(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"
