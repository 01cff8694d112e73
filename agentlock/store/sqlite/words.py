"""Full-text search of the messages, by SQLite's FTS5.

The index is a table that only the search itself makes and brings up to date, so that a program
whose SQLite has no FTS5 can use the same database, and a git hook that leaves a message pays
nothing. Without FTS5, or where the table can only be read, every message is read instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.sqlite import SQLiteStore

_BITE = 2_000  # messages in one transaction; other writers wait some 20 ms
_MAKE = """
CREATE VIRTUAL TABLE IF NOT EXISTS message_words
    USING fts5(words, tokenize = 'unicode61 remove_diacritics 0')
"""
_EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'message_words'"
_LAST = "SELECT coalesce(max(rowid), 0) FROM message_words"
_NEWEST = "SELECT coalesce(max(id), 0) FROM messages"
_ADD = f"""
INSERT INTO message_words (rowid, words)
SELECT id, subject || ' ' || body_md FROM messages WHERE id > ? ORDER BY id LIMIT {_BITE}
"""  # noqa: S608 -- of constants
_FORGET = f"""
DELETE FROM message_words WHERE rowid IN (
    SELECT rowid FROM message_words WHERE rowid < (SELECT min(id) FROM messages) LIMIT {_BITE})
"""  # noqa: S608 -- of constants
_FIND = """
SELECT m.id FROM message_words AS w JOIN messages AS m ON m.id = w.rowid
WHERE w.words MATCH ? AND m.project_id = ? ORDER BY w.rowid DESC LIMIT ?
"""
_READ = "SELECT id, subject, body_md FROM messages WHERE project_id = ? ORDER BY id DESC"


def messages_with(store: SQLiteStore, words: Sequence[str], most: int) -> list[int]:
    """See ``Store.messages_with``."""
    try:
        _bring_up_to_date(store)
        asked = " ".join(f'"{word}" *' for word in words)
        found = store.rows(_FIND, (asked, store.project_id, most))
    except DatabaseError:
        return _read_all(store, words, most)
    return [number for (number,) in found]


def _bring_up_to_date(store: SQLiteStore) -> None:
    if not store.rows(_EXISTS):
        with store.writing(durable=False):
            store.rows(_MAKE)
    while store.one(_LAST) < store.one(_NEWEST):
        with store.writing(durable=False):
            store.rows(_FORGET)
            store.rows(_ADD, store.one(_LAST))


def _read_all(store: SQLiteStore, words: Sequence[str], most: int) -> list[int]:
    found: list[int] = []
    for number, subject, body in store.rows(_READ, (store.project_id,)):
        text = f"{subject} {body}".casefold()
        begun = "".join(letter if letter.isalnum() else " " for letter in text).split()
        if all(any(one.startswith(word.casefold()) for one in begun) for word in words):
            found.append(number)
            if len(found) == most:
                break
    return found
