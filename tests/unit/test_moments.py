"""Moments are shown on the reader's own clock, without datetime where that is possible."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from agentlock.moments import local_clock, local_time

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600 * 1_000_000
YEAR = 8766 * HOUR
START = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(params=["UTC", "America/St_Johns", "Asia/Kathmandu", "Europe/Berlin"])
def _zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
def test_a_moment_is_what_datetime_makes_of_it() -> None:
    chance = random.Random(5)  # noqa: S311 -- the same moments every time
    for most in (60 * YEAR, 7000 * YEAR):
        for moment in (0, 1, *(chance.randrange(most) for _ in range(300))):
            known = (START + timedelta(microseconds=moment)).astimezone()
            assert local_time(moment) == known.strftime("%Y-%m-%d %H:%M:%S")
            assert local_clock(moment, moment) == known.strftime("%H:%M")
            assert local_clock(moment, moment + 48 * HOUR) == known.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize("moment", [-1, -(10**15), 10**17 * 4, 10**18, 2**62, -(2**62)])
def test_a_moment_that_only_a_damaged_table_holds_is_shown_all_the_same(moment: int) -> None:
    assert local_time(moment)[-3] == ":"
    assert ":" in local_clock(moment, 0)
