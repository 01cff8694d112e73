"""Each way to make a commit, to move a ref and to push: who stops it, and who is left alone."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from operations.operations import GROUPS
from operations.world import FREE, MODES, RESERVED, build, copied, git_version, observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.operations import Operation
    from operations.world import Mode

TABLE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CELLS = [
    pytest.param(mode, operation, id=f"{operation.name}, {mode}")
    for group in GROUPS
    for operation in group.operations
    for mode in MODES
]


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="agentlock-operations-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def template(kept: Path, mode: Mode, operation: Operation) -> Path:
    """A world built by the first test that needs it, in its sealed environment."""
    if git_version() < operation.since:
        pytest.skip(f"git has known it since {operation.since}")
    if not (kept / mode).exists():
        build(kept / mode, mode)
    return kept / mode


@pytest.mark.parametrize(("mode", "operation"), CELLS)
def test_what_touches_a_reserved_path_is_refused_now_or_by_the_next_gate(
    mode: Mode, operation: Operation, kept: Path
) -> None:
    with copied(template(kept, mode, operation), RESERVED) as world:
        seen = observe(world, operation)
    assert seen.tried.hook == getattr(operation, mode), seen
    if seen.tried.hook:
        assert seen.tried.refused, seen
        assert seen.restored is not None, seen
        assert "Traceback" not in seen.tried.result.err
    else:
        assert seen.tried.result.code == 0, seen
        assert seen.changed == operation.moves
        if operation.later:
            assert seen.later is not None
            assert seen.later.refused, seen
            assert seen.later.hook == operation.gate


@pytest.mark.parametrize(("mode", "operation"), CELLS)
def test_what_touches_only_free_paths_is_left_alone(
    mode: Mode, operation: Operation, kept: Path
) -> None:
    with copied(template(kept, mode, operation), FREE) as world:
        seen = observe(world, operation)
    assert seen.tried.result.code == 0, seen
    assert "agentlock" not in seen.tried.result.err
    assert seen.changed == operation.moves
    assert seen.later is None or seen.later.result.code == 0, seen


def test_the_documentation_has_a_row_for_each_operation() -> None:
    rows = re.findall(r"^\| (.+?) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    for group in GROUPS:
        assert {operation.name for operation in group.operations} <= set(rows)
