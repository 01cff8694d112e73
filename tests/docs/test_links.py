"""Every relative link in a Markdown file leads to a file, and to a heading in it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(?ms)^(```|~~~).*?^\1")
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"(?m)^#+ +(.*?) *#*$")


def pages() -> list[str]:
    """Every Markdown file of the checkout, relative to its root."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") or name == ".github"]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
    return sorted(name for name in found if name.endswith(".md"))


def anchors(page: Path) -> set[str]:
    """The names that a forge gives to the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    text = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", pages())
def test_every_relative_link_leads_somewhere(name: str) -> None:
    assert broken_links(ROOT / name) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page's name: `x`\n[a](page.md#a-pages-name-x) [b](#nowhere) [c](gone.md)\n"
        "```\n[in a block](gone.md)\n```\n`[in code](gone.md)` [d](https://example.com/x)\n"
    )
    assert broken_links(page) == ["#nowhere", "gone.md"]
