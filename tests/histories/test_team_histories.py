"""What a team does at random: git refuses just what the oracle refuses.

The search with thousands of pushes is trials/team_histories.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from histories.team import Settings, Team
from histories.team_place import build
from histories.team_work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from histories.team import Wrong

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
}
SEED, STEPS = 7, 30
MISTAKES = (
    Mistake(
        "believes that a commit is entered although no gate allowed it",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if oid not in bound:",
    ),
    Mistake(
        "does not judge what a push drops",
        "guard/dropping.py",
        "return {path: touching for path, touching in found.items() if touching}",
        "return {}",
    ),
)


def differences(folder: Path, seed: int, env: dict[str, str]) -> list[Wrong]:
    """The first answers of a history that are not the oracle's."""
    build(folder, env)
    team = Team(folder, Settings())
    try:
        work = Work(team, seed, DENSE)
        while work.count < STEPS and not team.wrong:
            work.step()
    finally:
        team.close()
    return team.wrong


def test_every_refusal_is_explained_and_nothing_else_is_refused(tmp_path: Path) -> None:
    assert differences(tmp_path / "team", SEED, {}) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
@pytest.mark.slow
def test_a_mistake_in_the_ledger_is_found(mistake: Mistake, tmp_path: Path) -> None:
    wrong = {"PYTHONPATH": os.fspath(planted(mistake, tmp_path / "wrong"))}
    assert differences(tmp_path / "team", SEED, wrong)
