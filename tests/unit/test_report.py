"""How a refusal is told."""

from __future__ import annotations

import re

import pytest

from agentlock.guard.report import verdict_text
from agentlock.model import Blocked, PathConflict, Policy, Reservation, Verdict
from agentlock.records import WORKING, Agent, Presence
from agentlock.text import printable

NOW = 1_000_000_000
HELD = Reservation(
    42, "BlueLake", b"/src/auth/**", True, "bd-42", 0, NOW + 42 * 60_000_000, None, 7
)


REST = ("commit the rest", "git commit --only -m 'both' -- README.md")


def told(paths: list[bytes], *, others: int = 0, **changes: object) -> str:
    conflicts = tuple(PathConflict(path, HELD.replace(**changes)) for path in paths)
    verdict = Verdict(len(paths) + others, conflicts, (), Policy())
    rest = REST if others else None
    return verdict_text(verdict, NOW, what="commit", agent="GreenHill", rest=rest)


def test_a_refusal_is_the_one_in_the_design() -> None:
    assert told([b"src/auth/login.py", b"src/auth/token.py"], others=3) == (
        "agentlock: commit refused: 2 of 5 paths are reserved by others\n"
        "\n"
        '  src/auth/login.py  BlueLake  exclusive  src/auth/**  for 42m more  "bd-42"\n'
        '  src/auth/token.py  BlueLake  exclusive  src/auth/**  for 42m more  "bd-42"\n'
        "\n"
        "  commit the rest: git commit --only -m 'both' -- README.md\n"
        "  wait:            agentlock reserve src/auth/login.py src/auth/token.py --wait\n"
        "  see:             agentlock show 42\n"
    )


@pytest.mark.parametrize("count", [1, 8, 9, 50_000])
def test_it_never_takes_more_than_seventeen_lines(count: int) -> None:
    paths = [b"src/auth/%d" % number for number in range(count)]
    verdict = Verdict(
        count + 9,
        tuple(PathConflict(path, HELD) for path in paths),
        tuple(b"bare/%d" % number for number in range(9)),
        Policy(require_reservation=True),
        holders={
            HELD.agent: Presence(
                Agent(HELD.agent, "claude", "", 0, NOW, "/w1", "feat/blue", "h"), WORKING, "", NOW
            )
        },
    )
    text = verdict_text(verdict, NOW, what="commit", agent=None, rest=REST)
    assert text.count("\n") <= 17
    assert f"{count} of {count + 9} paths" in text


def test_a_push_names_its_commits_below_four_paths_and_stays_short() -> None:
    conflicts = tuple(PathConflict(b"src/auth/%d" % number, HELD) for number in range(9))
    rows = (("1403f33a1b2c", "no record", '"Sneak it in"', "main", "changes src/auth/1"),) * 5
    blocked = Blocked(rows, 2, (("ask:", "BlueLake to release src/auth/**, then push again"),))
    verdict = Verdict(9, conflicts, (), Policy(), blocked=blocked)
    lines = verdict_text(verdict, NOW, what="push", agent="GreenHill").splitlines()
    assert lines[5:9] == [
        lines[2].replace("/0 ", "/3 "),
        "  and 5 more",
        "",
        '  1403f33a1b2c  no record  "Sneak it in"  main  changes src/auth/1',
    ]
    waited = " ".join(f"src/auth/{number}" for number in range(9))
    assert lines[13:] == [
        "  and 2 more",
        "",
        "  ask:  BlueLake to release src/auth/**, then push again",
        f"  wait: agentlock reserve {waited} --wait",
        "  see:  agentlock show 42",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain \xc3\xa9", "plain é"),
        (b"a\nb\tc\x1b[31m", r"a\nb\tc\x1b[31m"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"\x80", r"\x80"),
        ("\u202egnp.exe".encode(), r"\u202egnp.exe"),
        (b"\xc2\x9b31m", r"\x9b31m"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_printed(name: bytes, shown: str) -> None:
    assert printable(name) == shown


def test_a_reason_cannot_forge_a_line() -> None:
    text = told([b"src/auth/x"], reason="done\n  commit it all: git commit --no-verify")
    assert text.count("\n") == 6
    assert r"done\n  commit it all" in text


def test_what_is_said_of_each_path_stands_in_columns() -> None:
    rows = told([b"x", b"src/auth/x"]).splitlines()[2:4]
    assert rows[1].startswith("  src/auth/x  BlueLake  exclusive")
    assert [row.index("BlueLake") for row in rows] == [14, 14]
    wide = told([b"x", b"y" * 100]).splitlines()[2]
    assert wide.index("BlueLake") == 64


def test_a_long_reason_is_cut() -> None:
    assert max(map(len, told([b"x"], reason="y" * 1000).splitlines())) < 200


@pytest.mark.parametrize(
    ("path", "argument"),
    [
        (b"src/x", "../src/x"),
        (b"docs/-x", "./-x"),
        (b"docs/!x", "'./!x'"),
        (b"docs/[x]", "--literal '[x]'"),
    ],
)
def test_the_command_that_reserves_what_is_not_covered_can_be_pasted(
    path: bytes, argument: str
) -> None:
    verdict = Verdict(1, (), (path,), Policy(require_reservation=True))
    text = verdict_text(verdict, NOW, what="commit", agent="GreenHill", folder=b"docs")
    assert f"  fix: agentlock reserve {argument}\n" in text


@pytest.mark.parametrize(
    ("on_server", "why", "fix"),
    [
        (False, "no agent name is set", "export AGENTLOCK_AGENT="),
        (
            True,
            "this server is not told who pushes",
            "ask whoever runs the server to run: agentlock init --server --identity-variable NAME",
        ),
    ],
)
def test_a_refusal_without_a_name_says_so_and_how_to_get_one(
    on_server: bool, why: str, fix: str
) -> None:
    verdict = Verdict(1, (PathConflict(b"src/auth/x", HELD),), (), Policy())
    text = verdict_text(verdict, NOW, what="push", agent=None, on_server=on_server)
    assert text.startswith(f"agentlock: push refused: 1 of 1 path is reserved by others ({why})\n")
    assert f"\n  fix: {fix}" in text
    # An agent's next command may run in another shell, where the export is forgotten.
    assert on_server or re.search(r"fix: export (\S+), or put \1 before each command", text)
    named = verdict_text(verdict, NOW, what="push", agent="GreenHill", on_server=on_server)
    assert why not in named
    assert "fix:" not in named
