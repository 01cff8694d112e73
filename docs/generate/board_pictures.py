"""Make the pictures of the board in the README and in docs/how-to/board.md, from a scripted scene.

python docs/generate/board_pictures.py     (needs Chromium)
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from support import make_guarded
from support.board_scene import play, write_files
from support.board_server import serving
from support.scripts import arguments, sealed_folder

from agentlock.board.feed import Feed
from agentlock.board.terminal import BoardApp
from agentlock.git.repository import discover

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
SHOTS = (  # name, view, light or dark, width, height
    ("board", "now", "light", 1280, 820),
    ("board-files", "files", "light", 1280, 820),
    ("board-queue", "queue", "light", 1280, 620),
    ("board-time", "time", "light", 1280, 620),
    ("board-dark", "now", "dark", 1280, 820),
    ("board-narrow", "now", "light", 360, 740),
)


def shoot_browser() -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    with serving() as board, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, view, scheme, width, height in SHOTS:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(board.address)
            _settle(page, f"{board.origin}/#{view}")
            page.screenshot(path=PICTURES / f"{name}.png")
            context.close()
        browser.close()


def _settle(page: Page, address: str) -> None:
    """Open a view and wait until it is drawn in full."""
    page.wait_for_selector(".glance.stuck")
    page.goto(address)
    page.wait_for_selector("#view > *")
    page.wait_for_timeout(2_000)


async def shoot_terminal() -> None:
    app = BoardApp(Feed(discover()))
    async with app.run_test(size=(100, 28)) as pilot:
        for _ in range(100):
            await pilot.pause(0.1)
            if app.picture.rows("agents"):
                break
        await pilot.pause(1)
        app.save_screenshot("board-terminal.svg", str(PICTURES))
        await pilot.press("q")


def main() -> int:
    arguments(__doc__).parse_args()
    PICTURES.mkdir(exist_ok=True)
    with sealed_folder("pictures") as folder:
        repo = make_guarded(folder / "shop", "README.md")
        write_files(repo.path)
        repo.must("config", "user.name", "Ann")
        repo.commit_unguarded("The shop")
        os.chdir(repo.path)
        play()
        shoot_browser()
        asyncio.run(shoot_terminal())
        os.chdir(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
