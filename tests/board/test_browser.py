"""The board as a person meets it: a real Chromium, the keyboard, and axe-core."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import expect, sync_playwright
from support.board_scene import play, write_files
from support.board_server import Board, serving
from support.browser import axe, chromium, pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from support import Repo

pytestmark = pytest.mark.xdist_group("browser")
VIEWS = ("now", "files", "queue", "time", "mail", "sessions", "log")
AXE = "async () => (await axe.run({resultTypes: ['violations']})).violations"
SOON = 10_000  # milliseconds: how soon it really is, docs/evidence/board.md says


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def board(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.chdir(repo.path)
    with serving() as found:
        yield found


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, and fails if one of them reports an error or asks another host."""
    said: list[str] = []
    contexts = []

    def opened(address: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.on(
            "request", lambda one: said.append(one.url) if "//127.0.0.1" not in one.url else None
        )
        page.goto(address)
        expect(page.locator("#line")).to_have_text("live", timeout=SOON)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for line in said if "ERR_INTERNET_DISCONNECTED" not in line] == []


def test_the_story_of_two_agents_appears_as_it_happens(
    repo: Repo, board: Board, new_page: Callable[..., Page]
) -> None:
    page = new_page(board.address)
    assert board.token not in page.url
    expect(page.locator("h1")).to_have_text("Nobody is stuck, and nobody waits.")
    repo.reserve("BlueLake", "src/**", "--reason", "bd-42")
    card = page.locator(".card", has_text="BlueLake")
    expect(card).to_contain_text("src/**", timeout=SOON)
    expect(card).to_contain_text("bd-42")
    assert repo.agentlock("reserve", "src/a.py", "--queue", agent="GreenHill").code == 1
    expect(page.locator("#queue-list")).to_contain_text(
        "GreenHill waits for src/a.py", timeout=SOON
    )
    expect(page.locator("h1")).to_have_text("Nobody is stuck. 1 agent waits for a turn.")
    assert repo.agentlock("reserve", "src/b.py", agent="RedFox").code == 1
    expect(page.locator("#events .refused").first).to_contain_text("RedFox", timeout=SOON)
    assert repo.agentlock("release", "--all", agent="BlueLake").code == 0
    expect(page.locator(".card", has_text="GreenHill")).to_contain_text("offered", timeout=SOON)
    expect(page.locator("#events")).to_contain_text("handed-over")


def test_everything_can_be_reached_by_keyboard(
    repo: Repo, board: Board, new_page: Callable[..., Page]
) -> None:
    repo.reserve("BlueLake", "README.md", "--reason", "bd-42")
    page = new_page(board.address)
    expect(page.locator(".lease")).to_have_count(1, timeout=SOON)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("nobody-of-this-name")
    expect(page.locator(".card")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(1)
    for number, view in enumerate(VIEWS, start=1):
        page.keyboard.press(str(number))
        expect(page.locator(f'#views a[href="#{view}"]')).to_have_attribute("aria-current", "page")
    page.keyboard.press("2")
    entry = page.locator(".entry", has_text="README.md")
    expect(entry).to_contain_text("held by BlueLake", timeout=SOON)
    entry.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_contain_text("granted", timeout=SOON)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).not_to_be_visible()
    page.keyboard.press("1")
    lease = page.locator(".lease")
    lease.focus()
    repo.agentlock("renew", "--all", agent="BlueLake")  # its line is drawn anew
    expect(page.locator("#events")).to_contain_text("renewed", timeout=SOON)
    expect(lease).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_contain_text("exclusive")
    before = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.locator("html").get_attribute("data-theme") != before


HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_what_others_wrote_is_shown_as_text_and_never_run(
    repo: Repo, board: Board, new_page: Callable[..., Page]
) -> None:
    repo.write("<svg onload=document.title='owned'>.txt")
    repo.must("add", "--all")
    repo.reserve(
        "BlueLake", "--literal", "<svg onload=document.title='owned'>.txt", "--reason", HOSTILE
    )
    repo.agentlock("send", "BlueLake", "--subject", HOSTILE, "--body", HOSTILE, agent="GreenHill")
    repo.agentlock("ask", "BlueLake", HOSTILE, agent="GreenHill")
    page = new_page(board.address)
    expect(page.locator(".said")).to_contain_text("<script>", timeout=SOON)
    for view in VIEWS:
        page.goto(f"{board.origin}/#{view}")
        expect(page.locator("#view > *").first).to_be_attached()
    page.goto(f"{board.origin}/#mail")
    page.locator(".mail summary").first.click()
    expect(page.locator("blockquote").first).to_contain_text("onerror")
    assert page.locator("#view img, #view script").count() == 0
    assert "owned" not in page.title()


