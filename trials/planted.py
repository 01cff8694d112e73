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
        "return text.isprintable() and (text.isascii()",
        "return (text.isascii()",
        ("tests/unit/test_report.py", "tests/cli/test_output.py"),
    ),
    Mistake(
        "a ledger entry is believed although no gate let the commit pass",
        "guard/ledger.py",
        "if oid in entered and oid not in bound and path not in entered[oid].void:",
        "if oid not in bound:",
        ("tests/histories/test_ledger_histories.py", "-k", "takes_just"),
    ),
    Mistake(
        "what passes unjudged is noted",
        "guard/pushing.py",
        "known = self._left_out | self._read(store).wholly_entered(brings)",
        "known = self._read(store).wholly_entered(brings)",
        ("tests/git/test_landing.py", "-k", "unjudged"),
    ),
    Mistake(
        "a note counts for any change on its base",
        "guard/take_in.py",
        "*self._by_change.get((one.parents, digest(diff)), ()),",
        "*(n for (b, _), many in self._by_change.items() if b == one.parents for n in many),",
        ("tests/git/test_allowed_stays.py", "-k", "no_other_change"),
    ),
    Mistake(
        "a patch is the same whatever its spaces are",
        "git/patches.py",
        "lines.append(line)",
        'lines.append(b"".join(line.split()))',
        ("tests/git/test_set_up_cases.py", "-k", "indentation"),
    ),
    Mistake(
        "any replay counts, whether git makes it cleanly or not",
        "guard/take_in.py",
        "if scratch.is_replay(original, onto, tree):",
        "if original:",
        ("tests/git/test_ledger.py", "-k", "conflict"),
    ),
    Mistake(
        "one origin serves a history again and again",
        "guard/entered.py",
        "one.counts and one.origin not in taken",
        "one.counts",
        ("tests/git/test_allowed_stays.py", "-k", "reverted"),
    ),
    Mistake(
        "no lease counts that was granted while an editor was open",
        "guard/entered.py",
        "if held.fence > note.fence and",
        "if held.fence < 0 and",
        ("tests/git/test_allowed_stays.py", "-k", "editor"),
    ),
    Mistake(
        "an entry excuses no path that needs a reservation",
        "guard/ledger.py",
        "uncovered=tuple(path for path in verdict.uncovered if not is_free(path, None)),",
        "uncovered=verdict.uncovered,",
        ("tests/git/test_allowed_stays.py", "-k", "was_covered"),
    ),
    Mistake(
        "remote-tracking refs are believed",
        "guard/pushing.py",
        "if remote is None or not self._push.tracked:",
        "if remote is None or self._push:",
        ("tests/git/test_forged_refs.py", "-k", "forged"),
    ),
    Mistake(
        "a clone that shares the table vouches for commits",
        "git/remotes.py",
        "and not _shares(repository, place)",
        "and True",
        ("tests/git/test_landing.py", "-k", "vouches"),
    ),
    Mistake(
        "main is judged by what is new to the remote only",
        "guard/pushing.py",
        "for update in self._protected(policy):",
        "for update in ():",
        ("tests/git/test_landing.py", "-k", "gains"),
    ),
    Mistake(
        "landing now binds nobody",
        "guard/pushing.py",
        'if verdict.policy.landing == "now"',
        'if verdict.policy.landing == "never"',
        ("tests/git/test_landing.py", "-k", "landing_now"),
    ),
    Mistake(
        "no history is foreign",
        "guard/foreign.py",
        "self._others[oid] = bool(roots) and roots.isdisjoint(self._of_project())",
        "self._others[oid] = False",
        ("tests/git/test_landing.py", "-k", "another_history"),
    ),
    Mistake(
        "a merge brings a foreign history in unjudged",
        "guard/pushing.py",
        "joined = {**self._roots.joined(commits), **self._replaced()}",
        "joined = self._replaced()",
        ("tests/git/test_landing.py", "-k", "another_history or folder"),
    ),
    Mistake(
        "what a push drops is not judged",
        "guard/dropping.py",
        "return {path: touching for path, touching in found.items() if touching}",
        "return {}",
        ("tests/git/test_landing.py", "-k", "dropped"),
    ),
    Mistake(
        "what git left in a conflict settles it",
        "git/changes.py",
        "_unsettled(conflicts)\n",
        'b""\n',
        ("tests/git/test_attacks.py", "-k", "leaving"),
    ),
    Mistake(
        "what a push judged is noted nowhere",
        "guard/pushing.py",
        "return [oid for oid in brings if oid not in known]",
        "return []",
        ("tests/git/test_allowed_stays.py", "-k", "what_a_push_judged"),
    ),
    Mistake(
        "`check --since` lists no skips",
        "guard/history.py",
        "if one.how in (WARNED, SKIPPED)",
        "if one.how == WARNED",
        ("tests/cli/test_check_commits.py", "-k", "since"),
    ),
    Mistake(
        "a refused push names no commit",
        "guard/pushing.py",
        "refused = Refused(*self.refused(store, verdict), self._refused[1])",
        "return None",
        ("tests/git/test_refused_pushes.py", "-k", "named"),
    ),
)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--new", action="store_true", help="only those that the page lacks")
    before = _rows() if parser.parse_args().new else {}
    with tempfile.TemporaryDirectory(prefix="agentlock-planted-") as folder:
        copy = copied(Path(folder))
        rows = []
        for mistake in MISTAKES:
            red = before.get(mistake.name) or _first_red(copy, mistake)
            print(f"{mistake.name}: {red or 'NOT FOUND'}", flush=True)
            rows.append(f"| {mistake.name} | {f'`{red}`' if red else '**not found**'} |\n")
    head = "# Planted mistakes\n\n| mistake | the first test that turns red |\n|---|---|\n"
    PAGE.write_text(f"{head}{''.join(rows)}\n{origin()}\n", encoding="utf-8")
    return 1 if any("not found" in row for row in rows) else 0


def _rows() -> dict[str, str]:
    """What the page says by now of each mistake."""
    found = re.findall(r"(?m)^\| (.+) \| `(.+)` \|$", PAGE.read_text(encoding="utf-8"))
    return dict(found)


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
