"""What the shell completes, and which command is suggested for one that does not exist."""

from __future__ import annotations

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo, run


def completed(repo: Repo, words: str, agent: str | None = HOLDER) -> list[str]:
    """What bash is offered for the last of these words."""
    typed = words.split(" ")
    env = {
        "_AGENTLOCK_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(typed) - 1),
    }
    done = run(*AGENTLOCK, cwd=repo.path, agent=agent, env=env)
    assert (done.code, done.err) == (0, "")
    return [line.partition(",")[2] for line in done.out.splitlines() if line]


@pytest.fixture
def held(repo: Repo) -> Repo:
    repo.reserve(HOLDER, "src/", "docs/*.md")
    repo.reserve(OTHER, "lib/")
    return repo


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("agentlock release ", ["src/", "docs/*.md"]),
        ("agentlock renew s", ["src/"]),
        ("agentlock release --id ", ["1", "2", "3"]),
        ("agentlock show ", ["1", "2", "3"]),
        ("agentlock list --agent ", [HOLDER, OTHER]),
        ("agentlock log --agent G", [OTHER]),
        ("agentlock reserve x --agent B", [HOLDER]),
        ("agentlock policy set enf", ["enforcement"]),
        ("agentlock policy set enforcement ", ["block", "warn"]),
        ("agentlock policy set allow_skip o", ["on", "off"]),
    ],
)
def test_the_shell_completes_what_the_table_has(held: Repo, words: str, offered: list[str]) -> None:
    assert completed(held, words) == offered


def test_the_shell_completes_the_agents_places_in_the_queue(held: Repo) -> None:
    held.agentlock("reserve", "lib/", "--queue", agent=HOLDER)
    held.agentlock("reserve", "lib/", "--queue", agent="RedStone")
    assert completed(held, "agentlock queue leave ") == ["1"]
    assert completed(held, "agentlock wait ", agent="RedStone") == ["2"]


@pytest.mark.parametrize(
    "words", ["agentlock release ", "agentlock show ", "agentlock log --agent "]
)
def test_without_a_table_nothing_is_offered_and_nothing_said(held: Repo, words: str) -> None:
    held.database.unlink()
    assert completed(held, words) == []
    assert completed(held, "agentlock release ", agent=None) == []


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("lock", "agentlock reserve"),
        ("unlock", "agentlock release"),
        ("ls", "agentlock list"),
        ("agents", "agentlock agent list"),
        ("reserved", "agentlock reserve"),
        ("statusx", "agentlock status"),
        ("policy shows", "agentlock policy show"),
        ("db checks", "agentlock db check"),
    ],
)
def test_an_unknown_command_is_told_what_was_meant(repo: Repo, typed: str, suggested: str) -> None:
    done = repo.agentlock(*typed.split(" "), agent=OTHER)
    assert done.code == 2
    word = typed.rpartition(" ")[2]
    assert done.err == f"agentlock: No such command '{word}'\n  fix: {suggested}\n"


def test_a_word_that_is_near_nothing_is_told_of_the_help(repo: Repo) -> None:
    assert "  see: agentlock --help\n" in repo.agentlock("frobnicate", agent=OTHER).err
