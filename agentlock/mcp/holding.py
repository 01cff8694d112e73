"""The tools about reservations: reserve, renew, release, check, list, explain and status."""

import os
from contextlib import suppress
from functools import partial
from typing import Annotated

from pydantic import Field

from agentlock.agents.activity import holders
from agentlock.agents.registry import held_elsewhere, in_removed_worktrees
from agentlock.duration import parse_duration
from agentlock.errors import AgentlockError
from agentlock.explain import explain as explain_readings
from agentlock.git import changes as git_changes
from agentlock.guard.check import Named, named
from agentlock.guard.check import check as verdict_on
from agentlock.mcp import arguments as an
from agentlock.mcp import types
from agentlock.mcp.calls import Shape, tool
from agentlock.mcp.door import Door, Place
from agentlock.reservations.ending import release as release_reservations
from agentlock.reservations.granting import renew as renew_reservations
from agentlock.reservations.granting import reserve as reserve_patterns
from agentlock.reservations.losses import losses
from agentlock.reservations.naming import path_named
from agentlock.reservations.search import listed
from agentlock.reservations.stale import stale_copies
from agentlock.rules import owner_key
from agentlock.shapes import (
    answer_json,
    checked_json,
    explanation_json,
    listed_json,
    released_json,
    renewed_json,
    state_json,
)
from agentlock.state import state, uncommitted_of
from agentlock.text import check_reason
from agentlock.workspace import migrated_table