def test_a_saved_picture_opens_from_a_disk_and_asks_nobody(
    repo: Repo, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    repo.reserve("BlueLake", "README.md", "--reason", f"</script>{HOSTILE}<!--")
    assert repo.agentlock("board", "--export", "out.html").code == 0
    text = (repo.path / "out.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<img" not in text
    assert text.count("</script>") == 2
    said: list[str] = []
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text))
        page.on("request", lambda one: said.append(one.url) if "out.html" not in one.url else None)
        page.goto(f"file://{repo.path}/out.html")
        expect(page.locator("#line")).to_have_text("saved picture")
        expect(page.locator(".card .said")).to_contain_text("onerror")
        for number in range(1, len(VIEWS) + 1):
            page.keyboard.press(str(number))
            expect(page.locator("#view > *").first).to_be_attached()
        page.keyboard.press("2")
        expect(page.locator(".entry", has_text="README.md")).to_contain_text("held by BlueLake")
        assert "owned" not in page.title()
    assert said == []
    wrong = repo.agentlock("board", "--export", "no/such/folder.html")
    assert (wrong.code, "cannot be written" in wrong.err) == (2, True)


def test_it_connects_again_by_itself(board: Board, new_page: Callable[..., Page]) -> None:
    page = new_page(board.address)
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('online'))")  # opens a stream, which fails
    expect(page.locator("#line")).to_have_text("not connected", timeout=SOON)
    page.context.set_offline(False)
    expect(page.locator("#line")).to_have_text("live", timeout=SOON)


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ((1440, 900), "light"),
        ((360, 740), "dark"),
        *(
            pytest.param(size, scheme, marks=pytest.mark.slow)
            for size, scheme in (
                ((1440, 900), "dark"),
                ((820, 1100), "light"),
                ((820, 1100), "dark"),
                ((360, 740), "light"),
            )
        ),
    ],
)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    new_repo: Callable[..., Repo],
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
) -> None:
    source, kept = axe(), pictures()
    repo = new_repo("shop")
    assert repo.agentlock("init").code == 0
    write_files(repo.path)
    repo.commit_unguarded("the shop")
    monkeypatch.chdir(repo.path)
    play()
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        bypass_csp=True,  # axe is no script of the board's own
    )
    with serving() as board, contextlib.closing(context):
        page = context.new_page()
        page.goto(board.address)
        expect(page.locator("h1")).to_contain_text("SilverFern is stuck on", timeout=SOON)
        page.evaluate(source)
        for view in VIEWS:
            page.goto(f"{board.origin}/#{view}")
            expect(page.locator("#view > *").first).to_be_attached()
            found = page.evaluate(AXE)
            told = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]
            assert told == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
            if kept is not None:
                page.screenshot(path=kept / f"board-{view}-{size[0]}-{scheme}.png")


def test_a_person_finds_who_is_stuck_and_on_what(
    repo: Repo, board: Board, new_page: Callable[..., Page]
) -> None:
    repo.reserve("BlueLake", "src/**")
    repo.agentlock("reserve", "src/a.py", "--queue", agent="GreenHill")
    repo.sql(
        "UPDATE agents SET last_active_ts = last_active_ts - 3600000000 WHERE name = 'BlueLake'"
    )
    repo.sql("UPDATE agents SET located_ts = located_ts - 3600000000, process = NULL")
    page = new_page(board.address)
    stuck = re.compile(
        r"GreenHill is stuck on src/a\.py: BlueLake holds src/\*\* and has been silent"
    )
    expect(page.locator("h1")).to_have_text(stuck, timeout=SOON)
    page.locator(".need").click()
    expect(page.locator("#detail")).to_contain_text("agentlock release --id 1 --force")
