"""How soon does the board show a change, and what does that cost? Writes docs/evidence/board.md.

    python benchmarks/board.py             (three minutes; some figures need Chromium)
    python benchmarks/board.py --quick     (one minute)

A repository of 100,000 files, 1,000 agents and 10,000 leases; 100 events a second; ten viewers, one
of them a real browser where there is one.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from support import make_guarded
from support.scripts import arguments, sealed_folder

from agentlock.event_kinds import REFUSED, RENEWED
from agentlock.git.repository import discover
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding
from agentlock.patterns.syntax import Reading
from agentlock.reservations.granting import Request, reserve
from agentlock.store import open_table
from benchmarks.pages import EVIDENCE, Page, Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

AGENTS, LEASES, FILES, RATE, VIEWERS = 1_000, 10_000, 100_000, 100, 10
HOUR = 3600 * MICROSECONDS
PAGE = EVIDENCE / "board.md"
# Notes when the newest event in the list changes, as the browser has drawn it.
WATCH = """() => {
  window.seen = [];
  let last = null;
  const look = () => {
    const first = document.querySelector("#events ol")?.firstElementChild?.boardKey;
    if (first !== last) { last = first; window.seen.push([Number(first), Date.now() * 1000]); }
    requestAnimationFrame(look);
  };
  look();
}"""
ZOOM = """async () => {
  const canvas = document.querySelector("canvas");
  const times = [];
  let running = true;
  const look = (moment) => { times.push(moment); if (running) requestAnimationFrame(look); };
  requestAnimationFrame(look);
  const costs = [];
  for (let turn = 0; turn < 20; turn++) {
    const box = canvas.getBoundingClientRect();
    const started = performance.now();
    canvas.dispatchEvent(new MouseEvent("click", { clientX: box.left + 60, clientY: box.top + 5 }));
    costs.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 250));
    document.querySelector(".crumb").click();
    await new Promise((done) => setTimeout(done, 120));
  }
  running = false;
  return { frames: times.slice(1).map((moment, at) => moment - times[at]), costs };
}"""


def fill(repo_path: Path) -> None:
    """The files in git's index, the agents and their leases in the table."""
    empty = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=repo_path, input=b"", capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    lines = "".join(f"100644 {empty}\t{path(at)}\n" for at in range(FILES))
    subprocess.run(
        ["git", "update-index", "--index-info"], cwd=repo_path, input=lines.encode(), check=True
    )
    with contextlib.closing(open_table(discover())) as store:
        for agent in range(AGENTS):
            each = LEASES // AGENTS
            texts = [b"/" + path(agent * each + at).encode() for at in range(each - 1)]
            texts.append(b"/pkg%d/mod%d/" % (agent % 100, 10 + agent // 100 % 10))
            readings = [Reading(text, text, "literal") for text in texts]
            request = Request(f"Agent{agent}", readings, 2 * HOUR, exclusive=agent % 5 > 0)
            reserve(store, request, Folding())


def path(at: int) -> str:
    return f"pkg{at % 100}/mod{at // 100 % 20}/file{at // 2000}.py"


def write_events(seconds: float, told: Any) -> None:
    """Log refusals and renew leases, so many a second; tells each event's number and its time."""
    with contextlib.closing(open_table(discover())) as store:
        held = store.reservations.all(live_at=store.now())[:1000]
        sent, started = [], time.monotonic()
        at = 0
        while (passed := time.monotonic() - started) < seconds:
            if at > passed * RATE:
                time.sleep(0.002)
                continue
            one = held[at % len(held)]
            with store.writing(durable=False):
                now = store.now()
                if at % 2:
                    store.reservations.extend(one, RENEWED, now, expires=one.expires_ts + at)
                else:
                    store.events.log(REFUSED, now, agent=f"Agent{at % AGENTS}", reservation=one)
            sent.append((store.last_event(), store.now()))
            at += 1
        told.send(sent)


class Viewer(threading.Thread):
    """Reads the stream; one of them notes when it got which event, the others only read."""

    def __init__(self, port: int, cookie: str, *, notes: bool) -> None:
        super().__init__(daemon=True)
        self.arrived: dict[int, int] = {}
        self.size = 0
        self._notes = notes
        self._socket = socket.create_connection(("127.0.0.1", port))
        head = f"GET /changes HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
        self._socket.sendall(head.encode())

    def run(self) -> None:
        with self._socket.makefile("rb") as stream:
            for line in stream:
                self.size += len(line)
                if not self._notes or not line.startswith(b"data: "):
                    continue
                now = time.time_ns() // 1000
                for number in json.loads(line[6:])["set"].get("events", {}):
                    self.arrived.setdefault(int(number), now)


def part(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def used(process: int) -> float:
    """Seconds of processor time."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        size = next(line for line in file if line.startswith("VmRSS"))
    return int(size.split()[1]) / 1024


@contextlib.contextmanager
def browser(address: str, program: str | None) -> Iterator[Any]:
    """A page that shows the board; None without Chromium."""
    if program is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector(".card", timeout=60_000)
        yield page
        chromium.close()


def measure(seconds: float, program: str | None) -> list[Sequence[str]]:
    command = [sys.executable, "-m", "agentlock", "board", "--web"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            return _measured(server.pid, address, seconds, program)
        finally:
            server.terminate()


def _measured(
    server: int, address: str, seconds: float, program: str | None
) -> list[Sequence[str]]:
    port = int(address.partition("127.0.0.1:")[2].partition("/")[0])
    with browser(address, program) as page:
        cookie = _cookie(port, address)
        raw = VIEWERS - (page is not None)
        viewers = [Viewer(port, cookie, notes=at == 0) for at in range(raw)]
        for viewer in viewers:
            viewer.start()
        time.sleep(5)  # until all have the whole picture
        if page is not None:
            page.evaluate(WATCH)
        idle = used(server)
        time.sleep(10)
        idle = used(server) - idle
        before, started = used(server), time.monotonic()
        receiving, sending = multiprocessing.Pipe(duplex=False)
        writer = multiprocessing.Process(target=write_events, args=(seconds, sending))
        writer.start()
        most = 0.0
        while not receiving.poll(1) and writer.is_alive():
            most = max(most, memory(server))
            if page is not None:
                page.evaluate("1")
        sent = receiving.recv()
        writer.join()
        passed, spent = time.monotonic() - started, used(server) - before
        time.sleep(2)
        seen = page.evaluate("window.seen") if page is not None else []
        frames = _frames(page, port) if page is not None else None
    arrived = viewers[0].arrived
    late = [(arrived[number] - at) / 1000 for number, at in sent if number in arrived]
    moments = dict(sent)
    drawn = [(at - moments[number]) / 1000 for number, at in seen if number in moments]
    rows: list[Sequence[str]] = [("what", "figure")]
    rows += [
        ("events a second, asked and reached", f"{RATE} and {len(sent) / passed:.0f}"),
        ("events that a viewer lacks", str(len(sent) - len(late))),
        ("commit → viewer, p50", f"{part(late, 0.5):.0f} ms"),
        ("commit → viewer, p99", f"{part(late, 0.99):.0f} ms"),
    ]
    if drawn:
        rows += [
            ("commit → drawn in Chromium, p50", f"{part(drawn, 0.5):.0f} ms"),
            ("commit → drawn in Chromium, p99", f"{part(drawn, 0.99):.0f} ms"),
        ]
    rows += [
        ("server, part of one core, with these events", f"{100 * spent / passed:.0f} %"),
        ("server, part of one core, while nothing happens", f"{10 * idle:.1f} %"),
        ("server, memory at most", f"{most:.0f} MB"),
        ("sent to a viewer in that time", f"{viewers[0].size / 1e6:.1f} MB"),
    ]
    if frames is not None:
        rows += frames
    return rows


def _cookie(port: int, address: str) -> str:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/?" + address.partition("?")[2])
    return (connection.getresponse().getheader("set-cookie") or "").split(";")[0]


def _frames(page: Any, port: int) -> list[Sequence[str]]:
    """How the map of 100,000 files moves while it is clicked into, and out again, twenty times."""
    page.goto(f"http://127.0.0.1:{port}/#files")
    page.wait_for_selector(".listing .entry", timeout=60_000)
    time.sleep(2)
    found = page.evaluate(ZOOM)
    frames, costs = found["frames"], found["costs"]
    return [
        ("map of 100,000 files: frames a second while zooming", f"{1000 / part(frames, 0.5):.0f}"),
        ("map: a frame at p99", f"{part(frames, 0.99):.0f} ms"),
        ("map: script of one click into a folder, p50", f"{part(costs, 0.5):.0f} ms"),
    ]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="15 s of events instead of 60")
    seconds = 15.0 if parser.parse_args().quick else 60.0
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    with sealed_folder("board") as folder:
        repo = make_guarded(folder / "repo", "README.md")
        os.chdir(repo.path)
        fill(repo.path)
        rows = measure(seconds, program)
        os.chdir(folder)
    load = os.getloadavg()
    text = (
        f"{AGENTS:,} agents, {LEASES:,} leases, {FILES:,} files, {VIEWERS} viewers"
        f"{', one of them Chromium' if program else ''}; events for {seconds:.0f} s. The load of "
        f"the machine was {load[0]:.1f} when this ended: other programs ran, and every figure of "
        "time has that in it. A viewer's figure is of every event, Chromium's of the newest one at "
        "each drawing."
    )
    Page(PAGE, "The board under load, and under attack").replace(Section("Load", text, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
