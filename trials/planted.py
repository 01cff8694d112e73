"""Plant mistakes in a copy of the program, one at a time: does a test turn red?

python trials/planted.py

Each is tried with the tests that should find it; writes docs/evidence/planted.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from support.scripts import arguments

from benchmarks.pages import EVIDENCE, origin
from trials.checkout import copied, replaced

PAGE = EVIDENCE / "planted.md"


class Mistake(NamedTuple):
    """A text in one module, what stands there instead, and the tests that should find it."""

    name: str
    module: str
    right: str
    wrong: str
    tests: tuple[str, ...]


MISTAKES = (
    Mistake(
        "no transaction that writes from its first statement",
        "store/sqlite/__init__.py",
        '_Transaction(self, "BEGIN IMMEDIATE")',
        '_Transaction(self, "BEGIN")',
        ("tests/histories/test_histories.py", "tests/race/test_reserve_race.py"),
    ),
    Mistake(
        "the database's id is not checked",
        "store/sqlite/__init__.py",
        "require_identity(self.location, found, database_id)",
        "pass",
        ("tests/faults/test_closed_when_in_doubt.py", "-k", "another"),
    ),
    Mistake(
        "an error in the guard lets git go on",
        "guard/run.py",
        "return EXIT_REFUSED if error.exit_code == EXIT_REFUSED else EXIT_UNDECIDED",
        "return EXIT_OK",
        ("tests/faults/test_closed_when_in_doubt.py", "-k", "missing"),
    ),
    Mistake(
        "expiry is compared the wrong way",
        "store/reservations.py",
        " AND r.expires_ts > ?",
        " AND r.expires_ts < ?",
        ("tests/store/test_contract.py", "-k", "sqlite"),
    ),
    Mistake(
        "the old name of a rename is left out",
        "git/changes.py",
        '"--no-renames"',
        '"--find-renames"',
        ("tests/git/test_changes.py",),
    ),
    Mistake(
        "what was granted meanwhile is not looked for",
        "reservations/granting.py",
        "search.all_confirmed(now)",
        "tuple(search.found)",
        ("tests/histories/test_histories.py", "tests/race/test_reserve_race.py"),
    ),
    Mistake(
        "a grant may go into a table that was replaced",
        "store/sqlite/__init__.py",
        "!= self._file:",
        "is None:",
        ("tests/histories/test_crashes.py", "-k", "gone"),
    ),
    Mistake(
        "letters that move a terminal's cursor are printed",
        "text.py",
        "if text.isprintable():\n        return text\n",
        "if text:\n        return text\n",
        ("tests/unit/test_report.py", "tests/cli/test_output.py"),
    ),
    Mistake(
        "a ledger entry is believed although no gate let the commit pass",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if oid not in bound:",
        ("tests/histories/test_ledger_histories.py", "-k", "takes_just"),
    ),
)


def main() -> int:
    arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-planted-") as folder:
        copy = copied(Path(folder))
        rows = []
        for mistake in MISTAKES:
            red = _first_red(copy, mistake)
            print(f"{mistake.name}: {red or 'NOT FOUND'}", flush=True)
            rows.append(f"| {mistake.name} | {f'`{red}`' if red else '**not found**'} |\n")
    head = "# Planted mistakes\n\n| mistake | the first test that turns red |\n|---|---|\n"
    PAGE.write_text(f"{head}{''.join(rows)}\n{origin()}\n", encoding="utf-8")
    return 1 if any("not found" in row for row in rows) else 0


def _first_red(copy: Path, mistake: Mistake) -> str | None:
    """The name of the first test that fails with the mistake in place."""
    path = copy / "agentlock" / mistake.module
    text = path.read_text(encoding="utf-8")
    assert mistake.right in text, mistake
    with replaced(path, text.replace(mistake.right, mistake.wrong)):
        done = subprocess.run(
            (".venv/bin/python", "-m", "pytest", "-q", "-x", *mistake.tests),
            cwd=copy,
            check=False,
            capture_output=True,
            text=True,
        )
    found = re.search(r"(?m)^FAILED (.*?)(?: - .*)?$", done.stdout)
    return found[1] if found else None


if __name__ == "__main__":
    sys.exit(main())
