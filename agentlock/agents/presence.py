"""Whether an agent is still there: the one place that decides it.

An agent is gone when its session has ended, or the process of its session. The process that a
command was started from proves less: it may have been a script. Whatever nobody can tell counts as
being there. A shell command that an agent's program runs on this host counts as being at work.
"""

from __future__ import annotations

import os

from agentlock.duration import format_remaining
from agentlock.processes import has_ended
from agentlock.records import AT_PROMPT, GONE, RECENTLY, SILENT, WAITING, WORKING, Presence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.git.sessions import Tool
    from agentlock.records import Agent
    from agentlock.store.base import Store
    from agentlock.store.whereabouts import Blocked, Run

WITHOUT_HOOKS = "run"
"""The program of the sessions that `agentlock run` opens: they show no turns."""
ACTIVE = 120 * 1_000_000
"""Whoever did something within this time is working."""
LONGEST_TOOL = 3600 * 1_000_000
"""A tool that has not ended after this time says nothing more: its program may have forgotten it,
or waits for somebody to allow it."""


def presences(store: Store, agents: Mapping[str, Agent]) -> dict[str, Presence]:
    """Whether each of these agents is there, by its name."""
    now = store.now()
    runs: dict[str, list[Run]] = {name: [] for name in agents}
    for run in store.whereabouts.runs_of(agents):
        runs[run.agent].append(run)
    waits = {one.agent: one for one in reversed(store.whereabouts.blocked(agents, now))}
    return {
        name: presence(agent, runs[name], waits.get(name), now) for name, agent in agents.items()
    }


def presence(agent: Agent, runs: Sequence[Run], wait: Blocked | None, now: int) -> Presence:
    """The state of an agent, of its newest ``runs``, and of its first place in the queue."""
    seen = max([agent.last_active_ts, *(run.last_active_ts for run in runs)])
    if agent.retired_ts is not None and agent.retired_ts >= seen:
        return Presence(agent, GONE, "retired", agent.retired_ts)
    there = [run for run in runs if run.ended_ts is None and not _has_ended(run)]
    if not there and (why := _why_gone(agent, runs)):
        return Presence(agent, GONE, why, seen)
    told = [run for run in there if run.program != WITHOUT_HOOKS] or there
    is_resting = all(run.at_prompt_ts for run in told) if told else now - seen > ACTIVE
    if wait is not None and (wait.is_foreground or is_resting):
        return Presence(agent, WAITING, wait.behind, wait.created_ts)
    if told and is_resting:
        return Presence(agent, AT_PROMPT, "its turn has ended", max(_prompts(told)))
    if why := RECENTLY if now - seen <= ACTIVE else _which_tool(there):
        return Presence(agent, WORKING, why, seen)
    return Presence(agent, SILENT, _why_silent(agent, there), seen)


def _which_tool(runs: Sequence[Run]) -> str:
    """How long a tool has run in these sessions; "" if none does."""
    ages = [tool.age for tool in tools_of(runs)]
    return f"a tool has run for {format_remaining(min(ages))}" if ages else ""


def tools_of(runs: Sequence[Run]) -> list[Tool]:
    """The tools that run in these sessions, as far as this host can tell, not for too long."""
    here = os.uname().nodename
    found: list[Tool] = []
    for run in runs:
        if run.ended_ts is None and run.host == here and run.worktree and not _has_ended(run):
            from agentlock.git.sessions import folder_at, tools_running  # seldom: hooks load this

            folder = folder_at(os.fsencode(run.worktree))
            found += tools_running(folder, run.program, run.session) if folder else []
    return [tool for tool in found if tool.age < LONGEST_TOOL]


def _why_gone(agent: Agent, runs: Sequence[Run]) -> str:
    """How it is known that the agent's sessions have ended; "" if it was seen outside of them."""
    last = max(runs, key=lambda run: run.ended_ts or run.last_active_ts, default=None)
    if last is None:
        return ""
    if last.ended_ts is None and agent.process in (None, last.process):
        return f"its process {last.process} has ended"
    if max(last.ended_ts or 0, last.last_active_ts) < agent.last_active_ts:
        return ""
    return "its session has ended" if last.ended_ts else f"its process {last.process} has ended"


def _why_silent(agent: Agent, there: Sequence[Run]) -> str:
    """What is known of its process; "" if nothing is."""
    if there and there[0].process:
        return f"its process {there[0].process} still runs"
    if has_ended(agent.process, agent.process_started, agent.process_place):
        return f"process {agent.process}, which it last worked from, has ended"
    return ""


def _has_ended(run: Run) -> bool:
    return has_ended(run.process, run.process_started, run.process_place)


def _prompts(runs: Sequence[Run]) -> list[int]:
    return [run.at_prompt_ts for run in runs if run.at_prompt_ts]
