"""``autotrack top``: runs and their curves in the terminal, while they train.

What is looked at and what keys do with it is here; the terminal itself is in ``terminal``, what changed meanwhile in ``live``.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.doors import choose_store, complete_experiment, store
from autotrack.cli.listing import narrowed
from autotrack.cli.terminal import Terminal
from autotrack.errors import AutotrackError, QueryError

if TYPE_CHECKING:
    from rich.text import Text

    from autotrack.cli.live import Live
    from autotrack.query import Field
    from autotrack.views import RunView

LOOK_S = 0.5
WAIT_S = 0.25  # for a key; then the size of the terminal is looked at
LEAST_HEIGHT = 18  # below which the list has no picture under it
MOST_METRICS = 4  # columns
HELP = (
    ("j k, arrows", "next and previous run"),
    ("Enter", "its curves; again or Esc: back"),
    ("space, left, right", "more curves of an open run"),
    ("/", "filter, as in autotrack search; Enter takes it, Esc leaves it"),
    ("s, S", "sort by the next column, the previous one"),
    ("r", "turn the order around"),
    ("g, G", "first and last run"),
    ("q, Ctrl-C", "end"),
)
KEYS = {
    "\x1b[A": "up", "\x1bOA": "up", "k": "up", "\x1b[B": "down", "\x1bOB": "down", "j": "down",
    "\x1b[C": "right", "\x1bOC": "right", "l": "right", " ": "right", "\x1b[D": "left", "\x1bOD": "left", "h": "left",
    "\x1b[5~": "page up", "\x1b[6~": "page down", "\x1b[H": "first", "\x1b[F": "last", "\x1b[1~": "first", "\x1b[4~": "last",
    "g": "first", "G": "last", "\r": "open", "\n": "open", "\x1b": "back", "q": "quit", "/": "filter", "?": "help",
    "s": "sort", "S": "sort back", "r": "reverse",
}  # fmt: skip


@click.command(short_help="Watch runs and their curves live.")
@click.argument("filter", default="")
@click.option("-n", "--limit", default=200, show_default=True, type=click.IntRange(1, 500), help="Runs to show at most.")
@click.option("--experiment", metavar="NAME", help="Only this experiment.", shell_complete=complete_experiment)
@click.option("--uri", metavar="URL", help="Another store than the one found from here.")
def top(filter: str, limit: int, experiment: str | None, uri: str | None) -> None:
    """Watch runs and their curves live, in the terminal.

    \b
    autotrack top
    autotrack top "status = 'running'"

    Keys: j k move, Enter opens a run's curves, / filters, s sorts, r turns the order around, ? shows all, q ends.
    """
    choose_store(uri)
    found = store()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AutotrackError("top draws on a terminal, and this is none; autotrack ls prints a list")
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise AutotrackError(f"top cannot draw on this terminal (TERM={os.environ.get('TERM', '')!r}); autotrack ls prints a list")
    from autotrack.cli.live import Live

    screen = Screen(Live(found, narrowed(filter, experiment), limit))
    with Terminal() as terminal:
        watch(screen, terminal)


def watch(screen: Screen, terminal: Terminal) -> None:
    looked, drawn = time.monotonic(), 0.0
    is_new = True
    while True:
        now = time.monotonic()
        if now - looked >= LOOK_S:
            looked = now
            is_new |= screen.live.look()
        size = shutil.get_terminal_size() if "COLUMNS" not in os.environ else os.get_terminal_size(sys.stdout.fileno())
        if is_new or size != terminal.size or now - drawn >= 1:  # the times go on
            terminal.draw(screen.lines(*size), size)
            is_new, drawn = False, now
        for key in terminal.keys(WAIT_S):
            is_new = True
            if not screen.press(key):
                return


class Screen:
    """What is looked at, what keys do with it, and how it is drawn."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.to = printing.console()
        self.chosen = ""  # the id of a run; it stays chosen while the rows move
        self.is_open = self.is_help = False
        self.page = 0  # of the pictures of an open run
        self.typed: str | None = None  # a filter in the making
        self.problem = ""
        self._first = 0  # the row at the top
        self._rows = 1  # that fit

    # Keys

    def press(self, key: str) -> bool:
        """Do what the key says; False if it ends the program."""
        if self.typed is not None:
            self._type(key)
            return True
        name = KEYS.get(key, "")
        if self.is_help:
            self.is_help = False
            return True
        match name:
            case "quit":
                return False
            case "help":
                self.is_help = True
            case "open":
                self.is_open, self.page = not self.is_open and bool(self.live.rows), 0
            case "back":
                self.is_open, self.page = False, 0
            case "left" | "right" if self.is_open:
                self.page += 1 if name == "right" else -1
            case "up" | "down" | "page up" | "page down" | "first" | "last":
                self._move(name)
            case "filter" if not self.is_open:
                self.typed, self.problem = self.live.filter, ""
            case "sort" | "sort back":
                self._sort(1 if name == "sort" else -1)
            case "reverse":
                self._order(self._sorted_by(), not self._is_descending())
        return True

    def _type(self, key: str) -> None:
        typed = self.typed or ""
        if key in ("\r", "\n"):
            try:
                self.live.ask(typed.strip(), self.live.order)
            except QueryError as error:
                self.problem = str(error)
                return
            self.typed, self.problem = None, ""
        elif key == "\x1b":
            self.typed, self.problem = None, ""
        elif key in ("\x7f", "\b"):
            self.typed = typed[:-1]
        elif key == "\x15":  # Ctrl-U
            self.typed = ""
        elif len(key) == 1 and key.isprintable():
            self.typed = typed + key

    def _move(self, name: str) -> None:
        rows = self.live.rows
        if not rows:
            return
        by = {"up": -1, "down": 1, "page up": -self._rows, "page down": self._rows, "first": -len(rows), "last": len(rows)}[name]
        self.chosen = rows[min(max(self._place() + by, 0), len(rows) - 1)].id

    def _place(self) -> int:
        """The row of the chosen run; the first where it is gone."""
        return next((row for row, run in enumerate(self.live.rows) if run.id == self.chosen), 0)

    def _sortable(self) -> list[Field]:
        from autotrack.query import Field

        names = ("started", "name", "status", "duration", "experiment")
        return [*(Field("run", name) for name in names), *(Field("metrics", key) for key in self._keys())]

    def _sorted_by(self) -> Field:
        from autotrack.query import Field

        return self.live.order[0].field if self.live.order else Field("run", "started")

    def _is_descending(self) -> bool:
        return self.live.order[0].descending if self.live.order else True

    def _sort(self, by: int) -> None:
        fields = self._sortable()
        at = fields.index(self._sorted_by()) if self._sorted_by() in fields else 0
        field = fields[(at + by) % len(fields)]
        self._order(field, field.nature in ("time", "number"))

    def _order(self, field: Field, descending: bool) -> None:
        from autotrack.query import Order

        self.live.ask(self.live.filter, [Order(field, descending)])

    # Drawing

    def lines(self, width: int, height: int) -> list[str]:
        """The screen as lines with colours, at most ``height`` of at most ``width`` characters."""
        self.to.width = width
        if self.is_help:
            keys = [printing.styled(f"  {keys:<24}{what}") for keys, what in HELP]
            return self._printed([printing.styled("Keys", "bold"), *keys])[:height]
        run = self.live.rows[self._place()] if self.live.rows else None
        self.chosen = run.id if run is not None else ""
        body_height = max(height - 2, 1)
        if run is None:
            body = self._printed([printing.styled(""), printing.styled("  No run fits." if self.live.filter else "  No run was recorded yet.")])
        elif self.is_open:
            body = self._run(run, width, body_height)
        else:
            body = self._list(run, width, body_height)
        body = [*body[:body_height], *[""] * (body_height - len(body))]
        return [*self._printed([self._head()]), *body, *self._printed([self._foot()])][:height]

    def _printed(self, lines: list[Text]) -> list[str]:
        with self.to.capture() as got:
            for line in lines:
                printing.print_line(self.to, line)
        return got.get().split("\n")[:-1]

    def _head(self) -> Text:
        rows = self.live.rows
        running = sum(run.status == "running" for run in rows)
        line = printing.styled("autotrack top", "bold")
        line.append(f"  {running} running", "cyan" if running else "")
        line.append(f"  {words.plural(len(rows), 'run')}")
        if self.live.filter:
            line.append(f"  {words.clean(self.live.filter)}", "dim")
        return line

    def _foot(self) -> Text:
        if self.typed is not None:
            line = printing.styled(f"filter: {self.typed}_", "bold")
            if self.problem:
                line.append(f"  {words.clean(self.problem)}", "red")
            return line
        if self.is_open:
            return printing.styled("Enter back  j k run  space more curves  ? keys  q quit", "dim")
        return printing.styled("Enter curves  / filter  s sort  r reverse  ? keys  q quit", "dim")

    def _keys(self) -> list[str]:
        """The metrics that get a column: those that most of the runs have and that say most."""
        from autotrack.glance import telling

        counts: dict[str, int] = {}
        for run in self.live.rows:
            for key, value in run.metrics.items():
                if isinstance(value, (int, float)):
                    counts[key] = counts.get(key, 0) + 1
        often = max(counts.values(), default=0) / 2
        return telling(key for key, count in counts.items() if count >= often)[:MOST_METRICS]

    def _list(self, chosen: RunView, width: int, height: int) -> list[str]:
        picture = self._picture(chosen, width, max(height // 3, 6)) if height >= LEAST_HEIGHT else []
        self._rows = max(height - 1 - len(picture), 1)
        place = self._place()
        self._first = max(min(self._first, place, len(self.live.rows) - self._rows), place - self._rows + 1, 0)
        with self.to.capture() as got:
            self._print_table(self.live.rows[self._first : self._first + self._rows])
        table = got.get().split("\n")[:-1]
        return [*table, *[""] * (height - len(table) - len(picture)), *picture]

    def _print_table(self, rows: list[RunView]) -> None:
        keys, by, now = self._keys(), self._sorted_by(), time.time()
        arrow = ("↓" if self._is_descending() else "↑") if printing.is_unicode() else ("v" if self._is_descending() else "^")

        def title(text: str, *fields: str) -> str:
            return f"{text} {arrow}" if by.group == "run" and by.name in fields else text

        columns = [
            printing.Column(""),
            printing.Column(title("NAME", "name"), least=10, good=24),
            printing.Column(title("STATUS", "status"), 1),
            printing.Column(title("STARTED", "started"), 5),
            printing.Column(title("TIME", "duration"), 3, right=True),
            printing.Column("STEP", 4, right=True),
            printing.Column(title("EXPERIMENT", "experiment"), 6, least=10),
        ]
        for number, key in enumerate(keys):
            mark = f" {arrow}" if by.group == "metrics" and by.name == key else ""
            columns.append(printing.Column(f"{words.clean(key)}{mark}", 1 if mark else 2 + number, right=True))
        cells = []
        for run in rows:
            is_chosen = run.id == self.chosen
            steps = [stats.last_step for key, stats in run.statistics.items() if not key.startswith("system/")]
            cells.append(
                [
                    printing.styled(">" if is_chosen else " ", "bold"),
                    printing.styled(run.name, "bold reverse" if is_chosen else ""),
                    printing.styled(run.status, printing.STATUS_STYLES[run.status]),
                    printing.styled(words.moment(run.started)),
                    printing.styled(words.span((now if run.ended is None else run.ended) - run.started)),
                    printing.styled(max(steps) if steps else ""),
                    printing.styled(run.experiment, "dim"),
                    *(printing.styled(words.number(run.metrics.get(key, ""))) for key in keys),
                ]
            )
        printing.print_table(self.to, columns, cells)

    def _picture(self, run: RunView, width: int, height: int) -> list[str]:
        """What says most of a run, below the list."""
        from autotrack.cli.curves import measures, picture

        for group in measures(run)[:1]:
            return ["", *self._printed(picture(self.to, self.live.curves(run.id, group), width=width, height=height - 3))]
        return []

    def _run(self, run: RunView, width: int, height: int) -> list[str]:
        """An open run: a line of facts, and as many pictures as fit."""
        from autotrack.cli.curves import measures, picture

        took = words.span((time.time() if run.ended is None else run.ended) - run.started)
        head = printing.styled(run.name, "bold")
        head.append(f"  {run.status}", printing.STATUS_STYLES[run.status])
        head.append(f"  {took}  {run.id}  {words.clean(run.experiment)}")
        lines = self._printed([head, *([printing.styled(run.error, "red")] if run.error else [])])
        groups = measures(run)
        fit = max((height - len(lines)) // 10, 1)
        pages = max(-(-len(groups) // fit), 1)
        self.page %= pages
        shown = groups[self.page * fit : (self.page + 1) * fit]
        if not shown:
            return [*lines, "", *self._printed([printing.styled("No curve yet: one has two points or more.", "dim")])]
        each = (height - len(lines) - (pages > 1)) // len(shown)
        for group in shown:
            drawn = picture(self.to, self.live.curves(run.id, group), width=width, height=max(each - 3, 3))
            lines += ["", *self._printed(drawn or [printing.styled(f"{', '.join(group)}: no finite value", "dim")])]
        if pages > 1:
            lines = [*lines[: height - 1], *self._printed([printing.styled(f"page {self.page + 1} of {pages}", "dim")])]
        return lines
