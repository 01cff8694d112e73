"""Do claims that overlap get their turn in the order in which they came?

python trials/fairness.py
"""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from typing import NamedTuple

from support.scripts import arguments, sealed_folder
from waiting.project import Project

from benchmarks.pages import EVIDENCE, origin

PAGE = EVIDENCE / "fairness.md"
AGENTS = 50
FILES = 12
WIDE = "Wide"
ABOUT = f"""\
# Does everybody get a turn?

{AGENTS} agents in a closed loop: each asks for one of {FILES} files in a folder, holds it, releases
it and asks again. One more asks for the whole folder, again and again. A grant counts as out of
order if an agent that asked earlier, and whose claim overlaps, still waits. So the wide claim was
granted after those before it, and after nobody else.
"""


class Claim(NamedTuple):
    """What an agent asked for, and as the how-manieth of all."""

    agent: str
    number: int
    file: int | None  # None: all of them

    def overlaps(self, other: Claim) -> bool:
        return self.file is None or other.file is None or self.file == other.file


class Loop:
    """The agents, what they wait for and hold, and what was granted out of order."""

    def __init__(self, project: Project, seed: int) -> None:
        self._project = project
        self._chance = random.Random(seed)  # noqa: S311 -- no secret
        self._asked = 0
        self._open: dict[str, Claim] = {}
        self._held: deque[Claim] = deque()
        self.hand_overs = self.exceptions = self.wide = 0

    def run(self, hand_overs: int) -> None:
        names = [f"Agent{number}" for number in range(AGENTS)]
        for name in names:
            self._ask(name, self._chance.randrange(FILES))
        while self.hand_overs < hand_overs:
            if WIDE not in self._open and all(one.agent != WIDE for one in self._held):
                self._ask(WIDE, None)
            if self._held:
                self._release(self._held.popleft())

    def _ask(self, agent: str, file: int | None) -> None:
        self._asked += 1
        claim = Claim(agent, self._asked, file)
        self._open[agent] = claim
        asked = self._project.queue(agent, "/src/" if file is None else f"/src/{file}")
        if asked.answer.granted:
            self._granted(agent)

    def _release(self, claim: Claim) -> None:
        released = self._project.release(claim.agent)
        for handed in released.handed:
            self.hand_overs += 1
            self._project.take(handed.wait.agent)
            self._granted(handed.wait.agent)
        if claim.agent != WIDE:
            self._ask(claim.agent, self._chance.randrange(FILES))

    def _granted(self, agent: str) -> None:
        claim = self._open.pop(agent)
        earlier = [
            one for one in self._open.values() if one.number < claim.number and one.overlaps(claim)
        ]
        self.exceptions += bool(earlier)
        self.wide += agent == WIDE
        self._held.append(claim)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--hand-overs", type=int, default=10_000, metavar="N", help="How many.")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="Other files in turn.")
    options = parser.parse_args()
    with sealed_folder("fairness") as folder:
        project = Project(str(folder / "table" / "agentlock.sqlite3"))
        loop = Loop(project, options.seed)
        started = time.monotonic()
        loop.run(options.hand_overs)
        seconds = time.monotonic() - started
        project.store.close()
    rows = (
        ("hand-overs", f"{loop.hand_overs:,}"),
        ("grants before an earlier claim that overlaps", str(loop.exceptions)),
        ("grants of the wide claim", f"{loop.wide:,}"),
        ("seconds", f"{seconds:.0f}"),
    )
    lines = [f"| {what} | {figure} |" for what, figure in rows]
    text = "\n".join([ABOUT, "| | |", "|---|---:|", *lines, "", origin(), ""])
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 1 if loop.exceptions else 0


if __name__ == "__main__":
    sys.exit(main())
