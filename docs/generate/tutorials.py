"""Play the tutorials, and write what their commands print now into the pages.

python docs/generate/tutorials.py

A shown output that still agrees stays as it is, also where lines are left out (`…`).
"""

from __future__ import annotations

import os
import sys

from support.scripts import arguments, sealed_folder
from support.tutorials import BLOCK, PROMPT, TUTORIALS, agrees, played, steps, unvarying, variables


def rewritten(page: str, printed: list[str]) -> str:
    """The page with these outputs, one for each command in order."""
    rest = iter(printed)

    def block(found: str) -> str:
        prompts = [line for line in found.splitlines() if PROMPT.match(line)]
        shown = [(prompt, next(rest)) for prompt in prompts]
        text = ""
        for number, (prompt, output) in enumerate(shown):
            text += f"{prompt}\n" + (f"{output}\n" if output else "")
            if output and number < len(shown) - 1:
                text += "\n"
        return f"```console\n{text}```"

    return BLOCK.sub(lambda found: block(found[1]), page)


def main() -> int:
    arguments(__doc__).parse_args()
    for path in sorted(TUTORIALS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        with sealed_folder("tutorial") as folder:
            os.environ.update(variables())
            outputs = [
                step.printed
                if agrees(unvarying(printed), unvarying(step.printed))
                else "\n".join(line.rstrip() for line in printed.splitlines())
                for step, _code, printed in played(steps(page), folder / "home")
            ]
        path.write_text(rewritten(page, outputs), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
