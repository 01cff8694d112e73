"""Mail and tickets of a large project: writes benchmarks/MAIL.md.

    python benchmarks/mail.py            (about a minute; on a busy machine: chrt -r 1 python ...)
    python benchmarks/mail.py --quick    (a tenth of the rows, few rounds; MAIL.md stays as it is)

1,000 agents, 100,000 messages, of which 10,000 are open questions. Each operation is called in this
process, through the action that the command calls, for another agent each time. The goals are the
figures that another coordination database promises for 1 to 100 agents.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.postgresql import running
from support.scripts import arguments

from agentlock.mail import tickets
from agentlock.mail.inbox import acknowledge, read, search
from agentlock.mail.sending import Letter, send
from agentlock.mail.threads import in_thread
from agentlock.reservations.losses import take
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.tickets import PENDING
from benchmarks.pages import Page, Section, short
from benchmarks.timing import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentlock.store.base import Store

HERE = Path(__file__).resolve().parent
HOUR = 3600 * 1_000_000
AGENTS = 1_000
MESSAGES = 100_000
ROUNDS = 500
_NUMBERS = """
WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < {count})
"""
_AGENTS = """{numbers}
INSERT INTO agents (project_id, name, registered_ts, last_active_ts)
SELECT {project}, 'Agent' || at, {now}, {now} FROM n
"""
# One of ten begins a thread that nine others join. 300 bytes, as people write.
_MESSAGES = """{numbers}
INSERT INTO messages (project_id, sender_id, subject, body_md, created_ts, thread_id)
SELECT {project}, {first} + at % {agents}, 'topic' || (at % 5000) || ' of module' || (at % 300),
    'Please look at src/module' || (at % 300) || '/file' || (at % 77) || '.py before you go on. '
    || 'It is what we agreed on for release ' || (at % 40) || ', and two tests depend on it: '
    || 'test_login and test_logout. If you have changed it already, tell me which commit, and I '
    || 'will rebase mine on top of it this afternoon. Number ' || at || '.',
    {now} - ({count} - at) * 1000, CASE at % 10 WHEN 0 THEN 'thread' || (at / 100) END
FROM n
"""
_RECIPIENTS = """{numbers}
INSERT INTO message_recipients (project_id, message_id, agent_id, kind, read_ts)
SELECT {project}, at, {first} + (at * 7 + at / 10 + {shift}) % {agents}, '{kind}',
    CASE WHEN at % 5 > 0 THEN {now} - {count} END FROM n WHERE at % {each} = 0
"""
_TICKETS = """{numbers}
INSERT INTO tickets (id, project_id, from_agent_id, to_agent_id, created_ts, expires_ts)
SELECT at, {project}, {first} + at % {agents}, {first} + (at * 7 + at / 10) % {agents}, {now},
    {now} + 3600000000 FROM n WHERE at % 10 = 5
