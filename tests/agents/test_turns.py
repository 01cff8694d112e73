"""An agent whose turn has come while it works, or sits at its prompt, goes on by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from agents.failing import UNASKED
from agents.programs import PROGRAMS
from agents.stage import LIMIT, start, wait_for
from support import HOLDER, OTHER

from agentlock.edit_hooks.dialect import START
from agentlock.edit_hooks.programs import dialect_of
from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.formats import Step
    from agents.programs import Program
    from support import Repo

pytestmark = pytest.mark.agents
HOLDS = [one for name, one in PROGRAMS.items() if dialect_of(name).hold is not None]
FORMAT = ("--output-format", "stream-json", "--verbose")
SENTENCE = "agentlock: it is your turn: you hold src/x.py now"


def waits(repo: Repo, program: Program) -> list[Step]:
    """Another agent holds the file; the program's takes a place behind it."""
    repo.write("src/x.py")
    repo.commit_unguarded()
    repo.reserve(HOLDER, "src/x.py")
    edit_hooks.install(program.name)
    return [program.bash("agentlock reserve src/x.py --queue")]


@pytest.mark.parametrize("program", HOLDS, ids=[one.name for one in HOLDS])
def test_a_turn_that_would_end_goes_on_if_the_agents_own_has_come(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    asked, free = tmp_path / "asked", tmp_path / "free"
    steps = [
        *waits(repo, program),
        {"text": "I cannot go on", "signal": str(asked), "after": str(free)},
        program.bash("agentlock list --mine; agentlock whoami"),
    ]
    more = UNASKED if program.name == "codex" else ()
    running = start(program, steps, project=repo.path, folder=tmp_path / "run", more=more)
    wait_for(asked)
    assert repo.agentlock("release", "src/x.py", agent=HOLDER).code == 0
    free.touch()
    outcome = running.outcome()
    assert SENTENCE in outcome.words, outcome.told
    assert len(outcome.told) == 2, outcome.told
    assert repo.live()[0][0] in outcome.told[1]


@pytest.mark.parametrize("program", HOLDS, ids=[one.name for one in HOLDS])
def test_a_model_that_hears_nothing_at_the_start_hears_it_at_its_prompt(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    waits(repo, program)
    dialect = dialect_of(program.name)
    settings = Path(edit_hooks.file_of(dialect, None))
    document = json.loads(settings.read_text(encoding="utf-8"))
    del document["hooks"][dialect.event_of(START)]
    settings.write_text(json.dumps(document), encoding="utf-8")
    assert repo.agentlock("reserve", "src/x.py", "--queue", agent=OTHER).code == 1
    assert repo.agentlock("release", "src/x.py", agent=HOLDER).code == 0
    outcome = start(
        program,
        [{"text": "done"}],
        project=repo.path,
        folder=tmp_path / "run",
        more=UNASKED if program.name == "codex" else (),
        env={"AGENTLOCK_AGENT": OTHER},
    ).outcome()
    assert f"agentlock: you are {OTHER} in this project." in outcome.words
    assert SENTENCE in outcome.words
    assert repo.live() == [(OTHER, "/src/x.py", True)]


def test_claude_code_is_woken_at_its_prompt(repo: Repo, tmp_path: Path, home: Path) -> None:
    program = PROGRAMS["claude"]
    known = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    settings = {"hasCompletedOnboarding": True, "projects": {str(repo.path): known}}
    settings["customApiKeyResponses"] = {"approved": ["test"], "rejected": []}
    (home / ".claude.json").write_text(json.dumps(settings), encoding="utf-8")
    assert_is_woken(program, repo, tmp_path, without=("-p", *FORMAT))


def test_opencode_is_woken_at_its_prompt(repo: Repo, tmp_path: Path) -> None:
    without = ("run", "--print-logs", "--log-level", "WARN", "go")
    assert_is_woken(PROGRAMS["opencode"], repo, tmp_path, without=without, more=("--prompt", "go"))


def assert_is_woken(program: Program, repo: Repo, tmp_path: Path, **words: Sequence[str]) -> None:
    """On its screen, where it sits at its prompt."""
    woken = tmp_path / "woken"
    steps = [
        *waits(repo, program),
        {"text": "I cannot go on"},
        {**program.bash("agentlock whoami")},
        {"text": "done", "signal": str(woken)},
    ]
    options = {"project": repo.path, "folder": tmp_path / "run", "until": woken}
    env = {"TERM": "xterm-256color"}
    running = start(program, steps, env=env, **options, **words)  # type: ignore[arg-type]
    sleeps = "SELECT count(*) FROM waits WHERE ended_ts IS NULL AND bell <> ''"
    end = time.monotonic() + LIMIT
    while repo.sql(sleeps) != [(1,)] and time.monotonic() < end:
        time.sleep(0.05)
    assert repo.agentlock("release", "src/x.py", agent=HOLDER).code == 0
    outcome = running.outcome()
    assert outcome.code == 0, outcome.out[-2000:]
    assert SENTENCE in outcome.words
    assert repo.live()[0][0] in outcome.told[-1]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_model_reads_who_it_is_and_its_shell_acts_under_that_name(
    repo: Repo, tmp_path: Path, program: Program
) -> None:
    edit_hooks.install(program.name)
    steps = [program.bash("agentlock whoami --json")]
    more = UNASKED if program.name == "codex" else ()
    folder = tmp_path / "run"
    outcome = start(program, steps, project=repo.path, folder=folder, more=more).outcome()
    named = outcome.told[0].partition('"agent": "')[2].partition('"')[0]
    assert named, outcome.told
    assert f"agentlock: you are {named} in this project." in outcome.words
