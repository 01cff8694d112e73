"""The board in a terminal, drawn with Textual; it works from 80 columns and 24 lines on."""

from __future__ import annotations

import threading
from textwrap import fill
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static, TabbedContent, TabPane

from agentlock.board import lines
from agentlock.board.changes import Picture
from agentlock.board.detail import detail_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.timer import Timer

    from agentlock.board.changes import Patch
    from agentlock.board.feed import Feed
    from agentlock.board.rows import Row

_MOST = 500  # rows of a table: a search finds the others
_REDRAW = 0.2  # seconds between two drawings at least
_LEVELS = {"stuck": "bold red", "look": "yellow", "note": ""}
_STATES = {"working": "green", "waiting": "yellow", "silent": "dim", "gone": "red"}
_KINDS = {"refused": "red", "granted": "green", "handed-over": "yellow", "force-released": "red"}


class _View:
    """One tab: what it shows of the picture, in which order, and as which cells."""

    def __init__(
        self,
        name: str,
        section: str,
        headers: Sequence[str],
        cells: Callable[[Row, int], Sequence[str]],
        order: Callable[[Row], tuple[float, ...]],
        style: Callable[[Row], str] = lambda _: "",
    ) -> None:
        self.name = name
        self.section = section
        self.headers = headers
        self.cells = cells
        self.order = order
        self.style = style

    def rows(self, picture: Picture, now: int, find: str) -> list[tuple[str, list[Text]]]:
        """The key and the cells of each row that has the text."""
        found = []
        for row in sorted(picture.rows(self.section), key=self.order):
            cells = self.cells(row, now)
            if find and not any(find.lower() in cell.lower() for cell in cells):
                continue
            style = self.style(row)
            key = str(row["name"] if self.section == "agents" else row["id"])
            found.append((key, [Text(cell, style=style) for cell in cells]))
            if len(found) == _MOST:
                break
        return found


def _agent_order(row: Row) -> tuple[float, ...]:
    busy = 0 if row["holds"] or row["waits"] else 1
    return busy, -row["seen"]


VIEWS = (
    _View(
        "Now",
        "attention",
        ("level", "what needs a person"),
        lambda row, _: (row["level"], row["text"]),
        lambda row: ([*_LEVELS].index(row["level"]), row["since"]),
        lambda row: _LEVELS[row["level"]],
    ),
    _View(
        "Agents",
        "agents",
        ("agent", "state", "holds", "where", "program"),
        lines.agent_cells,
        _agent_order,
        lambda row: _STATES.get(row["state"], ""),
    ),
    _View(
        "Leases",
        "leases",
        ("id", "agent", "pattern", "left", "reason"),
        lines.lease_cells,
        lambda row: (row["expires"],),
    ),
    _View(
        "Queue",
        "waits",
        ("place", "agent", "wants", "behind", "since"),
        lines.wait_cells,
        lambda row: (row["created"],),
    ),
    _View(
        "Log",
        "events",
        ("when", "what", "who", "path", "detail"),
        lambda row, _: lines.event_cells(row),
        lambda row: (-row["id"],),
        lambda row: _KINDS.get(row["kind"], ""),
    ),
    _View(
        "Mail",
        "mail",
        ("id", "from", "to", "subject", "state", "age"),
        lines.mail_cells,
        lambda row: (-row["id"],),
    ),
    _View(
        "Sessions",
        "sessions",
        ("id", "agent", "program", "state", "turns", "compactions"),
        lines.session_cells,
        lambda row: (row["ended"] is not None, -row["started"]),
    ),
)