class Holding:
    """The tools that reserve, and that tell what is reserved."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @tool(types.Reserved)
    def reserve(
        self,
        patterns: an.Patterns,
        ttl: an.Ttl = "1h",
        shared: an.Shared = False,
        reason: an.Reason = "",
        literal: an.Literal = False,
        glob: an.Glob = False,
        whole_repo: an.WholeRepo = False,
        agent: an.Agent = None,
    ) -> Shape:
        """Reserve files, folders or globs before you change them: all of them or none.

        If `granted` is empty, nothing is yours: `conflicts` says who is in the way, and until when.
        Then work on something else, or call `queue` and `wait` for your turn.
        """
        with self._door.workspace(agent) as place:
            readings = place.readings(
                patterns, literal=literal, glob=glob, whole_repository=whole_repo
            )
            request = place.request(readings, ttl, shared=shared, reason=reason)
            with place.store(take_in=True) as store:
                answer = reserve_patterns(store, request, place.folding, place.repository)
                elsewhere = (
                    held_elsewhere(store, place.agent, request.worktree) if answer.granted else []
                )
            notes = place.notes(readings, answer.limits, elsewhere)
            return answer_json(answer, answer.free(readings), notes, {})

    @tool(types.Renewed)
    def renew(
        self,
        patterns: an.SomePatterns = [],
        ids: an.Ids = [],
        all: an.Everything = False,
        ttl: an.Ttl = "1h",
        agent: an.Agent = None,
    ) -> Shape:
        """Extend what you hold to now + ttl, never shorter: by patterns, by ids, or all.

        `lost` names what you no longer hold. An expired lease must be reserved again.
        """
        with self._door.workspace(agent) as place:
            selection = place.selection(patterns, ids, everything=all)
            lease = parse_duration(ttl)
            with place.store() as store:
                answer = renew_reservations(
                    store, place.agent, selection, lease, place.folding, ttl_text=ttl
                )
                return renewed_json(answer, losses(store, answer.lost, place.folding))

    @tool(types.Released)
    def release(
        self,
        patterns: an.SomePatterns = [],
        ids: an.Ids = [],
        all: an.Everything = False,
        agent: an.Agent = None,
    ) -> Shape:
        """Give up what you hold, once it is committed: by patterns, by ids, or all.

        `handed_over` says who got it. `uncommitted` names changes that nobody protects any more.
        """
        with self._door.workspace(agent) as place:
            selection = place.selection(patterns, ids, everything=all)
            with place.store(take_in=True) as store:
                ending = release_reservations(store, place.agent, selection)
            left: list[bytes] = []
            with suppress(AgentlockError):  # it is released, whatever cannot be read after that
                left = uncommitted_of(place.repository, ending.reservations, place.folding)
            return released_json(ending.reservations, ending.handed, left)

    @tool(types.Released, ends_others=True)
    def force_release(
        self,
        id: Annotated[int, Field(description="The number of another agent's reservation.")],
        reason: an.Why,
        agent: an.Agent = None,
    ) -> Shape:
        """End another agent's reservation, which that agent is told and everybody can see.

        Only if its holder is gone for good; ask it first. A project with an owner's key refuses it.
        """
        with self._door.workspace(agent) as place:
            selection = place.selection([], [id], everything=False)
            reason = check_reason(reason)
            refuse_without_key(place)
            with place.store(take_in=True) as store:
                ending = release_reservations(
                    store, place.agent, selection, force=True, reason=reason
                )
            return released_json(ending.reservations, ending.handed, [])

    @tool(types.Checked, reads=True)
    def check(
        self,
        paths: Annotated[
            list[str],
            Field(description="Relative to the root; without any, everything uncommitted."),
        ] = [],
        staged: Annotated[bool, Field(description="Only what is staged.")] = False,
        agent: an.Agent = None,
    ) -> Shape:
        """Tell whose each path is, and whether git would refuse your commit of them.

        Each path is mine, free, held (by another agent) or shared. `verdict` is allow or refuse.
        """
        with self._door.workspace(agent) as place:
            asked = _asked(place, paths, staged=staged)
            with place.store(read_only=True, take_in=True) as store:
                found = verdict_on(
                    store, place.repository, asked, place.identity.name, place.folding
                )
                stale = stale_copies(
                    *(store, place.repository, found.verdict.policy, place.folding),
                    paths=asked.changes.paths,
                    patterns=asked.folders,
                )
            return checked_json(found, stale)

    @tool(list[types.Reservation], reads=True)
    def list_(
        self,
        holder: Annotated[
            str | None, Field(description="Only the reservations of this agent.")
        ] = None,
        path: Annotated[
            str | None, Field(description="Only those that cover this path or meet this folder.")
        ] = None,
        agent: an.Agent = None,
    ) -> list[Shape]:
        """List the live reservations of all agents."""
        with self._door.workspace(agent) as place:
            return listing(place, holder, path)

    @tool(list[types.Explained], reads=True)
    def explain(
        self,
        pattern: Annotated[str, Field(description="A path, folder or glob.")],
        paths: Annotated[
            list[str], Field(description="Say of each whether the pattern matches it.")
        ] = [],
        literal: an.Literal = False,
        glob: an.Glob = False,
        agent: an.Agent = None,
    ) -> list[Shape]:
        """Show how a pattern is read, which files it covers, and whose reservations it meets."""
        with self._door.workspace(agent) as place:
            tree = place.tree
            readings = place.readings([pattern], literal=literal, glob=glob, whole_repository=True)
            asked = [path_named(os.fsencode(one), tree, place.folding).prefix for one in paths]
            with place.store(read_only=True, take_in=True) as store:
                explained = explain_readings(
                    *(store, place.repository, readings),
                    tracked=tree.files(),
                    paths=asked,
                    agent=place.identity.name,
                    folding=place.folding,
                )
            return [explanation_json(one) for one in explained]

    @tool(types.Status, reads=True)
    def status(self, agent: an.Agent = None) -> Shape:
        """Show your name, the guard, what you hold, what blocks you, and your news."""
        with self._door.workspace(agent) as place, place.store(read_only=True) as store:
            return state_json(state(place.repository, place.identity, store))


def listing(place: Place, holder: str | None = None, path: str | None = None) -> list[Shape]:
    """The live reservations as JSON."""
    at = place.path_named(path)
    with place.store(read_only=True, take_in=True) as store:
        found, _ = listed(store, place.folding, agent=holder, path=at)
        known = holders(store, found)
        removed = {held.id for held in in_removed_worktrees(store, found)}
    return listed_json(found, known, forced={}, removed=removed)


def _asked(place: Place, paths: list[str], *, staged: bool) -> Named:
    if paths:
        return named([os.fsencode(path) for path in paths], place.tree)
    if staged:
        return Named(git_changes.staged(place.repository).changes)
    return Named(git_changes.uncommitted(place.repository))


def refuse_without_key(place: Place) -> None:
    """OwnerKeyError if the project has an owner's key: no tool takes it, an agent has none."""
    opened = partial(migrated_table, place.repository, timeout=place.timeout)
    kept = owner_key.kept_for(place.repository, opened)
    if kept is not None:
        owner_key.require(kept, None, "release --force", place.repository, opened)
