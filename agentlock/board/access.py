"""Who may see the board in a browser: whoever has the token, from a page of the board's own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{name} 'none'" for name in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""What every answer says: no script but the board's own, no other page may show or read it."""

UNKNOWN = "this board opens at the address that `agentlock board --web` printed, token included"
WRONG_HOST = "the board answers to 127.0.0.1 and localhost only"
FOREIGN_PAGE = "the board answers to its own pages only"


class Gate:
    """Decides about each request. The token is in the address once, and in a cookie then."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        # Cookies are shared by all ports of a host, so each board's has a name of its own.
        self._cookie = "agentlock-board-" + hashlib.sha256(self.token.encode()).hexdigest()[:12]

    @property
    def cookie(self) -> str:
        """The header that puts the token into a cookie."""
        return f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def refusal(
        self, method: str, headers: Mapping[str, str], token: str | None
    ) -> tuple[int, str] | None:
        """The status and the sentence of a refusal; None if the request may pass.

        ``headers`` have lower-case names, ``token`` is the address's, which opens the page only.
        """
        host = headers.get("host", "")
        if host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
            return 403, WRONG_HOST  # a name of somebody else's that leads here (DNS rebinding)
        origin = headers.get("origin")
        is_own = origin == f"http://{host}"
        if (origin is not None or method != "GET") and not is_own:
            return 403, FOREIGN_PAGE
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, FOREIGN_PAGE
        if not self._is_token(token) and not self._is_token(self._from(headers.get("cookie", ""))):
            return 401, UNKNOWN
        return None

    def _is_token(self, text: str | None) -> bool:
        return hmac.compare_digest((text or "").encode(), self.token.encode())

    def _from(self, cookies: str) -> str | None:
        try:
            found = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return None
        return None if found is None else found.value
