"""The board's server: what it answers, and to whom."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import run
from support.board_server import serving

from agentlock.board import web
from agentlock.board.access import HEADERS
from agentlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Repo
    from support.board_server import Board

PATHS = ("/", "/changes", "/files", "/history?path=a", "/past?seconds=60", "/static/main.js")
NOBODY = {"Cookie": ""}


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


@pytest.fixture
def board(here: Repo) -> Iterator[Board]:
    assert here.path.exists()
    with serving() as found:
        yield found


def test_whoever_lacks_the_token_gets_nothing_and_is_sent_nowhere(board: Board) -> None:
    for path in (*PATHS, "/?token=", "/?token=wrong", f"/files?token={board.token}"):
        answer = board.ask(path, NOBODY)
        assert answer.status == 401, path
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert board.token.encode() not in answer.body
    wrong = board.cookie[:-1] + ("A" if board.cookie[-1] != "A" else "B")
    assert board.ask("/files", {"Cookie": wrong}).status == 401


def test_the_token_in_the_address_moves_into_a_cookie_that_no_script_reads(board: Board) -> None:
    page = board.ask(f"/?token={board.token}", NOBODY)
    assert page.status == 200
    cookie = page.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert board.token.encode() not in page.body
    assert board.ask("/", {"Cookie": cookie.split(";")[0]}).status == 200


def test_a_name_of_somebody_else_that_leads_here_is_refused(board: Board) -> None:
    for host in (
        "evil.example",
        f"evil.example:{board.port}",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ):
        answer = board.ask("/files", {"Host": host})
        assert (answer.status, answer.headers["x-frame-options"]) == (403, "DENY"), host
    for host in ("localhost", f"localhost:{board.port}", "127.0.0.1:9999", f"[::1]:{board.port}"):
        assert board.ask("/files", {"Host": host}).status == 200, host  # ssh -L has its own port


def test_a_page_of_another_origin_is_refused_with_the_cookie_too(board: Board) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{board.port}"},  # the address has 127.0.0.1
        {"Origin": "http://127.0.0.1:3000"},  # same site, another port
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert board.ask("/files", headers).status == 403, headers
    own = {"Origin": board.origin, "Sec-Fetch-Site": "same-origin"}
    assert board.ask("/files", own).status == 200


def test_every_answer_forbids_scripts_frames_and_storing(board: Board) -> None:
    for path, sent in (("/", {}), ("/", NOBODY), ("/nowhere", {}), ("/session?id=99", {})):
        answer = board.ask(path, dict(sent))
        assert HEADERS.items() <= answer.headers.items(), path
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_no_path_leads_out_of_the_folder_of_its_own_files(board: Board) -> None:
    for path in ("/static/../web.py", "/static/..%2fweb.py", "/static/%2e%2e/web.py", "/web.py"):
        assert board.ask(path).status == 404, path
    assert board.ask("/static/main.js").headers["content-type"].startswith("text/javascript")


def test_its_scripts_make_no_markup_and_ask_nobody_else() -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    for name in os.listdir(web.STATIC):
        with open(os.path.join(web.STATIC, name), encoding="utf-8") as file:
            text = file.read()
        assert not re.search(sinks, text), name
        foreign = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}\S*", text)
        assert set(foreign) <= {'http://www.w3.org/2000/svg";', 'http://www.w3.org/2000/svg"'}, name
        assert " on" + "click=" not in text, name


def test_a_viewer_gets_the_whole_picture_and_then_what_changes(here: Repo, board: Board) -> None:
    here.reserve("BlueLake", "README.md", "--reason", "<script>alert(1)</script>")
    with board.changes() as changes:
        whole = next(changes)
        assert whole["whole"]
        seen = whole["set"]
        while "leases" not in seen:  # what was committed just now may come after
            seen = next(changes)["set"]
        (lease,) = seen["leases"].values()
        assert lease["reason"] == "<script>alert(1)</script>"
        assert lease["spans"] == [[0, 1]]
        assert here.agentlock("reserve", "README.md", agent="GreenHill").code == 1
        kinds: list[str] = []
        while "refused" not in kinds:
            kinds += [row["kind"] for row in next(changes)["set"].get("events", {}).values()]
    assert board.ask("/files").json == {"version": 1, "paths": ["README.md"]}


def test_the_past_a_file_and_a_session_are_looked_up(here: Repo, board: Board) -> None:
    here.reserve("BlueLake", "README.md")
    here.write("README.md", "more\n")
    assert here.commit_all("say more", agent="BlueLake").code == 0
    assert here.agentlock("release", "--all", agent="BlueLake").code == 0
    past = board.ask("/past?seconds=3600").json
    assert [(one["agent"], one["released"] is not None) for one in past["leases"]] == [
        ("BlueLake", True)
    ]
    history = board.ask("/history?path=README.md").json
    assert [one["kind"] for one in history["events"]] == ["released", "granted"]
    assert [one["subject"] for one in history["commits"]] == ["say more", "start"]
    assert history["commits"][0]["agent"] == "BlueLake"
    for path in (
        "/history?path=",
        "/history?path=%00",
        "/past",
        "/past?seconds=x",
        "/session?id=7",
    ):
        answer = board.ask(path)
        assert answer.status == 400, path
        assert answer.json["error"]["message"]
    odd = board.ask("/history?path=:(top)*%0a--help").json
    assert odd["commits"] == odd["events"] == []


def test_a_viewer_that_never_reads_is_let_go_and_holds_nobody_up(
    here: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.path.exists()
    monkeypatch.setattr(web, "_PATIENCE", 0.5)
    with serving() as board, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", board.port))
        lines = f"GET /changes HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {board.cookie}\r\n\r\n"
        deaf.sendall(lines.encode())
        wait_for(lambda: board.server.hub.viewers == 1)
        long = {"now": 1, "set": {"mail": {"1": {"body": "x" * 2_000_000}}}}
        for _ in range(20):
            board.server.hub.take(long)
            board.server.hub._loop.call_soon_threadsafe(board.server.hub._wake)  # type: ignore[union-attr]
            time.sleep(0.05)
        with board.changes() as changes:
            assert next(changes)["whole"]
        wait_for(lambda: board.server.hub.viewers == 0)


def test_nothing_can_be_ended_unless_the_board_was_started_for_it(here: Repo, board: Board) -> None:
    (held,) = here.reserve("BlueLake", "README.md")
    asked = {"id": held["id"], "holder": "BlueLake", "reason": "crashed"}
    assert board.ask("/release", body=asked).status == 404
    assert b'data-release="no"' in board.ask("/").body
    assert here.live()


def test_ending_a_lease_needs_a_reason_the_holders_name_and_an_own_page(here: Repo) -> None:
    (held,) = here.reserve("BlueLake", "README.md")
    asked: dict[str, Any] = {"id": held["id"], "holder": "BlueLake", "reason": "crashed"}
    with serving(actor="Ann", allow_release=True) as board:
        assert b'data-release="yes"' in board.ask("/").body
        assert board.ask("/release").status == 405
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": ""},
            {"Content-Type": "text/plain"},
            NOBODY,
        ):
            assert board.ask("/release", headers, asked).status in (401, 403, 415), headers
        for wrong in (
            {"reason": " "},
            {"reason": None},
            {"holder": "Ann"},
            {"id": "1"},
            {"id": 99},
        ):
            answer = board.ask("/release", body={**asked, **wrong})
            assert answer.status in (400, 403), wrong
            assert answer.json["error"]["message"], wrong
        assert board.ask("/release", body=[]).status == 400
        assert board.ask("/release", body={**asked, "reason": "x" * 70_000}).status == 413
        assert here.live()
        assert board.ask("/release", body=asked).json["released"] == [held["id"]]
    assert not here.live()
    (event,) = [
        one for one in here.agentlock("log", "--json").json if one["kind"] == "force-released"
    ]
    assert (event["agent"], event["detail"]) == ("Ann", "crashed")


def test_ending_a_lease_needs_the_owners_key_where_there_is_one(
    new_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new_repo("owned")
    made = repo.agentlock("init", "--owner-key")
    assert made.code == 0
    key = next(word for word in made.out.split() if len(word) == 43)
    monkeypatch.chdir(repo.path)
    (held,) = repo.reserve("BlueLake", "README.md")
    asked = {"id": held["id"], "holder": "BlueLake", "reason": "crashed"}
    with serving(actor="Ann", allow_release=True) as board:
        for given in ({}, {"key": ""}, {"key": "A" * 43}, {"key": 7}):
            assert board.ask("/release", body={**asked, **given}).status in (400, 403), given
        assert repo.live()
        assert board.ask("/release", body={**asked, "key": key}).status == 200
    assert not repo.live()


def test_a_port_that_is_taken_is_a_sentence(here: Repo) -> None:
    assert here.path.exists()
    with serving() as board, pytest.raises(UsageError, match=r"port \d+ cannot be used"):
        board.server.serve(board.port, print)


def test_without_the_extra_the_command_that_brings_it_is_named(here: Repo) -> None:
    script = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['agentlock', 'board', '--web']; "
        "from agentlock.__main__ import main; sys.exit(main())"
    )
    told = run(sys.executable, "-c", script, cwd=here.path)
    assert told.code == 3, told
    assert "needs the extra `board` (uvicorn is missing)" in told.err
    assert "./install.sh --board" in told.err


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in 30 s")
