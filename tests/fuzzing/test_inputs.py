"""Whatever text is given: an answer or a sentence, no traceback, no hang, no escape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzzing.inputs import KINDS, TEXTS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fuzzing.inputs import Attempt


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    target = Target(tmp_path / "target")
    yield target
    target.close()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_text_is_the_answer_is_in_good_order(kind: str, target: Target) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(KINDS[kind]), TEXTS)
    def tried(place: Callable[[str], Attempt], text: str) -> None:
        target.attempt(place(text))

    tried()
    target.check()
