"""What both doors of the board draw: a picture of the table, and its changes as they happen."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.agent_mail import Mailbox

from agentlock.board import feed as feeds
from agentlock.board.changes import Picture
from agentlock.board.feed import Feed
from agentlock.board.files import Files
from agentlock.board.hub import Hub
from agentlock.git.repository import discover
from agentlock.patterns.keys import literal
from agentlock.patterns.matching import EXACT, Folding, PatternIndex
from agentlock.store import open_table
from agentlock.waiting.wants import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import Repo

    from agentlock.board.changes import Patch
    from agentlock.store.base import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, new_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> Repo:
    repo = new_repo("repo")
    where = ("--database", request.getfixturevalue("postgresql").database())
    assert repo.agentlock("init", *(where if request.param == "postgresql" else ())).code == 0
    monkeypatch.chdir(repo.path)
    return repo


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


def overdue(seconds: float = 60) -> Callable[[], bool]:
    """Ends the changes after a while, so that what never comes is an error and no hanging test."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def until(changes: Iterator[Patch], shown: Picture, is_there: Callable[[Picture], Any]) -> None:
    """Apply what comes until the picture shows something."""
    while not is_there(shown):
        shown.apply(next(changes))


def test_a_change_is_shown_as_soon_as_it_is_committed(
    project: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_WHOLE", 3600.0)  # what events name must do
    feed, shown = Feed(discover()), Picture()
    with closing(feed.changes(overdue())) as changes:
        shown.apply(next(changes))
        assert not shown.rows("leases")
        project.reserve("BlueLake", "src/**", "--reason", "bd-42")
        until(changes, shown, lambda one: one.rows("leases"))
        (lease,) = shown.rows("leases")
        assert (lease["agent"], lease["pattern"], lease["reason"]) == (
            "BlueLake",
            "src/**",
            "bd-42",
        )
        assert project.agentlock("reserve", "src/a.py", "--queue", agent="GreenHill").code == 1
        until(changes, shown, lambda one: one.rows("waits"))
        (wait,) = shown.rows("waits")
        assert [one["agent"] for one in wait["behind"]] == ["BlueLake"]
        project.agentlock("send", "BlueLake", "--subject", "hello", agent="GreenHill")
        until(changes, shown, lambda one: "hello" in [row["subject"] for row in one.rows("mail")])
        assert project.agentlock("release", "--all", agent="BlueLake").code == 0
        until(changes, shown, lambda one: any(row["offer"] for row in one.rows("leases")))
        assert [row["agent"] for row in shown.rows("leases")] == ["GreenHill"]
        assert not shown.rows("waits")
        for section in feed.picture.sections:
            assert shown.rows(section) == feed.picture.rows(section)


def test_patches_make_the_same_picture_as_a_new_look(here: Repo) -> None:
    feed, shown = Feed(discover()), Picture()
    with closing(feed.changes(overdue())) as changes:
        shown.apply(next(changes))
        for agent, pattern in (("A", "a/**"), ("B", "b/**"), ("A", "c")):
            here.reserve(agent, pattern)
        here.agentlock("renew", "--all", agent="A")
        here.agentlock("release", "--all", agent="B")
        here.agentlock("reserve", "a/x", agent="B")  # refused
        until(changes, shown, lambda one: "refused" in [row["kind"] for row in one.rows("events")])
    for section in ("leases", "waits", "events", "mail"):
        assert shown.rows(section) == Feed(discover()).once()[1].rows(section)


def test_a_lease_that_runs_out_disappears_without_an_event(here: Repo) -> None:
    here.reserve("BlueLake", "src/**")
    feed = Feed(discover())
    feed.once()
    (lease,) = feed.picture.rows("leases")
    feed._settle(lease["expires"] - 1)
    assert feed.picture.rows("leases")
    feed._settle(lease["expires"])
    assert not feed.picture.rows("leases")


def test_what_changes_without_an_event_is_shown_when_all_is_read_again(here: Repo) -> None:
    here.reserve("BlueLake", "src/**")
    feed = Feed(discover())
    feed.once()
    here.sql("UPDATE file_reservations SET reason = 'later'")
    with closing(open_table(discover(), read_only=True)) as store:
        feed.read(store)
        assert feed.picture.rows("leases")[0]["reason"] == ""
        feed._read_whole = -feeds._WHOLE
        feed.read(store)
    assert feed.picture.rows("leases")[0]["reason"] == "later"


def test_nothing_is_asked_while_nothing_happens(
    here: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_TICK", 100_000)
    asked: list[str] = []

    @contextmanager
    def opened() -> Iterator[Store]:
        with closing(open_table(discover(), read_only=True)) as store:
            store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]
            yield store

    feed, turns = Feed(discover(), opened), 0

    def is_stopped() -> bool:
        nonlocal turns
        turns += 1
        if turns == 4:
            asked.clear()
        return turns > 8

    assert list(feed.changes(is_stopped))
    assert asked == []
    assert here.path.exists()


def test_a_table_that_cannot_be_read_is_said_and_the_last_picture_stays(here: Repo) -> None:
    here.reserve("BlueLake", "src/**")
    moved = here.database.with_suffix(".away")
    feed, shown = Feed(discover()), Picture()
    with closing(feed.changes(overdue())) as changes:
        shown.apply(next(changes))
        os.rename(here.database, moved)
    with closing(feed.changes(overdue())) as changes:
        until(changes, shown, lambda one: one.rows("trouble"))
        assert "agentlock.sqlite3" in shown.rows("trouble")[0]["text"]
        assert shown.rows("leases")
        os.rename(moved, here.database)
        until(changes, shown, lambda one: not one.rows("trouble"))


def test_a_viewer_gets_each_patch_once_or_the_whole_picture_if_it_has_fallen_behind(
    here: Repo,
) -> None:
    assert here.path.exists()
    hub = Hub(Feed(discover()))

    def take(number: int) -> None:
        hub.take({"now": number, "set": {"events": {str(number): {"id": number}}}})

    def seen(written: bytes) -> list[tuple[bool, list[str]]]:
        found = [json.loads(one[6:]) for one in written.decode().split("\n\n") if one]
        return [(one.get("whole", False), [*one["set"].get("events", {})]) for one in found]

    take(1)
    assert seen(hub.after(0)[0]) == [(True, ["1"])]
    take(2)
    take(3)
    assert seen(hub.after(0)[0]) == [(True, ["1", "2", "3"])]
    written, position = hub.after(1)
    assert (seen(written), position) == ([(False, ["2"]), (False, ["3"])], 3)
    assert hub.after(3) == (b"", 3)
    for number in range(4, 104):
        take(number)
    assert len(seen(hub.after(3)[0])) == 100
    take(104)
    assert [whole for whole, _ in seen(hub.after(3)[0])] == [True]


PATTERNS = (
    *(b"/src/", b"/src/a.py", b"/src/*.py", b"**/*.py", b"/a", b"/a/", b"/a/**", b"/a*/x"),
    *(b"/", b"**/x", b"/src/**/x.md", b"/none/", b"/a-b/", b"/SRC/", b"tool://browser"),
)


@pytest.mark.parametrize("folding", [EXACT, Folding(True, True, beyond_ascii=True)])
def test_the_files_of_a_reservation_are_those_that_the_guard_would_refuse(
    here: Repo, folding: Folding
) -> None:
    names = ("src/a.py", "src/b.md", "src/deep/x.md", "a/x", "a/y", "a-b/x", "a.py", "x", "ab/x")
    for name in names:
        here.write(name)
    here.commit_unguarded()
    files = Files(discover(), folding)
    assert files.refresh()
    assert not files.refresh()
    for text in PATTERNS:
        expected = [path for path in files.paths if PatternIndex([text], folding).matching(path)]
        found = [
            files.paths[at] for start, end in files.spans(text) or () for at in range(start, end)
        ]
        assert found == expected, text


def test_what_an_agent_mail_holds_is_shown_and_goes_when_it_is_released(
    here: Repo, tmp_path: Path
) -> None:
    mailbox = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    assert here.agentlock("init", "--agent-mail", str(mailbox.path)).code == 0
    project = mailbox.project(here.path)
    held = mailbox.reserve(project, mailbox.agent(project, "BlueLake"), "src/*.py")
    here.reserve("GreenHill", "docs/**")
    feed, shown = Feed(discover()), Picture()
    with closing(feed.changes()) as changes:
        until(changes, shown, lambda one: len(one.rows("leases")) == 2)
        seen = {lease["agent"]: lease["pattern"] for lease in shown.rows("leases")}
        assert seen == {"GreenHill": "docs/**", "BlueLake (Agent Mail)": "src/*.py"}
        mailbox.release(held)
        until(changes, shown, lambda one: len(one.rows("leases")) == 1)
    mailbox.path.unlink()
    with closing(feed.changes()) as changes:
        until(changes, shown, lambda one: one.rows("trouble"))
    assert "is missing, so nobody knows" in shown.rows("trouble")[0]["text"]


def test_a_denied_edit_is_shown_as_long_as_somebody_else_holds_the_file(project: Repo) -> None:
    project.reserve("BlueLake", "src/**")
    with closing(open_table(discover())) as store:
        for agent, path in (("RedFox", b"src/a[1].py"), ("GreenHill", b"free.py")):
            remember(store, agent, [literal(path)[0]], EXACT)
        feed = Feed(discover())
        feed.read(store)
        (want,) = feed.picture.rows("wants")
        assert (want["agent"], want["behind"]) == ("RedFox", ["BlueLake"])
        (told,) = feed.picture.rows("attention")
        assert told["text"].startswith("RedFox was kept from editing ")
        assert told["text"].endswith(" ago: BlueLake holds it.")
    assert project.agentlock("release", "--all", agent="BlueLake").code == 0
    _, picture = Feed(discover()).once()
    assert list(picture.rows("wants")) == []
