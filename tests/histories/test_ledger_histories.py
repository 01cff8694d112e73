"""Commits made in every order with grants and releases: a push takes just what was allowed.

The model is a set of commits. Each was allowed when it was made, or made behind the guard's back; a
push to a side branch passes if each of its commits was allowed, or touches nothing that another
agent holds now.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from support import NO_HOOKS, make_plain, run
from support.glob_oracle import seeded

if TYPE_CHECKING:
    from pathlib import Path

AGENTS, FILES, STEPS = ("BlueLake", "GreenHill", "RedStone"), ("a.py", "b.py"), 12
MISTAKES = (
    Mistake(
        "believes that a commit is entered although no gate allowed it",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if oid not in bound:",
    ),
    Mistake(
        "believes no entry",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if False:",
    ),
)


def differences(folder: Path, seed: int, env: dict[str, str]) -> list[str]:
    """The pushes of one history that did not end as the model says."""
    folder.mkdir()
    repo = make_plain(folder / "repo", *FILES)
    run("git", "init", "-q", "--bare", "remote.git", cwd=folder)
    repo.must("remote", "add", "origin", str(folder / "remote.git"))
    assert repo.agentlock("init", env=env).code == 0
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main")
    chance = seeded(seed)
    held: dict[str, str] = {}
    commits: list[tuple[str, bool]] = []  # the file, and whether it was allowed
    wrong = []
    for step in range(STEPS):
        agent, name = chance.choice(AGENTS), chance.choice(FILES)
        kind = chance.choice(("reserve", "release", "commit", "commit", "sneak", "push", "push"))
        free = held.get(name, agent) == agent
        if kind == "reserve" and name not in held:
            repo.reserve(agent, name)
            held[name] = agent
        elif kind == "release" and held.get(name) == agent:
            assert repo.agentlock("release", name, agent=agent, env=env).code == 0
            del held[name]
        elif kind in ("commit", "sneak"):
            repo.write(name, f"{step}\n")
            repo.must("add", "--all")
            if kind == "sneak":
                repo.commit_unguarded(f"{step}")
                commits.append((name, False))
            elif (made := repo.git("commit", "-q", "-m", f"{step}", agent=agent)).code == 0:
                assert free, made
                commits.append((name, True))
            else:
                assert not free, made
                repo.must("reset", "-q", "--hard")
        elif kind == "push":
            expected = all(allowed or held.get(file, agent) == agent for file, allowed in commits)
            what = ("push", "-q", "--dry-run", "origin", f"HEAD:refs/heads/side-{step}")
            if (repo.git(*what, agent=agent).code == 0) != expected:
                wrong.append(f"{seed}, step {step}: {agent} {commits} {held}")
            elif expected:  # the push judged all of them, and let them pass
                commits = [(file, True) for file, _ in commits]
    return wrong


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]
)
def test_a_push_takes_just_what_was_allowed_when_it_was_made(seed: int, tmp_path: Path) -> None:
    assert differences(tmp_path / "history", seed, {}) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_an_entry_that_is_believed_wrongly_is_found(mistake: Mistake, tmp_path: Path) -> None:
    wrong = {"PYTHONPATH": os.fspath(planted(mistake, tmp_path / "wrong"))}
    assert any(differences(tmp_path / f"history-{seed}", seed, wrong) for seed in range(20))
