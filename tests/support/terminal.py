"""Runs agentlock on a real terminal, and types answers there."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
from typing import TYPE_CHECKING

from support.repositories import AGENTLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.repositories import Repo

_PATIENCE = 20  # seconds


def in_a_terminal(
    repo: Repo,
    *arguments: str,
    answers: Mapping[str, str] | None = None,
    agent: str | None = None,
    width: int = 120,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run agentlock, and give each answer when its question is shown; exit code and output."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(width), **(env or {})}
    if agent is not None:
        environment["AGENTLOCK_AGENT"] = agent
    process = subprocess.Popen(
        (*AGENTLOCK, *arguments),
        cwd=repo.path,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,  # so that it cannot ask on the terminal of whoever runs the tests
    )
    os.close(terminal)
    shown, unanswered = b"", dict(answers or {})
    with contextlib.suppress(OSError):  # Linux raises EIO when the other end is closed
        while select.select([controller], [], [], _PATIENCE)[0]:
            chunk = os.read(controller, 65536)
            if not chunk:
                break
            shown += chunk
            for question in [one for one in unanswered if one.encode() in shown]:
                os.write(controller, unanswered.pop(question).encode() + b"\n")
    os.close(controller)
    assert not unanswered, shown
    return process.wait(_PATIENCE), shown.decode("utf-8", "backslashreplace")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")
