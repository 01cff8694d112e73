"""Full-text search of the messages, by PostgreSQL's index of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.postgres import PostgresStore

# The condition is the expression of the index messages_by_words.
_FIND = """
SELECT id FROM messages
WHERE words_of_message(subject, body_md) @@ to_tsquery('simple', ?) AND project_id = ?
ORDER BY id DESC LIMIT ?
"""


def messages_with(store: PostgresStore, words: Sequence[str], most: int) -> list[int]:
    """See ``Store.messages_with``."""
    asked = " & ".join(f"'{word}':*" for word in words)
    return [number for (number,) in store.rows(_FIND, (asked, store.project_id, most))]
