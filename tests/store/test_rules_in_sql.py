"""What SQL leaves out is what the rules in ``model`` leave out, in every combination."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import pytest

from agentlock.model import Policy, Reservation
from agentlock.patterns.matching import compile_pattern, path_keys
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentlock.store.base import Store

HOUR = 3600 * 1_000_000
PATTERN, PATH = b"/src/", b"src/a.py"
KEYS = compile_pattern(PATTERN).keys
NOBODY = ""


class SharedBlock(Policy):
    """A policy under which shared reservations block as well."""

    @property
    def blocking_modes(self) -> tuple[bool, ...]:
        return (True, False)


class Asked(NamedTuple):
    agent: str
    exclusive: bool


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    location = str(tmp_path / "table" / "agentlock.sqlite3")
    if request.param == "postgresql":
        location = request.getfixturevalue("postgresql").database()
    identifier, _ = migrate.make(location, Modes())
    migrate.add_project(location, "p")
    store = open_store(location, identifier, "p")
    yield store
    store.close()


def held(store: Store, agent: str, state: str, *, exclusive: bool) -> Reservation:
    """A reservation of PATTERN that is "live", "expired" or "released"."""
    with store.writing():
        now = store.now()
        store.agents.register(agent, now)
        granted = store.reservations.grant(
            agent,
            PATTERN,
            typed=PATTERN,
            keys=KEYS,
            exclusive=exclusive,
            reason="",
            now=now,
            expires=now - HOUR if state == "expired" else now + HOUR,
        )
        return granted if state != "released" else store.reservations.change(granted, released=now)


def combinations(store: Store) -> Iterator[Reservation]:
    """Every kind of reservation, one at a time: each has ended when the next one is there."""
    for agent, exclusive, state in itertools.product(
        ("Mine", "Theirs"), (True, False), ("live", "expired", "released")
    ):
        one = held(store, agent, state, exclusive=exclusive)
        yield one
        with store.writing():
            store.reservations.change(one, released=store.now())


@pytest.mark.parametrize("policy", [Policy(), SharedBlock()], ids=["default", "shared block"])
def test_sql_finds_something_that_blocks_where_the_rule_does(store: Store, policy: Policy) -> None:
    answers = set()
    for one in combinations(store):
        now = store.now()
        for agent in ("Mine", "Theirs", NOBODY):
            blocks = one.is_live(now) and policy.blocks(one, agent or None)
            assert store.reservations.any_blocks(policy, agent, now) == blocks, (one, agent)
            answers.add(blocks)
    assert answers == {True, False}


def test_sql_leaves_out_nothing_that_the_rules_count(store: Store) -> None:
    wanted = [Asked(*one) for one in itertools.product(("Mine", "Theirs"), (True, False))]
    policies = (Policy(), SharedBlock())
    counted = 0
    for one in combinations(store):
        fence, now = one.fence - 1, store.now()
        rows = store.reservations
        if one.is_live(now) and any(one.meets(asked) for asked in wanted):
            counted += 1
            assert one in rows.live_near(KEYS, now)
            assert one in rows.live_since(fence, now, [KEYS])
        if one.is_live(now) and any(policy.blocks(one, None) for policy in policies):
            counted += 1
            assert one in rows.live_on(*path_keys(PATH), now)
            assert one in store.standing(*path_keys(PATH))[2]
    assert counted == 8


def test_two_reservations_meet_if_they_are_two_agents_and_one_is_exclusive() -> None:
    def one(agent: str, *, exclusive: bool) -> Reservation:
        return Reservation(1, agent, PATTERN, exclusive, "", 0, HOUR, None, 1)

    for agent, mine, theirs in itertools.product("AB", (True, False), (True, False)):
        meet = one("A", exclusive=mine).meets(one(agent, exclusive=theirs))
        assert meet == (agent == "B" and (mine or theirs))
        assert meet == one(agent, exclusive=theirs).meets(one("A", exclusive=mine))
