"""The real command line beside the plain model: whatever is tried, both answer the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from histories.model import PLACED, apply, settled
from histories.stage import AGENTS, answer_of, build, command_of, expire, faults, look, run_out
from histories.table import FILES, PATTERNS, Answer, Call, Table
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support import AGENTLOCK, Repo, run

SETTINGS = settings(
    max_examples=10,
    stateful_step_count=12,
    database=None,
    phases=(Phase.generate,),  # twelve steps are short enough to read; to shrink them takes minutes
    suppress_health_check=list(HealthCheck),
)
agents = st.sampled_from(AGENTS[:3])
numbers = st.integers(1, 6)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return build(tmp_path / "template").path


class CommandLine(RuleBasedStateMachine):
    """One repository, three agents, one command at a time, each as a shell would start it."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="agentlock-model-")
        self._repo = Repo(Path(self._folder.name) / "repo")
        shutil.copytree(self.template, self._repo.path, symlinks=True)
        self._table = Table()

    def teardown(self) -> None:
        assert faults(self._repo) == []
        self._folder.cleanup()

    def _do(self, call: Call) -> None:
        expected = self._expected(call)
        assert self._answer(call) == expected, call

    def _expected(self, call: Call) -> Answer:
        """A command first hands over what is due, and takes what was handed over to its agent."""
        if call.kind not in ("expire", "run out", "commit"):
            self._table, _ = apply(settled(self._table), call._replace(kind="arrive"))
        self._table, answer = apply(self._table, call)
        if answer == PLACED:
            self._table, answer = apply(self._table, call._replace(kind="queued"))
        return answer

    def _answer(self, call: Call) -> Answer:
        if call.kind == "expire":
            return Answer(0, (expire(self._repo, call.number or 0),))
        if call.kind == "run out":
            return Answer(0, (run_out(self._repo, call.number or 0),))
        program, *words = command_of(call)
        command = (*AGENTLOCK, *words) if program == "agentlock" else (program, *words)
        return answer_of(call, run(*command, cwd=self._repo.path, agent=call.agent))

    @rule(
        agent=agents,
        names=st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, max_size=3, unique=True),
        shared=st.booleans(),
    )
    def reserve(self, agent: str, names: list[str], shared: bool) -> None:
        self._do(Call(agent, "reserve", tuple(names), shared=shared))

    @precondition(lambda machine: machine._table.live())
    @rule(data=st.data(), shared=st.booleans())
    def reserve_again(self, data: st.DataObject, shared: bool) -> None:
        held = data.draw(st.sampled_from(self._table.live()))
        self._do(Call(held.agent, "reserve", (held.pattern,), shared=shared))

    @rule(
        agent=agents,
        names=st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, max_size=2, unique=True),
        shared=st.booleans(),
    )
    def queue(self, agent: str, names: list[str], shared: bool) -> None:
        self._do(Call(agent, "queue", tuple(names), shared=shared))

    @precondition(lambda machine: machine._table.places)
    @rule(agent=agents, number=st.none() | numbers)
    def leave(self, agent: str, number: int | None) -> None:
        self._do(Call(agent, "leave", number=number))

    @precondition(lambda machine: machine._table.places)
    @rule(number=numbers)
    def run_out(self, number: int) -> None:
        self._do(Call("", "run out", number=number))

    @rule(agent=agents, number=st.none() | numbers)
    def renew(self, agent: str, number: int | None) -> None:
        self._do(Call(agent, "renew", number=number))

    @rule(agent=agents, number=st.none() | numbers)
    def release(self, agent: str, number: int | None) -> None:
        self._do(Call(agent, "release", number=number))

    @rule(agent=agents, number=numbers)
    def force(self, agent: str, number: int) -> None:
        self._do(Call(agent, "force", number=number))

    @rule(number=numbers)
    def expire(self, number: int) -> None:
        self._do(Call("", "expire", number=number))

    @rule(agent=agents, name=st.sampled_from(FILES))
    def check(self, agent: str, name: str) -> None:
        self._do(Call(agent, "check", (name,)))

    @rule(agent=agents, name=st.sampled_from(FILES))
    def commit(self, agent: str, name: str) -> None:
        path = self._repo.path / name
        self._repo.write(name, path.read_text(encoding="utf-8") + "more\n")
        self._do(Call(agent, "commit", (name,)))
        self._repo.must("reset", "-q", "--hard")

    @invariant()
    def the_table_is_the_models(self) -> None:
        assert look(self._repo).without_ages() == self._table.without_ages()
        assert self._table.overlaps() == []


def test_the_command_line_and_the_plain_model_answer_alike(template: Path) -> None:
    machine = type("Machine", (CommandLine,), {"template": template})
    run_state_machine_as_test(machine, settings=SETTINGS)
