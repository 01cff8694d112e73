"""Random commands next to the plain queue, several agents at once, and mistakes that both find."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from support import run
from waiting.histories import at_once, differs

if TYPE_CHECKING:
    from support import Result

SCRIPT = Path(__file__).with_name("histories.py")
MISTAKES = [
    Mistake(
        "a request that comes later is granted before a place",
        "reservations/search.py",
        "return (*self.confirmed(now), *held, *self.places(now))",
        "return (*self.confirmed(now), *held)",
    ),
    Mistake(
        "nobody looks after those who stand behind a place that has ended",
        "store/waits.py",
        "UPDATE waits SET due_ts = -abs(due_ts) WHERE {column}",
        "UPDATE waits SET due_ts = due_ts WHERE {column}",
    ),
    Mistake(
        "an offer does not lapse",
        "waiting/turn.py",
        "expires=now + min(within, wait.ttl)",
        "expires=now + wait.ttl",
    ),
]


@pytest.mark.parametrize("seed", range(4))
def test_the_queue_and_the_plain_queue_come_to_the_same(seed: int) -> None:
    assert differs(seed) == ""


def test_agents_that_act_at_once_are_granted_in_order() -> None:
    assert at_once(0) == ""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 300, 50))
def test_many_histories_come_to_the_same(first: int) -> None:
    found = histories("--first", str(first), "--seeds", "50")
    assert found.code == 0, found


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_a_mistake_in_the_queue_is_found(mistake: Mistake, tmp_path: Path) -> None:
    found = histories("--seeds", "20", package=planted(mistake, tmp_path / "planted"))
    assert found.code == 1, found
    assert found.out.startswith("seed ")


def histories(*options: str, package: Path | None = None) -> Result:
    path = {} if package is None else {"PYTHONPATH": str(package)}
    return run(sys.executable, str(SCRIPT), *options, cwd=Path.cwd(), env={**os.environ, **path})