"""


def fill(store: Store, agents: int, messages: int) -> None:
    """One recipient for each message, and a copy to another one for every third."""
    with store.writing():
        now = store.now()
        numbers: dict[str, int | str] = {
            "project": store.project_id,
            "now": now,
            "agents": agents,
            "count": messages,
        }
        store.rows(_AGENTS.format(numbers=_NUMBERS.format(count=agents), **numbers))
        ((first,),) = store.rows("SELECT min(id) FROM agents")
        numbers |= {"first": first, "numbers": _NUMBERS.format(count=messages)}
        store.rows(_MESSAGES.format(**numbers))
        store.rows(_RECIPIENTS.format(**numbers, shift=0, kind="to", each=1))
        store.rows(_RECIPIENTS.format(**numbers, shift=1, kind="cc", each=3))
        store.rows(_TICKETS.format(**numbers))


def operations(store: Store, agents: int) -> dict[str, tuple[float, Callable[[int], object]]]:
    """The goal in milliseconds, and what is timed: it gets the number of the round."""

    def name(turn: int) -> str:
        return f"Agent{turn * 37 % agents + 1}"

    newest = {
        one.name: [message.id for message in store.messages.inbox(one.name, limit=2)]
        for one in store.agents.all()
    }

    def mail(turn: int, at: int) -> tuple[str, list[int]]:
        return name(turn), newest[name(turn)][at : at + 1]

    return {
        "agent lookup": (1, lambda turn: store.agents.named([name(turn)])),
        "acknowledge": (5, lambda turn: acknowledge(store, *mail(turn, 0))),
        "pending tickets of an agent": (
            10,
            lambda turn: store.tickets.find(store.now(), receiver=name(turn), status=PENDING),
        ),
        "send": (
            20,
            lambda turn: send(store, Letter(name(turn), (name(turn + 1),), "a", "b" * 300)),
        ),
        "inbox, the newest 50": (20, lambda turn: store.messages.inbox(name(turn), limit=50)),
        "count of unread messages": (20, lambda turn: store.messages.count_unread(name(turn))),
        "read": (20, lambda turn: read(store, *mail(turn, 1))),
        "be told of 20 messages": (20, lambda turn: take(store, name(turn))),
        "thread of 10": (20, lambda turn: in_thread(store, f"thread{turn % 90 + 1}", "")),
        "ask": (20, lambda turn: tickets.ask(store, name(turn), name(turn + 1), "?", HOUR, None)),
        "search, few hits": (20, lambda turn: search(store, f"topic{turn % 4000 + 1000}", "", 50)),
        "search, the newest 50 of 333": (
            20,
            lambda turn: search(store, f"module{turn % 200 + 100}", "", 50),
        ),
    }


def measured(
    store: Store, asked: dict[str, tuple[float, Callable[[int], object]]], rounds: int
) -> dict[str, list[Sample]]:
    """What each call took, by operation."""
    samples: dict[str, list[Sample]] = {}
    search(store, "login", "", 1)  # on SQLite, the first search makes the index
    for label, (_, call) in asked.items():
        samples[label] = []
        for turn in range(rounds):
            busy, started = time.process_time(), time.perf_counter()
            call(turn)
            wall = (time.perf_counter() - started) * 1000
            samples[label].append(Sample(wall, (time.process_time() - busy) * 1000))
    return samples


def rows_of(found: dict[str, dict[str, list[Sample]]], goals: dict[str, float]) -> list[list[str]]:
    rows = [["in ms", "goal"]]
    for engine in found:
        rows[0] += [f"{engine} p50", "p99", "worst", "processor p50", "p99"]
    for label, goal in goals.items():
        row = [label, f"< {goal:g}"]
        for samples in found.values():
            walls = [one.wall for one in samples[label]]
            busy = [one.cpu for one in samples[label]]
            times = (*middle_and_most(walls), max(walls), *middle_and_most(busy))
            row += [short(one) for one in times]
        rows.append(row)
    return rows


def middle_and_most(times: list[float]) -> tuple[float, float]:
    """The median, and what 99 of 100 stay below."""
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, few rounds")
    quick = parser.parse_args().quick
    agents, messages, rounds = AGENTS, MESSAGES, ROUNDS
    if quick:
        agents, messages, rounds = agents // 10, messages // 10, 50
    found: dict[str, dict[str, list[Sample]]] = {}
    goals: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentlock-mail-")))
        folder.chmod(0o755)
        server = stack.enter_context(running(folder / "data", settings=("fsync=on",)))
        for engine, location in (
            ("SQLite", str(folder / "table" / "agentlock.sqlite3")),
            ("PostgreSQL", server.database()),
        ):
            identifier, _ = migrate.make(location, Modes())
            migrate.add_project(location, "p")
            with contextlib.closing(
                open_store(location, identifier, "p", timeout=24 * HOUR)
            ) as store:
                fill(store, agents, messages)
                if engine == "PostgreSQL":
                    server.run("VACUUM ANALYZE", url=location)
                asked = operations(store, agents)
                goals = {label: goal for label, (goal, _) in asked.items()}
                found[engine] = measured(store, asked, rounds)
    text = (
        f"{agents:,} agents, {messages:,} messages, {messages // 10:,} open tickets, "
        f"{rounds:,} calls each. Writing waits for a turn among writers, and for the disk as the "
        "command does. The processor is this process's own, without the server's."
    )
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        text += " Measured with real-time priority (`chrt -r 1`), because the machine was busy."
    section = Section("In process", text, list(rows_of(found, goals)))
    if quick:
        print(section.markdown())
    else:
        Page(HERE / "MAIL.md", "Mail and tickets").replace(section)


if __name__ == "__main__":
    main()
