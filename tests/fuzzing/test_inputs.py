"""Whatever text is given: an answer or a sentence, no traceback, no hang, no escape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzzing.inputs import KINDS, Target, fuzz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    target = Target(tmp_path / "target")
    yield target
    target.close()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_text_is_the_answer_is_in_good_order(kind: str, target: Target) -> None:
    fuzz(kind, target, examples=25)
    target.check()
