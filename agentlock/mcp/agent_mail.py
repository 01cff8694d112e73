"""Agent Mail's names for what both can do: projects, agents and file reservations.

Argument names and result fields are those of MCP Agent Mail (Python, b3e2c9f; its Rust version
e9969ae0 where that says more). Arguments that would change nothing here, such as
`registration_token`, are no parameters: the SDK drops what it does not know. docs/how-to/mcp.md
lists what differs.
"""

import os
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field

from agentlock.agents.activity import holders
from agentlock.agents.registry import known, register
from agentlock.agents.sessions import drawn_name
from agentlock.errors import RefusedError, UsageError
from agentlock.guard.check import check as verdict_on
from agentlock.guard.check import named as named_paths
from agentlock.mcp.agent_mail_shapes import (
    agent_shape,
    bare,
    below,
    conflict_shapes,
    error_shape,
    granted_shape,
    holder_shape,
    project_shape,
    renewed_shape,
    require_project,
)
from agentlock.mcp.calls import Shape, tool
from agentlock.mcp.door import Door, Place
from agentlock.mcp.holding import refuse_without_key
from agentlock.model import MICROSECONDS, Reservation
from agentlock.moments import rfc3339
from agentlock.records import GONE, SILENT
from agentlock.reservations.ending import release as release_reservations
from agentlock.reservations.granting import renew as renew_reservations
from agentlock.reservations.granting import reserve as reserve_patterns
from agentlock.reservations.search import listed
from agentlock.shapes import text_of
from agentlock.store.base import Store
from agentlock.text import check_reason

Project = Annotated[str, Field(description="The absolute path of the repository, or its slug.")]
Name = Annotated[str, Field(description="Your agent name.")]
Paths = Annotated[list[str], Field(description="Paths or globs, relative to the root.")]


