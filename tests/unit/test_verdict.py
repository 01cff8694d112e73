"""Who may change what: the verdict on paths, without a table and without git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentlock.errors import DatabaseError
from agentlock.guard.verdict import decide
from agentlock.model import Changes, Policy, Reservation
from agentlock.patterns.matching import EXACT, Folding

if TYPE_CHECKING:
    from collections.abc import Iterable

ASKED = Policy(require_reservation=True, exempt=("docs/", "!docs/x"))


def changed(
    *paths: bytes, submodules: Iterable[bytes] = (), added: Iterable[bytes] = ()
) -> Changes:
    return Changes(paths, frozenset(submodules), frozenset(added))


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
    verdict = decide(changed(b"free", path), TABLE, agent, Policy(), EXACT)
    assert [(one.path, one.reservation.id) for one in verdict.conflicts] == [
        (path, number) for number in blocked_by
    ]
    assert verdict.uncovered == ()
    assert verdict.checked == 2
    assert verdict.allowed == (not blocked_by)


def test_a_submodule_is_all_that_lies_below_it() -> None:
    verdict = decide(changed(b"lib", submodules={b"lib"}), TABLE, "A", Policy(), EXACT)
    assert [one.reservation.id for one in verdict.conflicts] == [4]
    assert decide(changed(b"lib", submodules={b"lib"}), TABLE, "B", ASKED, EXACT).uncovered == ()
    assert decide(changed(b"lib"), TABLE, "B", ASKED, EXACT).uncovered == (b"lib",)


def test_no_name_is_a_file_and_a_folder() -> None:
    table = (
        *(held(1, "A", b"/new/**"), held(2, "A", b"/a/b/c.py"), held(3, "A", b"/a/b/*/[x]")),
        *(held(4, "A", b"**/a/b/x.py"), held(5, "A", b"/plain"), held(6, "A", b"/a/bc/")),
    )

    def blocked_by(path: bytes, *, added: bool = True) -> list[int]:
        changes = changed(path, added=[path] if added else [])
        verdict = decide(changes, table, "B", Policy(), EXACT)
        return [one.reservation.id for one in verdict.conflicts]

    assert blocked_by(b"new") == [1]
    assert blocked_by(b"a") == [2, 3, 6]
    assert blocked_by(b"a/b") == [2, 3]
    assert blocked_by(b"a/b/d") == blocked_by(b"ne") == blocked_by(b"new.py") == []
    # What is there as a file already takes nobody's folder.
    assert blocked_by(b"a", added=False) == blocked_by(b"a/b", added=False) == []
    assert blocked_by(b"plain/x", added=False) == blocked_by(b"plain/x/y.py") == [5]
    assert blocked_by(b"plainly") == []
    assert decide(changed(b"plain/x"), table, "A", ASKED, EXACT).uncovered == ()
    assert decide(changed(b"a", added=[b"a"]), table, "A", ASKED, EXACT).uncovered == (b"a",)


def test_names_are_compared_as_the_repository_compares_them() -> None:
    assert decide(changed(b"SRC/x"), TABLE, "B", Policy(), EXACT).allowed
    assert not decide(changed(b"SRC/x"), TABLE, "B", Policy(), Folding(ignore_case=True)).allowed


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
    assert decide(changed(*paths), TABLE, agent, ASKED, EXACT).uncovered == tuple(uncovered)


def test_a_pattern_that_cannot_be_read_is_never_passed_over() -> None:
    with pytest.raises(DatabaseError, match="cannot be read"):
        decide(changed(b"x"), [held(1, "A", b"/a/[")], "B", Policy(), EXACT)
