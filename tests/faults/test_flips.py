"""Single bits of the table flipped: the guard refuses, or answers as before, but for few."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from faults.flips import Flips

if TYPE_CHECKING:
    from pathlib import Path

EVERY = 499  # a prime: other places of each page


def test_of_many_flipped_bits_hardly_any_lets_a_reserved_path_through(tmp_path: Path) -> None:
    flips = Flips(tmp_path)
    counts = Counter(flips.outcome(at, at % 8) for at in range(0, flips.size, EVERY))
    assert counts["bug"] == 0
    assert counts["noticed"] > 0
    assert counts["open"] <= counts.total() // 100, counts


def test_a_flipped_bit_in_what_tells_the_table_apart_is_noticed(tmp_path: Path) -> None:
    flips = Flips(tmp_path)
    for byte in (0, 60, 63, 68, 71):  # magic, user_version, application_id
        assert flips.outcome(byte, 0) == "noticed", byte
