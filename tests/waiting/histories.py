"""Random commands of several agents, next to the plain queue: python tests/waiting/histories.py.

It prints the seed and the step at which the table and the plain queue differ, and ends with 1. With
``--at-once`` several threads act, each with a connection of its own, and the log, which is in the
order of the commits, is judged afterwards.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.glob_oracle import seeded
from support.scripts import arguments
from waiting.plain_queue import PATTERNS, RULES, Held, Place, Queue
from waiting.project import Project

from agentlock.errors import AgentlockError, RefusedError
from agentlock.waiting import audit
from agentlock.waiting.circles import DeadlockError

if TYPE_CHECKING:
    import random

    from agentlock.model import Reservation

AGENTS = ("A", "B", "C", "D")
STEPS = 40
_KINDS = (
    *("reserve", "reserve", "reserve", "queue", "queue", "queue", "queue more", "queue more"),
    *("release", "release one", "leave", "take", "take", "end", "end"),
)


class Step(NamedTuple):
    """One command; ``end`` lets the ``number``-th live reservation run out.

    ``release one`` is of the agent's own; else all of the agent's are meant. ``queue more`` asks
    also for what the agent holds.
    """

    kind: str
    agent: str
    patterns: tuple[str, ...] = ()
    exclusive: bool = True
    number: int = 0


def chosen(chance: random.Random) -> Step:
    kind = chance.choice(_KINDS)
    patterns = tuple(chance.sample(sorted(PATTERNS), chance.choice((1, 1, 2, 2))))
    mode = chance.random() < 0.7
    return Step(kind, chance.choice(AGENTS), patterns, mode, chance.randrange(8))


def differs(seed: int) -> str:
    """Where the table and the plain queue differ after the same commands; "" if nowhere."""
    chance, queue = seeded(seed), Queue()
    with tempfile.TemporaryDirectory(prefix="agentlock-histories-") as folder:
        project = Project(str(Path(folder) / "table" / "agentlock.sqlite3"))
        try:
            for number in range(STEPS):
                step = chosen(chance)
                said, expected = _done(project, queue, step)
                found, meant = _table(project), _plain(queue)
                wrong = [fault.sentence for fault in audit.examine(project.store)]
                wrong += _too_long(project)
                if (said, found) != (expected, meant) or wrong or queue.overlaps():
                    seen = f"{said} {found} {wrong}, not {expected} {meant}"
                    return f"seed {seed}, step {number}, {step}: {seen}"
        finally:
            project.store.close()
    return ""


def _done(project: Project, queue: Queue, step: Step) -> tuple[str, str]:
    """What the table said to a command, and the plain queue."""
    if step.kind == "queue more":
        mine = project.store.reservations.all(agent=step.agent, live_at=project.store.now())
        own = [one.pattern.decode() for one in mine]
        first = own[step.number % 4 :][:1]
        step = step._replace(kind="queue", patterns=(*first, *step.patterns))
    if step.kind in ("reserve", "queue"):
        waits = step.kind == "queue"
        said = _asked(project, step, waits=waits)
        expected = queue.ask(step.agent, step.patterns, exclusive=step.exclusive, waits=waits)
        return said, expected
    if step.kind in ("end", "release one"):
        ended = _ended(project, step)
        if ended is not None:
            queue.end(_held(ended))
        return "", ""
    try:
        getattr(project, step.kind)(step.agent)
    except RefusedError:  # it has nothing
        return "", ""
    getattr(queue, step.kind)(step.agent)
    return "", ""


def _ended(project: Project, step: Step) -> Reservation | None:
    """One reservation that runs out, or is released by its agent; None if there is none."""
    agent = step.agent if step.kind == "release one" else None
    live = project.store.reservations.all(agent=agent, live_at=project.store.now())
    if not live:
        return None
    held = live[step.number % len(live)]
    if agent is None:
        project.run_out(held)
        project.settle()
    else:
        project.release(agent, held.id)
    return held


def _asked(project: Project, step: Step, *, waits: bool) -> str:
    try:
        if not waits:
            answer = project.reserve(step.agent, *step.patterns, exclusive=step.exclusive)
            return "granted" if answer.granted else "refused"
        asked = project.queue(step.agent, *step.patterns, exclusive=step.exclusive)
    except DeadlockError:
        return "deadlock"
    return "granted" if asked.answer.granted else "waits"


def _table(project: Project) -> tuple[list[Held], list[Place]]:
    live = project.store.reservations.all(live_at=project.store.now())
    held = [_held(one) for one in live]
    places = [
        Place(one.agent, tuple(sorted(text.decode() for text in one.patterns)), one.exclusive)
        for one in project.store.waits.live()
    ]
    return sorted(held), places


def _too_long(project: Project) -> list[str]:
    """Offers that would not lapse in time."""
    now = project.store.now()
    latest = now + project.store.policy.read().offer
    offers = project.store.offers.open(now)
    return [f"offer {one.id} does not lapse" for one in offers if one.expires_ts > latest]


def _held(one: Reservation) -> Held:
    return Held(one.agent, one.pattern.decode(), one.exclusive, one.offer)


def _plain(queue: Queue) -> tuple[list[Held], list[Place]]:
    places = [one._replace(patterns=tuple(sorted(one.patterns)), since=0) for one in queue.places]
    return sorted(one._replace(since=0) for one in queue.held), places


def at_once(seed: int) -> str:
    """What is wrong after several agents acted at the same time; "" if nothing is."""
    with tempfile.TemporaryDirectory(prefix="agentlock-histories-") as folder:
        project = Project(str(Path(folder) / "table" / "agentlock.sqlite3"))
        with ThreadPoolExecutor(len(AGENTS)) as pool:
            parts = [pool.submit(_plays, project, agent, seed) for agent in AGENTS]
            for part in parts:
                part.result()
        project.settle()
        wrong = [fault.sentence for fault in audit.examine(project.store)]
        wrong += _out_of_order(project)
        project.store.close()
    return f"seed {seed}: {wrong}" if wrong else ""


def _plays(project: Project, agent: str, seed: int) -> None:
    mine = project.again()
    chance = seeded(100 * seed + AGENTS.index(agent))
    for _ in range(STEPS // 2):
        step = chosen(chance)._replace(agent=agent)
        try:
            if step.kind == "end":
                mine.take(agent)
            elif step.kind == "release one":
                _ended(mine, step)
            else:
                _done(mine, Queue(), step)
        except AgentlockError as error:
            if not isinstance(error, RefusedError):
                raise
    mine.store.close()


def _out_of_order(project: Project) -> list[str]:
    """Grants that came before an earlier place, by the log."""
    waits = {one.id: one for one in project.store.waits.all()}
    open_places: dict[int, Place] = {}
    wrong = []
    for event in project.store.events.find():
        number = int(event.detail.split()[1].rstrip(":")) if event.kind in _OF_PLACES else 0
        if event.kind == "handed-over":
            number = int(event.detail.split()[-1])
        if event.kind == "waiting":
            one = waits[number]
            texts = tuple(text.decode() for text in one.patterns)
            open_places[number] = Place(one.agent, texts, one.exclusive)
        elif event.kind in ("left", "handed-over"):
            mine = open_places.pop(number, None)
            if event.kind == "handed-over" and mine is not None:
                queue = Queue()
                queue.places = [one for at, one in open_places.items() if at < number]
                if RULES.blockers(mine, [], queue.places) and not _raised(project, mine):
                    wrong.append(f"place {number} was granted before {queue.places}")
    return wrong


_OF_PLACES = ("waiting", "left")


def _raised(project: Project, place: Place) -> bool:
    """Whether the agent may have held some of it already, which meets no place."""
    held = project.store.reservations.all(agent=place.agent)
    return any(one.pattern.decode() in place.patterns for one in held[:-1])


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="How many histories.")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="The first seed.")
    parser.add_argument("--at-once", action="store_true", help="Several agents at the same time.")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.seeds):
        wrong = (at_once if options.at_once else differs)(seed)
        if wrong:
            print(wrong)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
