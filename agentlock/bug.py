"""A bug in agentlock: a log file to attach to a report, and one sentence that names it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def report_bug(error: BaseException) -> str:
    """Write the traceback and the versions to a new file; return the sentence that names it."""
    import os
    import platform
    import sys
    import tempfile
    import traceback

    from agentlock import __version__
    from agentlock.git import version

    where: TracebackType | None = error.__traceback__
    details = "".join(traceback.format_exception(type(error), error, where))
    about = f"agentlock {__version__}, Python {sys.version}, {platform.platform()}\n"
    summary = f"{type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode()
    summary = summary.replace("\n", " ")[:200]
    try:
        handle, path = tempfile.mkstemp(prefix="agentlock-bug-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(about + details)
            file.flush()
            version.write(handle, seconds=1)
    except OSError as failure:
        return f"this is a bug in agentlock ({summary}); its log could not be written: {failure}"
    return f"this is a bug in agentlock ({summary}); please report it with {path}"
