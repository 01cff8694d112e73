"""What an edit hook loads before a tool: it runs before every edit of every agent."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from support import HOLDER, OTHER, run
from unit.test_hot_path import PREFIX, TOO_DEAR

import agentlock.__main__ as door
from agentlock.edit_hooks.grammar import parse
from agentlock.edit_hooks.run import ALLOWED, DENIED

if TYPE_CHECKING:
    from support import Repo

PARSER = "agentlock.patterns.wildmatch"  # of globs, which no plain path needs


def dear(repo: Repo, expected: int, tool: str, **given: str) -> set[str]:
    """The modules that a call before a tool loads although they are dear."""
    command = (sys.executable, "-I", "-S", "-X", "importtime", door.__file__, "hook", "edit")
    payload = {"session_id": "S", "cwd": str(repo.path), "tool_name": tool, "tool_input": given}
    stdin = json.dumps(payload).encode()
    result = run(*command, "claude", "PreToolUse", cwd=repo.path, agent=OTHER, stdin=stdin)
    assert result.code == expected, result
    lines = [line for line in result.err.splitlines() if line.startswith(PREFIX)]
    modules = {line.rpartition("|")[2].strip() for line in lines}
    assert "agentlock.guard.edits" in modules, result
    return {name for name in modules if name.partition(".")[0] in TOO_DEAR or name == PARSER}


def test_a_call_before_a_tool_loads_nothing_dear(repo: Repo) -> None:
    repo.reserve(HOLDER, "held.py")
    session = {"session_id": "S", "cwd": str(repo.path), "hook_event_name": "SessionStart"}
    start = (sys.executable, door.__file__, "hook", "edit", "claude", "SessionStart")
    run(*start, cwd=repo.path, agent=OTHER, stdin=json.dumps(session).encode())
    assert not dear(repo, ALLOWED, "Edit", file_path="x.py")  # reserves it
    assert not dear(repo, ALLOWED, "Edit", file_path="x.py")  # holds it
    assert not dear(repo, DENIED, "Edit", file_path="held.py")
    of_the_library = {"enum", "functools", "collections", "re"}  # tree-sitter's, in C
    loaded = dear(repo, ALLOWED, "Bash", command="sort a > x.py")
    assert {name.partition(".")[0] for name in loaded} <= of_the_library


def test_the_grammar_that_is_loaded_alone_is_the_packages_own() -> None:
    import tree_sitter
    import tree_sitter_bash

    line = "cat <<X | tee 'a b' > \"$HOME\"/c; if true; then rm -f *.py; fi\nX\n"
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    assert str(parse(line)) == str(parser.parse(line.encode()).root_node)
