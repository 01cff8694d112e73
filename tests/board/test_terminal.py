"""The board in a terminal: Textual's own pilot, and a real terminal under tmux."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.board_scene import play, write_files
from support.browser import lack, pictures
from textual.widgets import DataTable, Input, Static

from agentlock.board.changes import Picture
from agentlock.board.detail import detail_text
from agentlock.board.feed import Feed
from agentlock.board.terminal import VIEWS, BoardApp, Detail
from agentlock.git.repository import discover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import Repo


@pytest.fixture
def shop(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    write_files(repo.path)
    repo.commit_unguarded("the shop")
    monkeypatch.chdir(repo.path)
    play()
    return repo


def test_views_search_and_detail_by_key(shop: Repo) -> None:
    app = BoardApp(Feed(discover()))

    async def story() -> None:
        async with app.run_test(size=(80, 24)) as pilot:

            async def until(is_so: Callable[[], object]) -> None:
                for _ in range(600):
                    if is_so():
                        return
                    await pilot.pause(0.05)
                raise AssertionError(app.picture.sections.keys())

            def shown(name: str) -> str:
                return str(app.query_one(name, Static).render())

            def table(name: str) -> DataTable[object]:
                return app.query_one(f"#table-{name}", DataTable)

            def is_filled(name: str) -> bool:
                return table(name).row_count > 0

            await until(lambda: "SilverFern is stuck on" in shown("#headline"))
            assert "released" in shown("#happens")
            for number, view in enumerate(VIEWS, start=1):
                await pilot.press(str(number))
                await until(partial(is_filled, view.name.lower()))
            await pilot.press("3")
            shop.reserve("NightHeron", "web/pages/page1.tsx")
            await until(lambda: table("leases").row_count == 10)
            await pilot.press("slash", *"billing")
            await until(lambda: table("leases").row_count == 1)
            assert app.query_one("#find", Input).value == "billing"
            await pilot.press("enter", "enter")
            await until(lambda: isinstance(app.screen, Detail))
            await pilot.press("escape")
            await until(lambda: not isinstance(app.screen, Detail))
            await pilot.press("escape")
            await until(lambda: table("leases").row_count == 10)
            await pilot.resize_terminal(120, 40)
            await until(lambda: app.size.width == 120)
            await pilot.press("q")

    asyncio.run(story())


def test_what_others_wrote_is_text_in_a_terminal_too() -> None:
    picture = Picture()
    reason = "[red]all yours[/red]\x1b[2J\nagentlock: released"
    lease = {"id": 1, "agent": "A", "pattern": "a\x07b", "exclusive": True, "reason": reason}
    lease |= {"created": 0, "expires": 60_000_000, "worktree": "/w\x1b", "offer": False}
    picture.put("leases", "1", lease)
    text = detail_text(picture, "leases", "1", 0).plain
    assert "\x1b" not in text
    assert "\x07" not in text
    assert '"[red]all yours[/red]\\x1b[2J\\nagentlock: released"' in text
    ((_, cells),) = VIEWS[2].rows(picture, 0, "")
    assert "[red]" in cells[4].plain
    assert all("\x1b" not in cell.plain for cell in cells)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Runs words for tmux, on a server of its own."""
    if shutil.which("tmux") is None:
        lack("tmux")
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    monkeypatch.delenv("TMUX", raising=False)

    def tmux(*words: str) -> str:
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-L", "board", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    yield tmux
    tmux("kill-server")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_in_a_real_terminal(
    shop: Repo, terminal: Callable[..., str], width: int, height: int
) -> None:
    command = f"exec {shlex.quote(sys.executable)} -m agentlock board"
    size = ("-x", str(width), "-y", str(height))
    terminal("new-session", "-d", *size, "-c", str(shop.path), command)

    def until(text: str) -> str:
        for _ in range(600):
            if text in (screen := terminal("capture-pane", "-p")):
                return screen
            time.sleep(0.05)
        raise AssertionError(screen)

    screen = until("SilverFern is stuck on src/billing/tax.py")
    assert "1 Now" in screen
    assert "7 Sessions" in screen
    assert "Search" in until("Quit")
    screen = until("released")
    assert max(map(len, screen.splitlines())) <= width
    if (folder := pictures()) is not None:
        (folder / f"board-terminal-{width}x{height}.txt").write_text(screen, encoding="utf-8")
    terminal("send-keys", "2")
    until("feat/invoices in")
    terminal("send-keys", "Enter")
    until("worktree")
    terminal("send-keys", "Escape")
    until("9 agents")
    for _ in range(600):  # Escape and a letter at once would be Alt and the letter
        if "worktree" not in terminal("capture-pane", "-p"):
            break
        time.sleep(0.05)
    terminal("send-keys", "q")
    for _ in range(600):
        if not terminal("list-sessions"):
            return
        time.sleep(0.05)
    raise AssertionError("it does not end")


def test_once_prints_the_same_picture_in_a_pipe(shop: Repo) -> None:
    for words in (("board", "--once"), ("board",)):  # a pipe is no terminal to stay in
        told = shop.agentlock(*words, env={"COLUMNS": "100"})
        assert told.code == 0, told
        assert told.out.startswith("SilverFern is stuck on src/billing/tax.py: AmberOwl holds")
        for text in ("BlueLake", '"bd-42: log in with a passkey"', "what happened last"):
            assert text in told.out
    wrong = shop.agentlock("board", "--port", "1")
    assert (wrong.code, "add --web" in wrong.err) == (2, True)
    assert os.getcwd() == str(shop.path)
