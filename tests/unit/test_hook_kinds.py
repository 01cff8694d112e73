"""What knows a hook by its name agrees with agentlock/hook_kinds.py."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from agentlock.guard.questions import QUESTIONS
from agentlock.hook_kinds import JUDGES, KINDS, MOVES_REFS, RECEIVES, RECORDS, with_role
from agentlock.install import shims

ROOT = Path(__file__).resolve().parents[2]
OURS = with_role(JUDGES, RECEIVES, MOVES_REFS, RECORDS)


def test_the_guard_has_a_function_for_each_hook_that_asks_it() -> None:
    assert set(QUESTIONS) == set(with_role(JUDGES, RECEIVES, MOVES_REFS))


@pytest.mark.parametrize("hook", OURS)
def test_a_script_is_filled_in_and_names_known_hooks_only(hook: str) -> None:
    script = shims.guarding(hook, "'/former'", [("/usr/bin/python3", "/agentlock/__main__.py")])
    text = script.decode("ascii", "replace")
    assert not re.search(r"@[A-Z_]+@", text)
    code = "\n".join(line.partition("#")[0] for line in text.splitlines())
    named = set(re.findall(r"\b(?:pre|post|prepare|reference)-[a-z-]+", code))
    assert hook in named
    assert named <= KINDS.keys()


def test_a_hook_that_clears_another_is_never_the_last_to_judge() -> None:
    for kind in KINDS.values():
        assert not kind.clears or KINDS[kind.clears].refuses


def test_the_framework_runs_each_of_our_ids_at_the_stages_of_its_hooks() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    stages = {
        found["id"]: {stage.strip() for stage in found["stages"].split(",")}
        for found in re.finditer(
            r"^- id: (?P<id>\S+)$.*?^  stages: \[(?P<stages>[^]]*)\]$",
            text,
            re.DOTALL | re.MULTILINE,
        )
    }
    ids = {kind.framework for kind in KINDS.values()} - {""}
    assert stages == {
        one: {kind.name for kind in KINDS.values() if kind.framework == one} for one in ids
    }


def test_every_hook_of_which_git_has_a_sample_is_known(tmp_path: Path) -> None:
    subprocess.run(("git", "init", "-q", str(tmp_path)), check=True)
    samples = {path.stem for path in (tmp_path / ".git" / "hooks").glob("*.sample")}
    assert samples - {"fsmonitor-watchman"} <= KINDS.keys()
