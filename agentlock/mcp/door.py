"""Whose calls a server answers: the repository that it serves, and the agent that asks."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from agentlock.agents.templates import read_first
from agentlock.errors import AgentlockError, IdentityError
from agentlock.git.identity import Identity, identify, named
from agentlock.git.repository import discover
from agentlock.git.sessions import all_open, is_another_process
from agentlock.git.worktree import WorkTree
from agentlock.install.hooks import put_back
from agentlock.store import BRIEF_TIMEOUT, open_table
from agentlock.workspace import Workspace, refuse_unguarded_bare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.git.repository import Repository

ARGUMENT = "the argument `agent`"


class Place(Workspace):
    """A worktree in which every pattern and path is relative to the root."""

    @property
    def tree(self) -> WorkTree:
        tree = WorkTree(self.repository)
        tree.cwd = tree.root
        return tree

    @property
    def agent(self) -> str:
        """The agent that asks; IdentityError, in words for a caller of tools, without a name."""
        if self.identity.name is None:
            raise IdentityError(
                "no agent name is set, and only a named agent can do this",
                fix=f"give {ARGUMENT}: a name that nobody else has",
            )
        return self.identity.name

    @property
    def correspondent(self) -> str:
        """Who takes part in mail: only an agent, because whoever calls a tool is no person."""
        return self.agent


class Door:
    """What a server knows of its callers.

    ``name`` is what `--as` says. A server that ``is_of_one_program`` was started by the program
    that calls it, so the agent that is set in its surroundings is the one that calls.
    """

    def __init__(self, name: str | None, *, is_of_one_program: bool) -> None:
        self._fixed = None if name is None else named(name, "--as")
        self._is_of_one_program = is_of_one_program

    @contextmanager
    def workspace(self, agent: str | None) -> Iterator[Place]:
        """The worktree as the agent sees it; what it did is recorded at the end."""
        repository = discover()
        refuse_unguarded_bare(repository)
        with suppress(AgentlockError, OSError):  # `status` says what is not in place, and why
            if put_back(repository):
                repository = discover()
        place = Place(repository, self.identity(repository, agent))
        try:
            yield place
        finally:
            place.record()

    def read_first(self) -> tuple[str, ...]:
        """The files that the template of the one agent that calls gives it to read."""
        with suppress(AgentlockError, OSError):  # each call says what is not in place
            repository = discover()
            name = self._known(repository).name
            if name is not None:
                with closing(open_table(repository, BRIEF_TIMEOUT, read_only=True)) as store:
                    return read_first(store, name)
        return ()

    def identity(self, repository: Repository, agent: str | None) -> Identity:
        """Who calls: `--as`, else what is set around the program, else the argument.

        IdentityError if the argument names another agent than the one that is known, or one whose
        session is open in another process.
        """
        here = self._known(repository)
        if agent is None:
            return here
        asked = named(agent, ARGUMENT)
        if here.name is not None:
            if here.name != agent:
                raise IdentityError(
                    f"you are {here.name} here, not {agent}", fix=f"leave out {ARGUMENT}"
                )
            return here
        if self._is_of_one_program:
            _refuse_name_of_another(repository, agent)
        return asked

    def _known(self, repository: Repository) -> Identity:
        if self._fixed is not None:
            return self._fixed
        return identify(repository) if self._is_of_one_program else Identity(None, "")


def _refuse_name_of_another(repository: Repository, agent: str) -> None:
    for session in all_open(repository):
        if session.agent == agent and is_another_process(session):
            raise IdentityError(
                f"{agent} is the name of another open session ({session.program})",
                fix=f"give {ARGUMENT}: a name that nobody else has",
            )


def go_to_root() -> None:
    """Serve from the root of the worktree, so that no folder below it needs to stay."""
    with suppress(AgentlockError, OSError):
        os.chdir(discover().root)
