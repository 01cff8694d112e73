"""The page about the queue names a test for each rule, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "queue.md"


def test_every_test_that_the_page_about_the_queue_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    there: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        there |= set(re.findall(r"(?m)^def (test_\w+)", path.read_text(encoding="utf-8")))
    assert len(named) > 40
    assert named <= there, named - there
