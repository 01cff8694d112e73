"""Every environment variable is named in agentlock/environment.py, and nowhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import agentlock
from agentlock import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(agentlock.__file__).parent
NAMES = [name for names in (*environment.OURS, *environment.OTHERS) for name in names.split(", ")]


def literals(tree: ast.AST) -> Iterator[str]:
    """Names of variables written out where ``os.environ`` is read, or alone in a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.fullmatch(
            "(AGENTLOCK|PRE_COMMIT)_[A-Z_]+|AGENT_NAME", str(node.value)
        ):
            yield str(node.value)
        reading = ast.unparse(node) if isinstance(node, (ast.Call, ast.Subscript)) else ""
        yield from re.findall(r"^os\.environb?(?:\.get\(|\[)b?'(\w+)'", reading)
        if isinstance(node, ast.Compare):
            yield from re.findall(r"^b?'(\w+)' (?:not )?in os\.environb?$", ast.unparse(node))


def test_no_module_writes_the_name_of_a_variable_out() -> None:
    written = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.rglob("*.py")
        if path.name != "environment.py"
        for name in literals(ast.parse(path.read_text(encoding="utf-8")))
    }
    written.remove(("cli/demo.py", "PATH"))
    assert not written


def test_every_name_has_a_line() -> None:
    constants = [value for name, value in vars(environment).items() if name.isupper()]
    strings = {text for value in constants for text in ([value] if isinstance(value, str) else [])}
    strings |= {text for value in constants if isinstance(value, tuple) for text in value}
    named = {text for text in strings if re.fullmatch("[A-Z_]+", text)}
    assert named <= {name.rstrip("*") for name in NAMES}


def test_the_hook_scripts_read_no_other_variable() -> None:
    scripts = (PACKAGE.parent / "hooks").glob("*.sh")
    read = {
        name
        for path in scripts
        for name in re.findall(
            r"\$\{?((?:AGENTLOCK|GIT)_[A-Z_]+)", path.read_text(encoding="utf-8")
        )
    }
    assert "AGENTLOCK_PROBE" in read
    assert read <= set(NAMES)
