"""Each way to make a commit, to move a ref and to push: who stops it, and who is left alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from operations.operations import GROUPS
from operations.world import FREE, MODES, RESERVED, copied, missing, observe, stopped_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from operations.operations import Operation
    from operations.world import Mode

TABLE = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "operations.md"
OPERATIONS = [operation for group in GROUPS for operation in group.operations]


def cells(repeating: Callable[[Operation, Mode], bool]) -> list[Any]:
    """Both modes of every operation; those that tell nothing new are slow ones."""
    return [
        pytest.param(
            mode,
            operation,
            id=f"{operation.name}, {mode}",
            marks=[pytest.mark.slow] if repeating(operation, mode) else [],
        )
        for operation in OPERATIONS
        for mode in MODES
    ]


def require(operation: Operation) -> None:
    if missing(operation):
        pytest.skip(f"needs {missing(operation)}")


@pytest.mark.parametrize(
    ("mode", "operation"),
    cells(lambda operation, mode: mode == "default" and operation.default == operation.strict),
)
def test_what_touches_a_reserved_path_is_refused_now_or_by_the_next_gate(
    mode: Mode, operation: Operation, template: Callable[[Mode], Path]
) -> None:
    require(operation)
    with copied(template(mode), RESERVED) as world:
        seen = observe(world, operation)
    assert seen.tried.hook == stopped_by(operation, mode), seen
    if seen.tried.hook:
        assert seen.tried.refused, seen
        assert seen.tried.told != operation.silent, seen
        assert seen.restored is not None, seen
        assert "Traceback" not in seen.tried.result.err
    else:
        assert seen.tried.result.code == 0, seen
        assert seen.changed == operation.moves
        if operation.later:
            assert seen.later is not None
            assert seen.later.refused, seen
            assert seen.later.hook == operation.gate


# What is not even stopped on a reserved path is seen to be left alone by the test above.
@pytest.mark.parametrize(
    ("mode", "operation"),
    cells(lambda operation, mode: mode == "default" or not operation.strict),
)
def test_what_touches_only_free_paths_is_left_alone(
    mode: Mode, operation: Operation, template: Callable[[Mode], Path]
) -> None:
    require(operation)
    with copied(template(mode), FREE) as world:
        seen = observe(world, operation)
    assert seen.tried.result.code == 0, seen
    assert not seen.tried.told
    assert seen.changed == operation.moves
    assert seen.later is None or seen.later.result.code == 0, seen


def test_the_documentation_has_a_row_for_each_operation() -> None:
    rows = re.findall(r"^\| (.+?) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {operation.name for operation in OPERATIONS} <= set(rows)