def shorten(text: str, width: int) -> str:
    """The text, cut to so many columns."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


class Detail(ModalScreen[None]):
    """One row in full."""

    BINDINGS: ClassVar = [Binding("escape,enter,q", "dismiss", "Close")]
    CSS = """
    Detail { align: center middle; }
    Detail > VerticalScroll { width: 90%; max-width: 110; height: auto; max-height: 90%;
        border: round $primary; padding: 0 1; background: $surface; }
    """

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._text)
        yield Footer()


class BoardApp(App[None]):
    """The board; ``follow`` gives it the feed's patches, from a thread of its own."""

    CSS = """
    #headline { height: auto; max-height: 3; padding: 0 1; text-style: bold; }
    #headline.stuck { color: $error; }
    #counts { height: 1; padding: 0 1; color: $text-muted; }
    TabbedContent { height: 1fr; }
    TabPane { padding: 0; }
    DataTable { height: 1fr; }
    #table-now { height: auto; max-height: 60%; }
    #happens { height: 1fr; padding: 1 1 0 1; color: $text-muted; }
    #find { display: none; height: 3; }
    #find.open { display: block; }
    """
    BINDINGS: ClassVar = [
        Binding("slash", "find", "Search", key_display="/"),
        Binding("escape", "clear", "Clear", show=False),
        *(
            Binding(str(number), f"view({number - 1})", view.name, show=False)
            for number, view in enumerate(VIEWS, start=1)
        ),
        Binding("right_square_bracket,n", "step(1)", "Next view", key_display="n"),
        Binding("left_square_bracket,p", "step(-1)", "Previous", key_display="p"),
        Binding("enter", "open", "Open", key_display="Enter"),  # the table's own, shown
        Binding("q", "quit", "Quit"),
    ]
    ENABLE_COMMAND_PALETTE = False
    TITLE = "agentlock board"

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.picture = Picture()
        self._feed = feed
        self._is_stopped = threading.Event()
        self._now = 0
        self._find = ""
        self._due: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static("reading the table…", id="headline", markup=False)
        yield Static("", id="counts", markup=False)
        with TabbedContent():
            for number, view in enumerate(VIEWS, start=1):
                with TabPane(f"{number} {view.name}", id=view.name.lower()):
                    table: DataTable[Text] = DataTable(id=f"table-{view.name.lower()}")
                    table.cursor_type = "row"
                    yield table
                    if view is VIEWS[0]:
                        yield Static("", id="happens", markup=False)
        yield Input(placeholder="search", id="find")
        yield Footer()

    def on_mount(self) -> None:
        for view in VIEWS:
            table = self._table(view)
            for header in view.headers:
                table.add_column(header, key=header)
        self._table(VIEWS[0]).focus()
        threading.Thread(target=self._follow, name="board feed", daemon=True).start()
        self.set_interval(1.0, self._draw_later)

    def on_unmount(self) -> None:
        self._is_stopped.set()

    def _follow(self) -> None:
        for patch in self._feed.changes(self._is_stopped.is_set):
            if self._is_stopped.is_set() or not self.is_running:
                return
            self.call_from_thread(self.take, patch)

    # Drawing

    def take(self, patch: Patch) -> None:
        """Show what a patch of the feed changes."""
        self.picture.apply(patch)
        self.picture.patch(0)
        self._now = patch["now"]
        self._draw_later()

    def _draw_later(self) -> None:
        if self._due is None:
            self._due = self.set_timer(_REDRAW, self._draw)

    def _draw(self) -> None:
        self._due = None
        picture = self.picture
        about = picture.sections.get("about", {})
        levels = {row["level"] for row in picture.rows("attention")}
        said = [about.get("headline", {}).get("text", "")]
        said += [f"The table cannot be read: {row['text']}" for row in picture.rows("trouble")]
        if about.get("guard", {}).get("in_place") is False:
            said.append("The hooks are not in place: git refuses nothing here.")
        headline = self.query_one("#headline", Static)
        headline.update(Text("\n".join(said)))
        headline.set_class("stuck" in levels or len(said) > 1, "stuck")
        counts = [
            f"{len(picture.rows(section))} {name}"
            for section, name in (("agents", "agents"), ("leases", "leases"), ("waits", "waiting"))
        ]
        find = f"   search: {self._find}" if self._find else ""
        project = about.get("project", {}).get("folder", "")
        self.query_one("#counts", Static).update(Text(f"{project}   {'   '.join(counts)}{find}"))
        self._fill(self._view)

    def _fill(self, view: _View) -> None:
        """Show the rows of a view; the cursor stays on its row, and the scrolling where it was."""
        table, rows = self._table(view), view.rows(self.picture, self._time(), self._find)
        keys = [row.value for row in table.rows]
        is_first = view is VIEWS[0]
        if is_first:
            self._put_happens()
        elif keys == [key for key, _ in rows]:
            for key, cells in rows:
                for header, cell in zip(view.headers, cells, strict=True):
                    if table.get_cell(key, header) != cell:
                        table.update_cell(key, header, cell, update_width=True)
            return
        at, scrolled = table.cursor_row, table.scroll_y
        key_at = keys[at] if at < len(keys) else None
        table.clear()
        for key, cells in rows:
            if is_first:  # a sentence is shown in full
                cells[1] = Text(
                    fill(cells[1].plain, max(self.size.width - 12, 20)), style=cells[1].style
                )
            table.add_row(*cells, key=key, height=cells[1].plain.count("\n") + 1)
        found = next((place for place, (key, _) in enumerate(rows) if key == key_at), at)
        table.move_cursor(row=max(0, min(found, len(rows) - 1)), animate=False, scroll=False)
        table.scroll_to(y=scrolled, animate=False)

    def _put_happens(self) -> None:
        width = max(self.size.width - 2, 20)
        shown = [
            shorten("  ".join(filter(None, lines.event_cells(row))), width)
            for row in reversed(self.picture.rows("events")[-30:])
        ]
        self.query_one("#happens", Static).update(Text("\n".join(["what happens", *shown])))

    def _time(self) -> int:
        return max(self._now, self._feed.now())

    @property
    def _view(self) -> _View:
        active = self.query_one(TabbedContent).active
        return next((view for view in VIEWS if view.name.lower() == active), VIEWS[0])

    def _table(self, view: _View) -> DataTable[Text]:
        table: DataTable[Text] = self.query_one(f"#table-{view.name.lower()}", DataTable)
        return table

    # What keys do

    def action_view(self, number: int) -> None:
        self.query_one(TabbedContent).active = VIEWS[number].name.lower()

    def action_step(self, step: int) -> None:
        self.action_view((VIEWS.index(self._view) + step) % len(VIEWS))

    def on_tabbed_content_tab_activated(self) -> None:
        self._fill(self._view)
        self._table(self._view).focus()

    def action_open(self) -> None:
        self._table(self._view).action_select_cursor()

    def on_resize(self) -> None:
        self._draw_later()

    def action_find(self) -> None:
        find = self.query_one("#find", Input)
        find.add_class("open")
        find.focus()

    def action_clear(self) -> None:
        find = self.query_one("#find", Input)
        find.value = ""
        find.remove_class("open")
        self._table(self._view).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._find = event.value.strip()
        self._fill(self._view)

    def on_input_submitted(self) -> None:
        self.query_one("#find", Input).remove_class("open")
        self._table(self._view).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        key = event.row_key.value
        if key is not None:
            self.push_screen(
                Detail(detail_text(self.picture, self._view.section, key, self._time()))
            )
