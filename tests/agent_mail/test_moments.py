"""Moments as Agent Mail writes them, read without the module datetime."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from agentlock.agent_mail.moments import moment, written


@pytest.mark.parametrize(
    "text",
    [
        *("1970-01-01 00:00:00", "2000-02-29 23:59:59.000005", "2026-11-29T14:00:00.5"),
        *("2100-03-01T00:00:00+00:00", "2024-12-31 01:00:00.123456", "2026-01-31T12:00:00+05:30"),
        *("2026-01-31T12:00:00-01:00", "2026-01-31T12:00:00Z"),
    ],
)
def test_a_moment_is_what_datetime_says(text: str) -> None:
    exact = datetime.fromisoformat(text.replace("Z", "+00:00").replace(".5", ".500000"))
    if exact.tzinfo is None:
        exact = exact.replace(tzinfo=timezone.utc)
    found = moment(text)
    assert found == round(exact.timestamp() * 1_000_000)
    assert moment(written(found)) == found


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01 00:00:00", "2026-01-01", "1769860800"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment(text) is None
