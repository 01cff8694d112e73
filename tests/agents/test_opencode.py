"""OpenCode says when a turn ends, when it compacts, and whose sub-agent has a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agents.formats import told
from agents.programs import PROGRAMS
from agents.stage import start

from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

pytestmark = pytest.mark.agents
OPENCODE = PROGRAMS["opencode"]
FULL = 99_500  # tokens, of the 100,000 that its settings give the model


def test_its_sessions_are_followed_through_sub_agents_compactions_and_the_end_of_a_turn(
    repo: Repo, tmp_path: Path
) -> None:
    edit_hooks.install("opencode")
    task = {"description": "look", "prompt": "look around", "subagent_type": "general"}
    steps = [
        OPENCODE.bash("agentlock whoami"),
        {"tool": "task", "args": task},
        OPENCODE.bash("agentlock whoami; echo of the sub-agent"),
        {"text": "the sub-agent is done"},
        {**OPENCODE.bash("agentlock whoami"), "used": FULL},
        OPENCODE.bash("echo after the compaction"),
    ]
    outcome = start(OPENCODE, steps, project=repo.path, folder=tmp_path / "run").outcome()
    assert outcome.code == 0, outcome
    told_in_all = list(dict.fromkeys(text for one in outcome.requests for text in told(one)))
    name = told_in_all[0].partition(" ")[0]
    of_sub_agent = next(text for text in told_in_all if "of the sub-agent" in text)
    assert of_sub_agent.startswith(f"{name} (this session)")
    welcome = f"agentlock: you are {name} in this project."
    # The compaction forgets the prompt and what went with it, and nothing is prompted after it.
    after = next(text for text in told_in_all if "after the compaction" in text)
    assert welcome in after, told_in_all
    assert [text for text in told_in_all if welcome in text] == [after]
    (row,) = repo.sql(
        "SELECT agents.name, ended_ts, at_prompt_ts FROM conversations"
        " JOIN agents ON agents.id = agent_id"
    )
    assert row[:2] == (name, None)  # the sub-agent has no session of its own
    assert row[2] is not None
    roles = [role for (role,) in repo.sql("SELECT role FROM turns ORDER BY id")]
    assert roles == ["user", "assistant"]
    assert len(repo.sql("SELECT id FROM compaction_metrics")) == 1
