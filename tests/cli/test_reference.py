"""docs/reference/commands.md says what the commands' own help says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_the_commands_say_of_themselves() -> None:
    script = ROOT / "docs" / "generate" / "reference.py"
    made = subprocess.run((sys.executable, script), check=True, capture_output=True, text=True)
    written = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    # words, not layout: releases of click wrap lines differently
    assert made.stdout.split() == written.split(), f"run {script}"
