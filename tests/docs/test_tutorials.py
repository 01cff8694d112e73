"""Every tutorial says what happens: its commands are run, and print what it shows."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from support.tutorials import TUTORIALS, agrees, played, steps, unvarying, variables

if TYPE_CHECKING:
    from pathlib import Path

# A command fails exactly where a reader sees that it does.
FAILED = re.compile(r"(?m)^(?:remote: )?(?:agentlock: .*refused|error:|fatal:)|^  fix: ")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("name", sorted(page.name for page in TUTORIALS.glob("*.md")))
def test_a_tutorial_shows_what_its_commands_print_and_they_end_as_a_reader_expects(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables().items():
        monkeypatch.setenv(variable, value)
    told = steps((TUTORIALS / name).read_text(encoding="utf-8"))
    assert told
    for step, code, printed in played(told, home):
        assert agrees(unvarying(printed), unvarying(step.printed)), (step, printed)
        assert (code != 0) == bool(FAILED.search(printed)), (step, code, printed)
