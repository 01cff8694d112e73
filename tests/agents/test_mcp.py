"""Real programs call the server that `mcp install` gave them, and so does MCP's Inspector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from agents import stage
from agents.installing import executable
from agents.programs import PROGRAMS, Setting
from mcp_server.test_http import serving
from support import AGENTLOCK, HOLDER, run

from agentlock.install import mcp_entries

if TYPE_CHECKING:
    from pathlib import Path

    from agents.programs import Program
    from support import Repo, Result

pytestmark = pytest.mark.agents
ME = "GreenHill"
# How each program calls the tool `reserve` of the server `agentlock`, and what lets it do so.
TOOLS = {
    "claude": "mcp__agentlock__{}",
    "codex": "{}",
    "gemini": "mcp_agentlock_{}",
    "copilot": "agentlock-{}",
    "opencode": "agentlock_{}",
}
MORE = {"claude": ("--settings", json.dumps({"permissions": {"allow": ["mcp__agentlock"]}}))}
# What the model does before it can call the tools of a server, which starts meanwhile.
FIRST: dict[str, list[dict[str, Any]]] = {
    "claude": [{"tool": "WaitForMcpServers", "args": {}}],
    "codex": [
        {"tool": "exec_command", "args": {"cmd": "sleep 8"}},
        {"search": "agentlock reserve status"},
    ],
}


def _step(program: Program, tool: str, **arguments: Any) -> dict[str, Any]:
    step: dict[str, Any] = {"tool": TOOLS[program.name].format(tool), "args": arguments}
    return step | ({"namespace": "mcp__agentlock"} if program.name == "codex" else {})


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_real_program_reserves_and_is_told_who_is_in_the_way(
    repo: Repo, home: Path, tmp_path: Path, program: Program
) -> None:
    repo.reserve(HOLDER, "src/**", "--reason", "bd-42")
    program.start(Setting(repo.path, home, 0, program.model))  # its settings, as a user has some
    mcp_entries.install(program.name, None, ["--as", ME])
    first = FIRST.get(program.name, [])
    steps = [
        *first,
        _step(program, "status"),
        _step(program, "reserve", patterns=["src/a.py"]),
        _step(program, "reserve", patterns=["docs/**"], reason="the manual"),
    ]
    run = stage.start(
        program,
        steps,
        project=repo.path,
        folder=tmp_path / "run",
        more=MORE.get(program.name, ()),
        env={"ENABLE_TOOL_SEARCH": "false"},
    ).outcome()
    assert len(run.told) == len(steps), run
    who, refused, granted = run.told[len(first) :]
    assert ME in who
    assert "bd-42" in refused
    assert HOLDER in refused
    assert "/docs/**" in granted
    assert (ME, "/docs/**", True) in repo.live()


class Inspector(NamedTuple):
    name: str = "inspector"
    package: str = "@modelcontextprotocol/inspector"
    version: str = "2.12.0"
    command: str = "mcp-inspector"


def _inspected(repo: Repo, home: Path, target: list[str], *asked: str) -> Result:
    catalog = {"MCP_CATALOG_PATH": str(home / "catalog.json")}
    words = [str(executable(Inspector())), "--cli", *target, "--method", *asked]
    return run(*words, cwd=repo.path, env=catalog)


def _inspect(repo: Repo, home: Path, target: list[str]) -> None:
    """Everything that the server has, by the Inspector's command line."""
    listed = _inspected(repo, home, target, "tools/list", "--strict")
    assert listed.code == 0, listed
    tools = {one["name"]: one for one in listed.json["tools"]}
    assert len(tools) == 20
    for name in sorted(tools):
        if "patterns" not in tools[name]["inputSchema"].get("required", []):
            continue
        called = ("tools/call", "--tool-name", name, "--tool-arg", 'patterns=["src/a.py"]')
        done = _inspected(repo, home, target, *called)
        assert done.json["structuredContent"]["conflicts"][0]["reservation"]["agent"] == HOLDER
        assert not done.json["isError"]
    wrong = ("tools/call", "--tool-name", "release", "--tool-arg", "ids=[999]")
    failed = _inspected(repo, home, target, *wrong)
    assert failed.json["isError"], failed
    text = failed.json["content"][0]["text"]
    assert json.loads(text)["error"]["kind"] == "usage"
    board = _inspected(repo, home, target, "resources/read", "--uri", "agentlock://board")
    assert HOLDER in board.out
    taught = _inspected(repo, home, target, "prompts/get", "--prompt-name", "day")
    assert "git refuses your" in taught.out


def test_the_inspectors_command_line_uses_the_server_over_stdio(repo: Repo, home: Path) -> None:
    repo.reserve(HOLDER, "src/**")
    _inspect(repo, home, [*AGENTLOCK, "mcp", "--as", ME])


def test_the_inspectors_command_line_uses_the_server_over_http(repo: Repo, home: Path) -> None:
    repo.reserve(HOLDER, "src/**")
    with serving(repo, "--as", ME) as server:
        header = f"Authorization: {server.bearer}"
        _inspect(repo, home, [server.url, "--transport", "http", "--header", header])
