"""Whether an agent is still there: the one place that decides it.

What proves that an agent is gone is the end of its program's process, or of its session. Whatever
nobody can tell counts as being there.
"""

from __future__ import annotations

from agentlock.duration import format_remaining
from agentlock.model import AT_PROMPT, GONE, SILENT, WAITING, WORKING, Presence
from agentlock.processes import has_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.model import Agent
    from agentlock.store.base import Store
    from agentlock.store.sessions import Run
    from agentlock.store.waits import Blocked

WITHOUT_HOOKS = "run"
"""The program of the sessions that `agentlock run` opens: they show no turns."""
_RECORDED = 60 * 1_000_000
"""So long after its place was recorded an agent may be seen without a new record."""


def presences(store: Store, agents: Mapping[str, Agent]) -> dict[str, Presence]:
    """Whether each of these agents is there, by its name."""
    now, idle = store.now(), store.policy.read().idle_limit
    runs: dict[str, list[Run]] = {name: [] for name in agents}
    for run in store.sessions.runs_of(agents):
        runs[run.agent].append(run)
    waits = {one.agent: one for one in reversed(store.waits.blocked(agents, now))}
    return {
        name: presence(agent, runs[name], waits.get(name), now, idle)
        for name, agent in agents.items()
    }


def presence(
    agent: Agent, runs: Sequence[Run], wait: Blocked | None, now: int, idle: int
) -> Presence:
    """The state of an agent, of its newest ``runs``, and of its first place in the queue.

    ``idle``: whoever shows nothing for longer is silent.
    """
    seen = max([agent.last_active_ts, *(run.last_active_ts for run in runs)])
    if agent.retired_ts is not None and agent.retired_ts >= seen:
        return Presence(agent, GONE, "retired", agent.retired_ts)
    opened = [run for run in runs if run.ended_ts is None]
    there = [run for run in opened if not _has_ended(run)]
    if not there and (why := _why_gone(agent, runs, seen)):
        return Presence(agent, GONE, why, seen)
    told = [run for run in there if run.program != WITHOUT_HOOKS] or there
    is_resting = all(run.at_prompt_ts for run in told) if told else now - seen > _RECORDED
    if wait is not None and (wait.is_foreground or is_resting):
        return Presence(agent, WAITING, wait.behind, wait.created_ts)
    if told and is_resting:
        return Presence(agent, AT_PROMPT, "its turn has ended", max(_prompts(told)))
    if now - seen <= idle:
        return Presence(agent, WORKING, f"active within {format_remaining(idle)}", seen)
    why = "nothing was seen of it"
    if there and there[0].process:
        why = f"its process {there[0].process} still runs"
    return Presence(agent, SILENT, why, seen)


def _why_gone(agent: Agent, runs: Sequence[Run], seen: int) -> str:
    """How it is known that the agent's program has ended; "" if it is not."""
    last = max(runs, key=lambda run: run.ended_ts or run.last_active_ts, default=None)
    located = agent.located_ts or 0
    if last is not None and max(last.ended_ts or 0, last.last_active_ts) >= agent.last_active_ts:
        if last.ended_ts is not None:
            return "its session has ended"
        return f"its process {last.process} has ended"
    if seen <= located + _RECORDED and has_ended(
        agent.process, agent.process_started, agent.process_place
    ):
        return f"its process {agent.process} has ended"
    return ""


def _has_ended(run: Run) -> bool:
    return has_ended(run.process, run.process_started, run.process_place)


def _prompts(runs: Sequence[Run]) -> list[int]:
    return [run.at_prompt_ts for run in runs if run.at_prompt_ts]
