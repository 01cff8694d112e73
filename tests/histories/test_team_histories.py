"""What a team does at random: git refuses just what the oracle refuses.

The search with thousands of pushes is trials/team_histories.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from histories.team import Team
from histories.team_desks import Settings
from histories.team_place import build
from histories.team_work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from histories.team_desks import Wrong

# Few kinds of doings, so that much of it is refused soon.
DENSE = {
    "reserve": 6,
    "release": 2,
    "commit": 10,
    "sneak": 3,
    "amend": 2,
    "push": 10,
    "push_main": 3,
    "force": 8,
    "delete": 4,
    "plumbing": 3,
}
SEED, STEPS, MORE_STEPS = 7, 30, 40
STRICT = Settings(strict=True, cover=True, gate=False)
MISTAKES = {  # where they are found, and by which seed
    Mistake(
        "believes that a commit is entered although no gate allowed it",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if oid not in bound:",
    ): (Settings(), 0),
    Mistake(
        "does not judge what a push drops",
        "guard/dropping.py",
        "return {path: touching for path, touching in found.items() if touching}",
        "return {}",
    ): (Settings(), 8),
    Mistake(
        "lets every branch move",
        "guard/moving.py",
        "return excuse_commits(reader, verdict, touched), ALLOWED",
        "return verdict.replace(conflicts=(), uncovered=()), ALLOWED",
    ): (STRICT, 0),
    Mistake(
        "asks nobody for reservations of their own",
        "guard/verdict.py",
        "if policy.require_reservation:",
        "if policy.max_ttl < 0:",
    ): (STRICT, 2),
}


def differences(
    folder: Path, seed: int, env: dict[str, str], settings: Settings, steps: int = STEPS
) -> list[Wrong]:
    """The first answers of a history that are not the oracle's."""
    build(folder, env)
    team = Team(folder, settings, env)
    try:
        work = Work(team, seed, DENSE)
        while work.count < steps and not team.wrong:
            work.step()
    finally:
        team.close()
    return team.wrong


def test_every_refusal_is_explained_and_nothing_else_is_refused(tmp_path: Path) -> None:
    assert differences(tmp_path / "team", SEED, {}, Settings()) == []


@pytest.mark.slow
def test_so_it_is_where_hooks_are_strict_and_commits_need_reservations(tmp_path: Path) -> None:
    assert differences(tmp_path / "team", SEED, {}, STRICT) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
@pytest.mark.slow
def test_a_mistake_in_the_ledger_is_found(mistake: Mistake, tmp_path: Path) -> None:
    wrong = {"PYTHONPATH": os.fspath(planted(mistake, tmp_path / "wrong"))}
    settings, seed = MISTAKES[mistake]
    assert differences(tmp_path / "team", seed, wrong, settings, MORE_STEPS)
