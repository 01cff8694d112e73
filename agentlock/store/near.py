"""The conditions that find the rows which may meet a pattern."""

from __future__ import annotations

from agentlock.store.base import MOST_PARAMETERS
from agentlock.store.reservations import WITHIN, limits_of, rows_with, with_ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Keys
    from agentlock.store.base import Store

_DEEP = 50  # folders above a path; deeper ones would need too many parameters


def nearby(store: Store, keys: Keys) -> list[tuple[str, list[bytes]]]:
    """The conditions, with their parameters, one of which is met by all that is near a pattern.

    None of them if it can meet anything. See ``live_near``.
    """
    names, extensions = _agreeing(keys)
    if not keys.prefix:
        condition = rows_with(0, len(names), len(extensions))
        return [(condition, [*names, *extensions])] if condition else []
    own = (*names, *extensions)
    low, high = keys.prefix + b"/", keys.prefix + b"0"  # "0" follows "/"
    below = " AND ".join(filter(None, [WITHIN, rows_with(0, len(names), len(extensions))]))
    if keys.name == keys.prefix[keys.prefix.rfind(b"/") + 1 :]:  # perhaps a plain path
        own, below = (), WITHIN
        low, high = limits_of(store, keys.prefix)
    above = list(with_ancestors(keys.prefix))
    # Plain paths above it have their own names.
    folders = [path[path.rfind(b"/") + 1 :] for path in above if path]
    if len(above) > _DEEP or not keys.prefix.isascii():  # a part of a name may fold differently
        names = extensions = ()
    names = (*names, *folders) if names else ()
    if extensions:
        extensions += tuple(name[name.rfind(b".") :] if b"." in name else b"" for name in folders)
    at_or_above = rows_with(len(above), len(names), len(extensions))
    return [(at_or_above, [*above, *names, *extensions]), (below, [low, high, *own])]


def near_one_of(store: Store, near: Sequence[Keys]) -> tuple[list[str], list[bytes]]:
    """What ``live_near`` asks for of each pattern, as conditions and their parameters.

    None if that would be too many parameters, or if one of the patterns can meet anything.
    """
    conditions: list[str] = []
    parameters: list[bytes] = []
    for keys in near:
        found = nearby(store, keys)
        conditions += [condition for condition, _ in found]
        parameters += [one for _, its in found for one in its]
        if len(parameters) > MOST_PARAMETERS or not found:
            return [], []
    return conditions, parameters


def _agreeing(keys: Keys) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The names and extensions that others must have to meet these; none: any will do."""
    if keys.extension == b"*":
        return (), ()
    extensions = (b"*", keys.extension)
    if keys.name.startswith(b"*"):
        return (), extensions
    return (b"*", b"*" + keys.extension, keys.name), extensions
