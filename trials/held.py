"""How long does everything wait for a table that another process holds, and how does it end?

python trials/held.py
"""

from __future__ import annotations

import signal
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from faults.scenarios import hold
from faults.world import COMMANDS, OPERATIONS, RESERVED, build, copied
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from faults.world import World

PAGE = EVIDENCE / "held.md"
TIMEOUTS = (0.5, 1.0, 2.0)  # seconds
MOST_OVER = 1.0  # seconds that an answer may come after the time-out
HOLDERS: dict[str, tuple[Literal["EXCLUSIVE", "NORMAL"], bool]] = {
    "from all": ("EXCLUSIVE", False),
    "from all, and stopped (SIGSTOP)": ("EXCLUSIVE", True),
    "from writers": ("NORMAL", False),
}
ABOUT = """\
# A table that is held

Another process holds the table, and does not let go: from readers and writers, or from writers
alone. The five are asked side by side, each in a repository of its own, with `AGENTLOCK_TIMEOUT` as
given; commit and push for a path that a third agent holds. A commit or a push that the hook
refuses ends with git's own 1, whether 1 or 3 was the hook's.

| held | time-out | asked | ended with | median | worst | worst, over the time-out |
|---|---:|---|---|---:|---:|---:|
"""


class Answer(NamedTuple):
    """How one command or git operation ended, and after how many seconds."""

    code: int
    seconds: float


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="How often each.")
    options = parser.parse_args()
    rows: list[str] = []
    late = 0
    with sealed_folder("held") as folder:
        template = folder / "template"
        build(template)
        for held in HOLDERS:
            for timeout in TIMEOUTS:
                for asked, answers in _answers(template, held, timeout, options.rounds).items():
                    rows.append(_row(held, timeout, asked, answers))
                    late += sum(one.seconds > timeout + MOST_OVER for one in answers)
                    print(rows[-1], end="", flush=True)
    asked = len(rows) * options.rounds
    told = f"{late} of {asked:,} answers came later than the time-out and {MOST_OVER:g} s."
    PAGE.write_text(f"{ABOUT}{''.join(rows)}\n{told}\n\n{origin()}\n", encoding="utf-8")
    print(f"{told} {PAGE}")
    return 1 if late else 0


def _answers(template: Path, held: str, timeout: float, rounds: int) -> dict[str, list[Answer]]:
    """What everything came to, all of it at the same time, ``rounds`` times one after another."""
    asked = (*COMMANDS, *OPERATIONS)
    with ThreadPoolExecutor(len(asked)) as threads:
        found = threads.map(lambda one: _repeated(template, held, timeout, one, rounds), asked)
        return dict(zip(asked, found, strict=True))


def _repeated(template: Path, held: str, timeout: float, asked: str, rounds: int) -> list[Answer]:
    with copied(template) as world, _held(world, held):
        world.environment["AGENTLOCK_TIMEOUT"] = str(timeout)
        return [_answer(world, asked) for _ in range(rounds)]


@contextmanager
def _held(world: World, held: str) -> Iterator[None]:
    mode, stopped = HOLDERS[held]
    with hold(world, mode) as holder:
        if stopped:
            holder.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            holder.kill()


def _answer(world: World, asked: str) -> Answer:
    started = time.monotonic()
    for command in COMMANDS:
        if command == asked:
            return Answer(world.command(command).code, time.monotonic() - started)
    (operation,) = (one for one in OPERATIONS if one == asked)
    return Answer(world.git(operation, RESERVED).code, time.monotonic() - started)


def _row(held: str, timeout: float, asked: str, answers: list[Answer]) -> str:
    codes = ", ".join(str(code) for code in sorted({one.code for one in answers}))
    seconds = [one.seconds for one in answers]
    worst = max(seconds)
    return (
        f"| {held} | {timeout:g} s | {asked} | {codes} | {statistics.median(seconds):.2f} s "
        f"| {worst:.2f} s | {max(worst - timeout, 0):.2f} s |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
