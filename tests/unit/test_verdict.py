"""Who may change what: the verdict on paths, without a table and without git."""

from __future__ import annotations

import pytest

from agentlock.errors import DatabaseError
from agentlock.guard.verdict import decide
from agentlock.model import Policy, Reservation
from agentlock.patterns.matching import EXACT, Folding

ASKED = Policy(require_reservation=True, exempt=("docs/", "!docs/x"))


def held(number: int, agent: str, pattern: bytes, *, exclusive: bool = True) -> Reservation:
    return Reservation(number, agent, pattern, exclusive, "", 0, 1, None, number)


TABLE = (
    held(1, "A", b"/src/"),
    held(2, "B", b"**/*.py"),
    held(3, "C", b"/src/**", exclusive=False),
    held(4, "B", b"/lib/**"),
    held(5, "C", b"/notes", exclusive=False),
)


@pytest.mark.parametrize(
    ("agent", "path", "blocked_by"),
    [
        ("A", b"src/x", []),
        ("A", b"src/x.py", [2]),
        ("B", b"src/x.py", [1]),
        ("C", b"src/x.py", [1, 2]),
        (None, b"src/x.py", [1, 2]),
        ("C", b"docs/x", []),
        ("A", b"lib", []),
    ],
)
def test_what_others_hold_exclusively_blocks(
    agent: str | None, path: bytes, blocked_by: list[int]
) -> None:
    verdict = decide([b"free", path], (), TABLE, agent, Policy(), EXACT)
    assert [(one.path, one.reservation.id) for one in verdict.conflicts] == [
        (path, number) for number in blocked_by
    ]
    assert verdict.uncovered == ()
    assert verdict.checked == 2
    assert verdict.allowed == (not blocked_by)


def test_a_submodule_is_all_that_lies_below_it() -> None:
    verdict = decide([b"lib"], {b"lib"}, TABLE, "A", Policy(), EXACT)
    assert [one.reservation.id for one in verdict.conflicts] == [4]
    assert decide([b"lib"], {b"lib"}, TABLE, "B", ASKED, EXACT).uncovered == ()
    assert decide([b"lib"], (), TABLE, "B", ASKED, EXACT).uncovered == (b"lib",)


def test_names_are_compared_as_the_repository_compares_them() -> None:
    assert decide([b"SRC/x"], (), TABLE, "B", Policy(), EXACT).allowed
    assert not decide([b"SRC/x"], (), TABLE, "B", Policy(), Folding(ignore_case=True)).allowed


@pytest.mark.parametrize(
    ("agent", "uncovered"),
    [
        ("A", [b"notes", b"free", b"docs/x"]),
        ("B", [b"notes", b"free", b"docs/x"]),  # what another holds is told as that, and once
        ("C", [b"free", b"docs/x"]),  # a shared reservation covers
        (None, [b"notes", b"free", b"docs/x"]),
    ],
)
def test_where_the_policy_asks_for_it_each_path_needs_a_reservation_of_ones_own(
    agent: str | None, uncovered: list[bytes]
) -> None:
    paths = [b"src/x", b"notes", b"free", b"docs/y", b"docs/x"]
    assert decide(paths, (), TABLE, agent, ASKED, EXACT).uncovered == tuple(uncovered)


def test_a_pattern_that_cannot_be_read_is_never_passed_over() -> None:
    with pytest.raises(DatabaseError, match="cannot be read"):
        decide([b"x"], (), [held(1, "A", b"/a/[")], "B", Policy(), EXACT)
