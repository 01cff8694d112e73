"""Pages of measurements whose sections are measured, and replaced, one by one."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agentlock import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = ROOT / "docs" / "evidence"
PAGE_VARIABLE = "AGENTLOCK_BENCHMARK_PAGE"
RESULTS = Path(os.environ.get(PAGE_VARIABLE) or ROOT / "benchmarks" / "RESULTS.md")


class Section(NamedTuple):
    """One measurement as it is written down."""

    title: str
    text: str
    table: list[Sequence[str]]

    def markdown(self) -> str:
        head, *rows = self.table
        rule = ["---", *["---:"] * (len(head) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
        return "\n".join([f"## {self.title}", "", self.text, "", *lines, ""])


class Page:
    """A Markdown file: a title, then sections; each says by which command and where it was made."""

    def __init__(self, path: Path = RESULTS, title: str = "What the guard costs") -> None:
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


def machine() -> str:
    git = subprocess.run(("git", "version"), capture_output=True, text=True, check=True).stdout
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    facts = {
        "machine": f"{processor()}, {os.cpu_count()} cores{load}",
        "system": f"{platform.system()} {platform.release()}",
        "versions": f"agentlock {__version__}, Python {platform.python_version()}, "
        f"{git.strip()}, SQLite {sqlite3.sqlite_version}",
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
