"""An agent's mail: looked at, read, acknowledged, and searched."""

from __future__ import annotations

from agentlock.errors import RefusedError, UsageError
from agentlock.mail.threads import found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.base import Store
    from agentlock.store.messages import Message


def read(store: Store, agent: str, numbers: Sequence[int], *, mark: bool = True) -> list[Message]:
    """The messages; unless they are only looked at, those that the agent got are marked as read."""
    messages = found(store, numbers, agent)
    if not mark:
        return messages
    unread = [one for one in messages if agent in one.recipients and one.read_ts is None]
    if unread:
        with store.writing(durable=False):
            store.messages.mark_read(unread, agent, store.now())
    return found(store, numbers, agent)


def acknowledge(store: Store, agent: str, numbers: Sequence[int]) -> list[Message]:
    """Acknowledge messages that the agent has got, or none of them."""
    with store.writing(durable=False):
        messages = found(store, numbers, agent)
        for one in messages:
            if agent not in one.recipients:
                raise RefusedError(
                    f"message {one.id} was not sent to {agent}", see=f"agentlock read {one.id}"
                )
        store.messages.acknowledge(messages, agent, store.now())
        return found(store, numbers, agent)


def search(store: Store, text: str, viewer: str, limit: int) -> list[Message]:
    """The messages in which every word of the text begins a word, newest first.

    They are those of the whole project: mail between its agents is no secret.
    """
    words = "".join(letter if letter.isalnum() else " " for letter in text).split()
    if not words:
        raise UsageError(f"{text[:60]!r} has no word to search for", fix="agentlock search WORD")
    numbers = store.messages_with(words, limit)
    return store.messages.numbered(numbers, viewer)[::-1]
