"""The board as one HTML file, which can be sent to somebody and opened without a server."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

from agentlock.board import looking
from agentlock.model import MICROSECONDS

if TYPE_CHECKING:
    from agentlock.board.feed import Feed
    from agentlock.store.base import Store

STATIC = os.path.join(os.path.dirname(__file__), "static")
_DAY = 24 * 3600 * MICROSECONDS
# Each module after those that it imports.
_MODULES = ("dom", "words", "state", "now", "queue", "files", "past", "lists", "detail", "main")
_IMPORT = re.compile(r'(?m)^import \{[^}]*\} from "\./\w+\.js";\n')
_EXPORTED = re.compile(r"(?m)^export \{[^}]*\};\n")


def page(feed: Feed, store: Store) -> str:
    """The file. It has the picture as it is now, the list of files and the leases of a day.

    It may run the scripts that are in it and ask nobody, as its own policy says.
    """
    feed.read(store)
    now = store.now()
    paths = [os.fsdecode(path) for path in feed.files.paths]
    answers: dict[str, Any] = {
        "/past": looking.past(store, now - _DAY),
        "/files": {"version": feed.files.version, "paths": paths},
    }
    saved = {"picture": {**feed.picture.whole(now), "whole": True}, "answers": answers}
    script, style = _script(), _read("board.css").replace('url("icon.svg")', "none")
    html = _read("index.html")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>\n'
    )
    data = f'<script id="saved" type="application/json">{_as_data(saved)}</script>\n'
    html = re.sub(r"(?m)^<(?:link|script) .*\n", "", html)
    html = html.replace("</head>", f"{head}</head>")
    return html.replace("</body>", f'{data}<script type="module">{script}</script>\n</body>')


def _script() -> str:
    """All modules as one, for a file has no address that they could import each other from."""
    parts = []
    for name in _MODULES:
        text = _EXPORTED.sub("", _IMPORT.sub("", _read(f"{name}.js")))
        parts.append(re.sub(r"(?m)^export (?=(?:async )?function|const|let)", "", text))
    script = "\n".join(parts)
    assert "</script" not in script  # noqa: S101 -- a page of ours that could end it is a bug
    return script


def _as_data(value: object) -> str:
    """JSON that cannot end the element it stands in, nor open a comment there."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII only
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _read(name: str) -> str:
    with open(os.path.join(STATIC, name), encoding="utf-8") as file:
        return file.read()
