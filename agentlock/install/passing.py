"""Whether what the hooks run may soon be gone, and every commit refused from then on."""

from __future__ import annotations

import os

from agentlock.environment import TEMPORARY, UV_CACHE_DIR, XDG_CACHE_HOME
from agentlock.install.shims import current_pin
from agentlock.model import Value


class Passing(Value):
    """A sentence, and what to do about it."""

    message: str
    advice: str = (
        "install agentlock for good (uv tool install, pipx install, install.sh), then: "
        "agentlock hooks install"
    )


def passing_installation() -> Passing | None:
    """What is wrong with the place of this installation; None if it is likely to stay.

    `uvx`, `uv run --with` and `pipx run` put it into a cache. The interpreter that an environment
    was made with counts as well.
    """
    python, program = current_pin()
    checkout = os.path.dirname(os.path.dirname(program))
    is_checkout = os.path.lexists(os.path.join(checkout, ".git"))  # where somebody works on it
    for path in (program, python, os.path.realpath(python)):
        if is_checkout and path.startswith(checkout + os.sep):
            continue
        for place, what in _places():
            if path.startswith(place.rstrip("/") + "/"):
                return Passing(
                    f"the hooks will run {path}, which is in {what}; once it is removed, every "
                    "commit is refused"
                )
    return None


def _places() -> list[tuple[str, str]]:
    """Folders that are cleaned up, and what they are."""
    caches = [os.environ.get(name) for name in (XDG_CACHE_HOME, UV_CACHE_DIR)]
    home = os.path.expanduser("~")
    caches += [os.path.join(home, name) for name in (".cache", "Library/Caches")]
    temporary = [os.environ.get(name) for name in TEMPORARY]
    temporary += ["/tmp", "/var/tmp", "/dev/shm", "/run/user"]  # noqa: S108 -- only compared
    return [
        *((one, "a cache") for one in caches if one),
        *((one, "a folder for temporary files") for one in temporary if one),
        ("/nix/store", "nix's store, where only a profile or another root keeps it"),
    ]
