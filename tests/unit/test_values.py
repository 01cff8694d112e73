"""The plain values that every layer speaks in, durations among them."""

from __future__ import annotations

import pytest

from agentlock.duration import format_duration, format_remaining, parse_duration, parse_timeout
from agentlock.errors import UsageError
from agentlock.model import MICROSECONDS, PathConflict, Policy, Reservation

HELD = Reservation(1, "A", b"/a", True, "", 0, 10, None, 1)


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        HELD.agent = "B"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del HELD.agent


def test_values_with_equal_fields_are_equal_and_hash_alike() -> None:
    twin = Reservation(1, "A", b"/a", True, "", 0, 10, None, fence=1)
    assert twin == HELD
    assert hash(twin) == hash(HELD)
    assert HELD.replace(id=2) != HELD
    assert PathConflict(b"a", HELD) != HELD


def test_a_missing_field_and_an_unknown_one_are_errors() -> None:
    with pytest.raises(TypeError, match="misses reservation"):
        PathConflict(b"a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no such field"):
        Policy(colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no such field"):
        PathConflict(b"a", HELD, True, 3)  # type: ignore[call-arg]


def test_a_lease_is_live_until_its_last_microsecond() -> None:
    assert HELD.is_live(9)
    assert not HELD.is_live(10)
    assert not HELD.replace(released_ts=5).is_live(6)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("1d", 86400), ("0s", 0)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds * MICROSECONDS
    assert parse_duration(format_duration(parse_duration(text))) == seconds * MICROSECONDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "1",
        "1w",
        "-1h",
        "1.5h",
        "1 h",
        "30m1h",
        "1h1h",
        "1h30",
        "٣h",
        "²h",
        "9" * 10 + "s",
        "400d",
    ],
)
def test_what_is_no_duration_is_named_in_the_error(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_duration(text)
    assert repr(text) in refused.value.message


def test_a_time_out_may_be_bare_seconds() -> None:
    assert parse_timeout("0.5") == MICROSECONDS // 2
    assert parse_timeout("2m") == 120 * MICROSECONDS
    for text in ("nan", "inf", "-1", "1e9", "soon"):
        with pytest.raises(UsageError):
            parse_timeout(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (119, "119s"),
        (120, "2m"),
        (3599, "59m"),
        (3600, "1h"),
        (5400, "90m"),
        (7200, "2h"),
        (172800, "2d"),
    ],
)
def test_time_left_is_rounded_up_to_its_largest_unit(seconds: int, text: str) -> None:
    assert format_remaining(seconds * MICROSECONDS) == text


def test_part_of_a_second_counts_as_one() -> None:
    assert format_remaining(1) == "1s"
