"""Several agents at one table, every call written down: one order must explain all answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from histories.stage import Stage, build, explained, faults

if TYPE_CHECKING:
    from pathlib import Path

MISTAKES = (
    Mistake(
        "does not look again inside the transaction",
        "reservations/granting.py",
        "conflicts = search.all_confirmed(now)\n        if conflicts:",
        "conflicts = tuple(search.found)\n        if conflicts:",
    ),
    Mistake(
        "says yes and forgets it, now and then",
        "store/sqlite/__init__.py",
        'execute("COMMIT")',
        'execute("COMMIT" if time.time_ns() % 8 else "ROLLBACK")',
    ),
    Mistake(
        "takes what runs out within the hour for over",
        "store/base.py",
        "self.reservations.live_on(prefixes, names, now, added)",
        "self.reservations.live_on(prefixes, names, now + 3600 * 10**6, added)",
    ),
)


def test_whatever_several_agents_do_at_once_one_order_explains_it(tmp_path: Path) -> None:
    repo = build(tmp_path / "repo")
    with Stage(repo) as stage:
        for seed in range(4):
            before, events = stage.history(seed, calls=10)
            assert explained(before, events), (seed, before, events)
            assert faults(repo) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_that_only_shows_among_several_agents_is_found(
    mistake: Mistake, tmp_path: Path
) -> None:
    repo = build(tmp_path / "repo")
    env = {"PYTHONPATH": str(planted(mistake, tmp_path / "wrong"))}
    with Stage(repo, env) as stage:
        assert not all(explained(*stage.history(seed, calls=10)) for seed in range(20))
