"""Why somebody does something, in their own words: a reservation, a force-release, a skip."""

from __future__ import annotations

from agentlock.errors import UsageError

_LONGEST = 1000


def check_reason(reason: str) -> str:
    """The reason as a database takes it; UsageError where it is too long to be one."""
    if len(reason) > _LONGEST:
        raise UsageError(
            f"a reason of {len(reason)} characters is too long",
            fix=f"{_LONGEST} characters at most; an issue's number says it best",
        )
    return storable(reason)


def storable(text: str) -> str:
    """Text that a database takes: bytes of an argument that are not UTF-8 become ``?``."""
    return text.encode("utf-8", "replace").decode()
