"""Every script of trials/, benchmarks/ and docs/generate/ starts, and says what it does."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.committing import OURS_ALONE, PHASES, phases
from benchmarks.pages import PAGE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("trials", "benchmarks", "docs/generate")
    for path in (ROOT / folder).glob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_every_script_answers_help_and_every_other_module_can_be_imported(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (ROOT / name).read_text(encoding="utf-8")
    if '\nif __name__ == "__main__":\n' not in source:
        runpy.run_path(str(ROOT / name))
        return
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    assert not ended.value.code
    described = ast.get_docstring(ast.parse(source))
    assert described
    told = " ".join(capsys.readouterr().out.split())
    assert told.lower().startswith("usage: ")
    assert described.partition("\n")[0] in told


def test_the_benchmark_that_takes_a_commit_apart_finds_each_part(tmp_path: Path) -> None:
    parts = phases(tmp_path / "bench", rounds=1).table[1:]
    assert [name for name, *_ in parts] == [*PHASES, "the whole"]
    assert all(float(mean) >= 0 for _, mean, *_ in parts)
    floors = {name: floor for name, *_, floor in parts}
    assert {name for name, floor in floors.items() if floor == "-"} == set(OURS_ALONE)


# The measurements of `make bench` that can be short, as short as they get.
SHORT = (
    ("committing.py", "--quick", "--rounds", "2"),
    ("pushes.py", "--rounds", "2"),
    ("strict.py", "--rounds", "2"),
    ("starting.py", "--rounds", "2"),
    ("edit_hook.py", "--rounds", "2", "--output", os.devnull),
    ("postgres.py", "--rounds", "2", "--processes", "20"),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", SHORT, ids=lambda words: words[0])
def test_every_measurement_still_fits_what_it_measures(words: tuple[str, ...]) -> None:
    environment = {**os.environ, PAGE_VARIABLE: os.devnull}
    script, *options = words
    command = [sys.executable, f"benchmarks/{script}", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "| --- |" in done.stdout or "|---|" in done.stdout
