"""Change a JSON file of somebody else: what is not ours stays as it is, to the byte.

Comments are read too, because some programs allow them. The grammar tells where each value stands;
the change is made in the text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tree_sitter import Node

Key = str | int


class Document:
    """A JSON file as bytes, and where its values stand."""

    def __init__(self, data: bytes, name: str, *, comments: bool) -> None:
        """UsageError if it is not an object, or if the program could not read it either."""
        import tree_sitter_json
        from tree_sitter import Language, Parser

        self.data = data
        root = Parser(Language(tree_sitter_json.language())).parse(data).root_node
        values = [node for node in root.named_children if node.type != "comment"]
        whole = root.has_error or len(values) != 1 or values[0].type != "object"
        if whole or (not comments and not _is_strict(data)):
            raise UsageError(
                f"{name} is not valid JSON, so nothing was changed", fix=f"repair {name} first"
            )
        self._root = values[0]

    def value(self, *path: Key) -> Any:
        """The value at this path; None if there is none."""
        node = self._find(path)
        return None if node is None else _plain(node)

    def insert(self, path: Sequence[Key], value: Any) -> bytes:
        """The text with the value put at the end of what the path leads to.

        A list gets one more entry; a missing object or list on the way is made.
        """
        length = len(path)
        while self._find(path[:length]) is None:
            length -= 1
        for key in reversed(path[length + 1 :]):
            value = {key: value}
        node = self._must(path[:length])
        text = _json(value, self._indent(node), self._step())
        name = "" if length == len(path) else json.dumps(path[length]) + ": "
        return self._appended(node, name + text)

    def replace(self, path: Sequence[Key], value: Any) -> bytes:
        """The text with another value at this path."""
        node = self._must(path)
        return _spliced(self.data, node.start_byte, node.end_byte, _dumps(value).encode())

    def remove(self, path: Sequence[Key]) -> bytes:
        """The text without the entry at this path, and without the comma that it needed."""
        entry = self._must(path)
        if not isinstance(path[-1], int):
            entry = _parent(entry)  # the pair of its name and it
        siblings = [one for one in _parent(entry).children if one.type != "comment"]
        at = next(place for place, one in enumerate(siblings) if one.start_byte == entry.start_byte)
        before, after = siblings[at - 1], siblings[at + 1]
        if before.type == ",":
            return _spliced(self.data, before.start_byte, entry.end_byte, b"")
        if after.type == ",":
            follows = siblings[at + 2].start_byte
            return _spliced(self.data, entry.start_byte, follows, b"")
        return _spliced(self.data, before.end_byte, after.start_byte, b"")

    def _must(self, path: Sequence[Key]) -> Node:
        node = self._find(path)
        if node is None:
            raise KeyError(*path)
        return node

    def _find(self, path: Sequence[Key]) -> Node | None:
        node: Node | None = self._root
        for key in path:
            node = None if node is None else _child(node, key)
        return node

    def _appended(self, node: Node, text: str) -> bytes:
        entries = [one for one in node.named_children if one.type != "comment"]
        indent = self._indent(node) + self._step()
        if entries:
            place = entries[-1].end_byte
            return _spliced(self.data, place, place, f",\n{indent}{text}".encode())
        inside = f"\n{indent}{text}\n{self._indent(node)}".encode()
        start, end = node.start_byte + 1, node.end_byte - 1
        if node.named_children:  # only comments
            start = node.named_children[-1].end_byte
        return _spliced(self.data, start, end, inside)

    def _indent(self, node: Node) -> str:
        """The white space that the line of a value begins with."""
        line = self.data[: node.start_byte].rpartition(b"\n")[2].decode("utf-8", "replace")
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _step(self) -> str:
        """How much deeper each level stands: as the first entry of the file does."""
        first = next((one for one in self._root.named_children if one.type == "pair"), None)
        return (self._indent(first) if first is not None else "") or "  "


def _parent(node: Node) -> Node:
    if node.parent is None:
        raise KeyError(node.type)
    return node.parent


def _child(node: Node, key: Key) -> Node | None:
    if isinstance(key, int):
        entries = [one for one in node.named_children if one.type != "comment"]
        return entries[key] if node.type == "array" and key < len(entries) else None
    if node.type != "object":
        return None
    for pair in node.named_children:
        name = pair.child_by_field_name("key")
        if name is not None and _plain(name) == key:
            return pair.child_by_field_name("value")
    return None


def _plain(node: Node) -> Any:
    if node.type == "object":
        pairs = [one for one in node.named_children if one.type == "pair"]
        return {_plain(one.named_children[0]): _plain(one.named_children[-1]) for one in pairs}
    if node.type == "array":
        return [_plain(one) for one in node.named_children if one.type != "comment"]
    return json.loads(node.text or b"null")


def _json(value: Any, indent: str, step: str) -> str:
    lines = json.dumps(value, indent=step, ensure_ascii=False).split("\n")
    return ("\n" + indent + step).join(lines)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_strict(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8-sig"))
    except ValueError:
        return False
    return True


def _spliced(data: bytes, start: int, end: int, text: bytes) -> bytes:
    """The text, with the bytes from ``start`` to ``end`` replaced."""
    return data[:start] + text + data[end:]
