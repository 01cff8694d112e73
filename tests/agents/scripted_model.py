"""A model that follows a script, on 127.0.0.1, for one run of an agent's program.

python tests/agents/scripted_model.py RUN.json

RUN.json says what to run (see stage.py). Only the loopback interface exists in here, where the
system allows that: a program that needs the network shows at once, and nothing leaves.
"""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agents.formats import model_of, offers_tools, speaker_of

if TYPE_CHECKING:
    from agents.formats import Body, Step

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP
_LONGEST_WAIT = 150  # seconds, for what a step comes after


class Script:
    """The steps that are left, and the log of what was asked."""

    def __init__(self, steps: list[Step], log: Path) -> None:
        self._steps, self._log, self._lock = list(steps), log, threading.Lock()

    def next(self, path: str, body: Body) -> Step:
        """The step for this request: the n-th turn of the agent gets the n-th.

        A step waits until the file ``after`` is there, and makes the file ``signal``.
        """
        with self._lock:
            step: Step = {"text": "ok"}
            if offers_tools(body):
                step = self._steps.pop(0) if self._steps else {"text": "done"}
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({"path": path, "body": body}) + "\n")
        if "signal" in step:
            Path(step["signal"]).touch()
        end = time.monotonic() + _LONGEST_WAIT
        while "after" in step and not Path(step["after"]).exists() and time.monotonic() < end:
            time.sleep(0.02)
        return step


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script  # given by serve

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/models"):
            self._send(200, b'{"object": "list", "data": [], "models": []}')
        else:
            self._send(404, b'{"error": {"message": "no such page"}}')

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        speak = speaker_of(self.path)
        if speak is None:
            self._send(404, b'{"error": {"message": "no such page"}}')
            return
        body: dict[str, Any] = json.loads(raw)
        events = speak(self.script.next(self.path, body), model_of(self.path, body))
        lines = [
            (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
            for name, data in events
        ]
        if self.path.partition("?")[0].endswith("/completions"):
            lines.append("data: [DONE]\n\n")
        with suppress(ConnectionError):  # a program may just leave
            self._send(200, "".join(lines).encode(), "text/event-stream")


def serve(port: int, script: Script) -> None:
    """Answer from now on, in a thread."""
    handler = type("Handler", (_Handler,), {"script": script})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def bring_loopback_up() -> None:
    """As ``ip link set lo up`` does, which is not on every machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


def main() -> int:
    run = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[1]).parent
    if run["alone"]:
        bring_loopback_up()
    serve(run["port"], Script(run["steps"], folder / "requests.jsonl"))
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        screen = _Screen(out) if run["screen"] else None
        child = subprocess.Popen(
            run["argv"],
            cwd=run["cwd"],
            env=run["env"],
            stdin=screen.inner if screen else subprocess.DEVNULL,
            stdout=screen.inner if screen else out,
            stderr=screen.inner if screen else err,
            start_new_session=True,
        )
        code = _end_of(child, run["limit"], Path(run["until"]) if run["until"] else None)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # what it left running, too
        child.wait()
    (folder / "code").write_text(str(code), encoding="utf-8")
    return 0


class _Screen:
    """A terminal that the program writes to, and that nobody types into."""

    def __init__(self, out: BinaryIO) -> None:
        outer, self.inner = pty.openpty()
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

        def keep() -> None:
            with suppress(OSError):  # when the program has ended
                while data := os.read(outer, 1 << 16):
                    out.write(data)

        threading.Thread(target=keep, daemon=True).start()


def _end_of(child: subprocess.Popen[bytes], limit: float, until: Path | None) -> int:
    """The code with which it ends; -1 if it has not ended when its time is over.

    A program with a screen never ends by itself: its run is over once the file ``until`` is there.
    """
    end = time.monotonic() + limit
    while child.poll() is None and time.monotonic() < end:
        if until is not None and until.exists():
            return 0
        time.sleep(0.05)
    return -1 if child.returncode is None else child.returncode


if __name__ == "__main__":
    sys.exit(main())
