"""The chart of the README: what each kind of hook adds to a commit. Drawn from RESULTS.md.

python benchmarks/chart.py
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

from support.scripts import arguments

from benchmarks.pages import RESULTS

CHART = Path(__file__).resolve().parent.parent / "docs" / "commit.svg"
SECTION = "## A guarded commit"
WIDTH, LABELS, ROW = 880, 400, 26
OURS, OTHERS = "#1a7f5a", "#9aa4af"


def rows(text: str) -> list[tuple[str, float]]:
    """(hooks, added) of the section's table, smallest first, those that add nothing left out."""
    _, _, section = text.partition(SECTION)
    section = section.partition("\n## ")[0]
    found = re.findall(r"(?m)^\| (?!hooks|---)(.+?) \|.*\| ([\d.]+) \|$", section)
    bars = [(name.replace("`", ""), float(number)) for name, number in found]
    return sorted((bar for bar in bars if bar[1] > 0), key=lambda bar: bar[1])


def svg(bars: list[tuple[str, float]]) -> str:
    """One horizontal bar for each, with its figure."""
    longest = max(number for _, number in bars)
    room = WIDTH - LABELS - 70
    height = ROW * len(bars) + 46
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="system-ui, sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        (
            '<text x="12" y="22" font-weight="600" fill="#1f2328">What hooks add to a git commit; '
            "1 is an interpreter that does nothing</text>"
        ),
    ]
    for at, (name, number) in enumerate(bars):
        y = 36 + at * ROW
        width = max(number / longest * room, 1)
        colour = OURS if name.startswith("agentlock") else OTHERS
        lines += [
            (
                f'<text x="{LABELS - 8}" y="{y + 16}" text-anchor="end" fill="#1f2328">'
                f"{escape(name)}</text>"
            ),
            f'<rect x="{LABELS}" y="{y + 3}" width="{width:.1f}" height="18" fill="{colour}"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{y + 16}" fill="#1f2328">{number:.2f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def draw() -> None:
    """Draw it anew."""
    CHART.write_text(svg(rows(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"drawn: {CHART.name}")


if __name__ == "__main__":
    arguments(__doc__).parse_args()
    draw()