class AgentMailReservations:
    """The tools about projects, agents and file reservations."""

    error_shape = staticmethod(error_shape)

    def __init__(self, door: Door) -> None:
        self._door = door

    @tool(dict[str, Any])
    def ensure_project(self, human_key: Project) -> Shape:
        """Name the project that you work in: the absolute path of its folder."""
        with self._door.workspace(None) as place, place.store(read_only=True) as store:
            require_project(place, human_key)
            return project_shape(place, store)

    @tool(dict[str, Any])
    def register_agent(
        self,
        project_key: Project,
        program: str,
        model: str,
        name: Annotated[str | None, Field(description="Without one, you are given one.")] = None,
        task_description: str = "",
    ) -> Shape:
        """Say who you are, before you reserve or write."""
        return self.registered(project_key, program, model, name, task_description)

    @tool(dict[str, Any], again=False)
    def create_agent_identity(
        self,
        project_key: Project,
        program: str,
        model: str,
        name_hint: str | None = None,
        task_description: str = "",
    ) -> Shape:
        """Get a name that nobody else has."""
        return self.registered(project_key, program, model, name_hint, task_description)

    def registered(
        self, project_key: str, program: str, model: str, name: str | None, task: str
    ) -> Shape:
        """The agent, which is known from then on; without a name it gets one."""
        with self._door.workspace(name) as place, place.store() as store:
            require_project(place, project_key)
            chosen = place.identity.name or drawn_name(store)
            register(store, chosen, program=program, model=model)
            shape = agent_shape(store, known(store, chosen), task)
            return {**shape, "registration_token": ""}

    @tool(dict[str, Any], reads=True)
    def whois(
        self,
        project_key: Project,
        agent_name: str,
    ) -> Shape:
        """Tell about an agent."""
        with self._door.workspace(None) as place, place.store(read_only=True) as store:
            require_project(place, project_key)
            return {**agent_shape(store, known(store, agent_name)), "recent_commits": []}

    @tool(dict[str, Any])
    def file_reservation_paths(
        self,
        project_key: Project,
        agent_name: Name,
        paths: Paths,
        ttl_seconds: int = 3600,
        exclusive: bool = True,
        reason: str = "",
    ) -> Shape:
        """Reserve paths before you change them: git refuses others' commits there.

        What is in `conflicts` is not granted, and git would refuse your commit of it.
        """
        if not paths:
            raise UsageError("no path is given", fix="name paths or globs")
        with self._door.workspace(agent_name) as place:
            require_project(place, project_key)
            return self._reserved(place, paths, ttl_seconds, exclusive, reason)

    def _reserved(
        self, place: Place, paths: list[str], seconds: int, exclusive: bool, reason: str
    ) -> Shape:
        wanted = [below(place, path) for path in paths]
        granted: list[Reservation] = []
        readings = place.readings(wanted, literal=False, glob=False, whole_repository=True)
        ttl = f"{max(seconds, 60)}s"
        request = place.request(readings, ttl, shared=not exclusive, reason=reason)
        with place.store(take_in=True) as store:
            answer = reserve_patterns(store, request, place.folding, place.repository)
            conflicts = answer.conflicts
            free = {*answer.free(readings)}
            if free:  # theirs grants each path for itself
                request = request.replace(readings=[one for one in readings if one.typed in free])
                answer = reserve_patterns(store, request, place.folding, place.repository)
            granted = list(answer.granted)
        typed = {one.pattern: text_of(one.typed) for one in readings}
        return {
            "granted": [granted_shape(held, typed) for held in granted],
            "conflicts": conflict_shapes(conflicts, typed),
        }

    @tool(dict[str, Any])
    def release_file_reservations(
        self,
        project_key: Project,
        agent_name: Name,
        paths: list[str] | None = None,
        file_reservation_ids: list[int] | None = None,
    ) -> Shape:
        """Release what you hold: these, or all if you name none."""
        with self._door.workspace(agent_name) as place:
            require_project(place, project_key)
            return self._released(place, paths, file_reservation_ids)

    def _released(self, place: Place, paths: list[str] | None, ids: list[int] | None) -> Shape:
        released: tuple[Reservation, ...] = ()
        chosen = [below(place, path) for path in paths or ()]
        with place.store(take_in=True) as store:
            for names, numbers in _one_by_one(chosen, ids or []):
                everything = not names and not numbers
                selection = place.selection(names, numbers, everything=everything)
                with suppress(RefusedError):  # nothing is left of it to release
                    released += release_reservations(store, place.agent, selection).reservations
            now = store.now()
        return {"released": len(released), "released_at": rfc3339(now)}

    @tool(dict[str, Any], again=False)
    def renew_file_reservations(
        self,
        project_key: Project,
        agent_name: Name,
        extend_seconds: int = 1800,
        paths: list[str] | None = None,
        file_reservation_ids: list[int] | None = None,
    ) -> Shape:
        """Extend what you hold, by so many seconds: these, or all if you name none."""
        extend = max(extend_seconds, 60) * MICROSECONDS
        named = {bare(path) for path in paths or ()}
        numbers = set(file_reservation_ids or ())
        renewed: list[Shape] = []
        with self._door.workspace(agent_name) as place, place.store() as store:
            require_project(place, project_key)
            held, now = listed(store, place.folding, agent=place.agent)
            for one in held:
                texts = {bare(text_of(text)) for text in (one.typed, one.pattern)}
                if (named or numbers) and one.id not in numbers and not texts & named:
                    continue
                selection = place.selection([], [one.id], everything=False)
                ttl = one.expires_ts - now + extend
                done = renew_reservations(store, place.agent, selection, ttl, place.folding)
                renewed += [renewed_shape(one, new) for new in done.renewed]
        return {"renewed": len(renewed), "file_reservations": renewed}

    @tool(dict[str, Any], ends_others=True)
    def force_release_file_reservation(
        self,
        project_key: Project,
        agent_name: Name,
        file_reservation_id: int,
        note: str = "",
    ) -> Shape:
        """End the reservation of an agent that is silent or gone. That agent is told."""
        with self._door.workspace(agent_name) as place:
            require_project(place, project_key)
            refuse_without_key(place)
            selection = place.selection([], [file_reservation_id], everything=False)
            with place.store(take_in=True) as store:
                held = store.reservations.get(file_reservation_id)
                if held is not None and held.is_live(store.now()) and held.agent != place.agent:
                    _require_silent(store, held)
                ending = release_reservations(
                    *(store, place.agent, selection),
                    force=True,
                    reason=check_reason(note or "released as stale"),
                )
                now = store.now()
        return {
            "released": len(ending.reservations),
            "released_at": rfc3339(now),
            "reservation": granted_shape(ending.reservations[0], {}),
        }

    @tool(dict[str, Any], reads=True)
    def check_file_reservation_conflicts(
        self,
        project_key: Project,
        agent_name: Name,
        paths: Paths,
    ) -> Shape:
        """Tell whether git would refuse your commit of these paths. It reserves nothing."""
        with self._door.workspace(agent_name) as place:
            require_project(place, project_key)
            asked = named_paths([os.fsencode(below(place, path)) for path in paths], place.tree)
            with place.store(read_only=True, take_in=True) as store:
                found = verdict_on(store, place.repository, asked, place.agent, place.folding)
        held = found.verdict.conflicts
        blocked = {text_of(one.path) for one in held}
        return {
            "conflict_free": not held,
            "conflicts": [
                {"path": text_of(one.path), "holders": [holder_shape(one.reservation)]}
                for one in held
            ],
            "own_active": [text_of(one.path) for one in found.paths if one.state == "mine"],
            "clear_paths": [path for path in paths if path not in blocked],
            "checked_paths": len(paths),
            "total_conflicting_reservations": len({one.reservation.id for one in held}),
            "output_truncated": False,
            "snapshot_ts": rfc3339(found.now),
            "authoritative_source": "agentlock",
            "read_only": True,
        }

    @tool(dict[str, Any], again=False)
    def macro_file_reservation_cycle(
        self,
        project_key: Project,
        agent_name: Name,
        paths: Paths,
        ttl_seconds: int = 3600,
        exclusive: bool = True,
        reason: str = "macro-file_reservation",
        auto_release: bool = False,
    ) -> Shape:
        """Reserve paths, and release them at once if `auto_release` is set."""
        with self._door.workspace(agent_name) as place:
            require_project(place, project_key)
            reserved = self._reserved(place, paths, ttl_seconds, exclusive, reason)
            released = self._released(place, paths, None) if auto_release else None
            return {"file_reservations": reserved, "released": released}


def _one_by_one(paths: list[str], ids: list[int]) -> list[tuple[list[str], list[int]]]:
    """Each for itself, because theirs releases what it finds; one that means all if none is."""
    found: list[tuple[list[str], list[int]]] = [([path], []) for path in paths]
    found += [([], [number]) for number in ids]
    return found or [([], [])]


def _require_silent(store: Store, held: Reservation) -> None:
    presence = holders(store, [held])[held.agent]
    if presence.status not in (SILENT, GONE):
        raise RefusedError(
            f"{held.agent} is {presence.status}, and its reservation is not stale",
            fix=f"ask {held.agent} with send_message",
        )
