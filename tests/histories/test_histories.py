"""Several agents at one table, every call written down: one order must explain all answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from histories.planted import Mistake, planted
from histories.stage import CROWDED, WEIGHTS, Stage, build, explained, faults, story

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
MISTAKES_IN_THE_QUEUE = (
    Mistake(
        "grants a request before a place that came earlier",
        "reservations/search.py",
        "return (*self.confirmed(now), *held, *self.places(now))",
        "return self.confirmed(now)",
    ),
    Mistake(
        "loses the hand-over to what stands behind a place",
        "store/waits.py",
        "UPDATE waits SET due_ts = -abs(due_ts) WHERE {column}",
        "UPDATE waits SET due_ts = due_ts WHERE {column}",
    ),
    Mistake(
        "lets no offer lapse",
        "model.py",
        "return self.released_ts is None and self.expires_ts > now",
        "return self.released_ts is None and (self.expires_ts > now or self.offer)",
    ),
)


def test_whatever_several_agents_do_at_once_one_order_explains_it(tmp_path: Path) -> None:
    repo = build(tmp_path / "repo")
    with Stage(repo) as stage:
        for seed in range(4):
            before, events = stage.history(seed, calls=10)
            assert explained(before, events), story(seed, before, events)
            assert faults(repo) == []


@pytest.mark.parametrize(
    "mistake", [*MISTAKES, *MISTAKES_IN_THE_QUEUE], ids=lambda mistake: mistake.name
)
def test_a_mistake_that_only_shows_among_several_agents_is_found(
    mistake: Mistake, tmp_path: Path
) -> None:
    repo = build(tmp_path / "repo")
    env = {"PYTHONPATH": str(planted(mistake, tmp_path / "wrong"))}
    with Stage(repo, env) as stage:
        stage.weights = CROWDED if mistake in MISTAKES_IN_THE_QUEUE else WEIGHTS
        assert not all(explained(*stage.history(seed, calls=10)) for seed in range(20))
