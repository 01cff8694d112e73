"""Write the tree of modules into docs/explanation/design.md, from each module's first line.

python docs/generate/house.py           (writes the page)
python docs/generate/house.py --check   (exit 1 if the page is out of date)
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "design.md"
BEGIN = "<!-- written by docs/generate/house.py -->\n"
END = "<!-- end of what docs/generate/house.py writes -->\n"
WIDTH = 100
COLUMN = 24


def first_line(module: Path) -> str:
    """The first line of a module's docstring."""
    described = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not described:
        raise SystemExit(f"{module.relative_to(ROOT)} has no docstring")
    return described.partition("\n")[0].replace("``", "`")


def entry(name: str, description: str, depth: int) -> str:
    """One line of the tree, or several if the description is long."""
    hanging = " " * COLUMN
    return textwrap.fill(
        description,
        WIDTH,
        initial_indent=("  " * depth + name).ljust(COLUMN - 1) + " ",
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def tree(package: Path, depth: int = 0) -> Iterator[str]:
    """A package, its modules, then the packages below it."""
    yield entry(f"{package.name}/", first_line(package / "__init__.py"), depth)
    for module in sorted(package.glob("*.py")):
        if module.name != "__init__.py":
            yield entry(module.name, first_line(module), depth + 1)
    for below in sorted(package.iterdir()):
        if (below / "__init__.py").is_file():
            yield from tree(below, depth + 1)


def with_house(page: str) -> str:
    """The page with the tree as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    house = "\n".join(tree(ROOT / "agentlock"))
    return f"{before}{BEGIN}\n```text\n{house}\n```\n\n{END}{after}"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--check", action="store_true", help="only say if it is out of date")
    check = parser.parse_args().check
    written = PAGE.read_text(encoding="utf-8")
    current = with_house(written)
    if check:
        if written != current:
            print(f"{PAGE.relative_to(ROOT)} is out of date; fix: make docs")
        return int(written != current)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
