"""Which thread a message belongs to, and what a thread says.

A thread has the name that somebody gave it, or the number of the message that began it.
"""

from __future__ import annotations

from agentlock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.store.base import Store
    from agentlock.store.messages import Message

_LONGEST_NAME = 100


def found(store: Store, numbers: Iterable[int], viewer: str = "") -> list[Message]:
    """The messages with these numbers, as they are asked for; UsageError if one does not exist."""
    wanted = list(dict.fromkeys(numbers))
    possible = [one for one in wanted if one < 2**63]
    known = {one.id: one for one in store.messages.numbered(possible, viewer)}
    for number in wanted:
        if number not in known:
            raise UsageError(f"there is no message {number}", see="agentlock inbox")
    return [known[number] for number in wanted]


def thread_of(store: Store, thread: str | None, reply_to: int | None) -> str | None:
    """The thread of a new message; None if it begins one. A number names that message's thread."""
    if thread is not None and reply_to is not None:
        raise UsageError("--thread and --reply-to exclude each other", fix="give only one of them")
    if reply_to is not None:
        return found(store, [reply_to])[0].thread
    return None if thread is None else _name(store, thread)


def in_thread(store: Store, thread: str, viewer: str) -> list[Message]:
    """The messages of a thread, oldest first; UsageError if there is none."""
    with store.reading():
        name = _name(store, thread)
        messages = store.messages.in_thread(name, viewer)
    if not messages:
        raise UsageError(f"there is no thread {name!r}", see="agentlock inbox")
    return messages


def _name(store: Store, typed: str) -> str:
    if not typed.strip() or len(typed) > _LONGEST_NAME or not typed.isprintable():
        raise UsageError(
            f"{typed[:_LONGEST_NAME]!r} is not the name of a thread",
            fix=f"a message's number, or a name of {_LONGEST_NAME} characters at most",
        )
    if typed.isascii() and typed.isdecimal():
        return found(store, [int(typed)])[0].thread
    return typed
