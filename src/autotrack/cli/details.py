"""One run in full, and several beside each other: what ``show`` and ``compare`` print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autotrack import words
from autotrack.cli import printing
from autotrack.cli.listing import print_folds
from autotrack.cli.printing import Column
from autotrack.glance import natural

if TYPE_CHECKING:
    from rich.console import Console

    from autotrack.search import Comparison
    from autotrack.views import RunView, Series

CHILDREN = 20  # runs inside a run that show lists
MOST_PACKAGES = 12  # that show lists
LAST_LINES = 12  # of the console that show prints unasked
COLOUR = re.compile(r"(\x1b\[[\d;]*m)")
PLOTS = 6  # pictures that show draws unasked


def print_run(to: Console, run: RunView, wanted: Sequence[str]) -> None:
    from rich.text import Text

    title = printing.styled(run.name, "bold")
    title.append(f"  {run.status}", printing.STATUS_STYLES[run.status])
    title.append(f"  {words.span(run.duration_s)}" if run.duration_s is not None else "")
    printing.print_line(to, title)
    print_pairs(to, [(key, value) for key, value in facts(run) if value])
    if run.notes:
        heading(to, "NOTES")
        for line in words.clean_lines(run.notes).splitlines():
            to.print(Text("  " + line))
    if run.traceback:
        heading(to, "TRACEBACK")
        for line in words.clean_lines(run.traceback).splitlines():
            to.print(Text("  " + line, style="red"), soft_wrap=True)
    if run.params:
        heading(to, "PARAMETERS")
        unset = [key for key, value in run.params.items() if value is None]
        few = len(unset) < 6
        print_pairs(to, [(key, words.number(run.params[key])) for key in sorted(run.params, key=natural) if few or key not in unset])
        if not few:
            printing.print_line(to, printing.styled(f"  {len(unset)} more are None: {', '.join(sorted(unset, key=natural))}", "dim"))
        for key, earlier in run.params_before.items():
            printing.print_line(to, printing.styled(f"  {key} was set before, to: {', '.join(map(words.number, earlier))}", "yellow"))
    if run.metrics:
        heading(to, "METRICS")
        print_metrics(to, run)
    if run.dropped:
        printing.print_line(to, printing.styled(f"  {run.dropped} points are missing: there was no room for them", "yellow"))
    print_curves(to, run, wanted)
    print_console(to, run, LAST_LINES)
    if run.artifacts:
        heading(to, "ARTIFACTS")
        rows = [
            [printing.styled("  " + a.name), printing.styled(a.kind), printing.styled(words.size(a.size)), printing.styled(a.digest[:19], "dim")]
            for a in run.artifacts
        ]
        printing.print_table(to, [Column("  NAME", least=20), Column("KIND", 2), Column("SIZE", 1, right=True), Column("CONTENT", 3)], rows)
    children = run.children()
    if children:
        from autotrack.search import fold

        heading(to, f"RUNS INSIDE ({len(children)})")
        print_folds(to, [one for child in children[:CHILDREN] for one in fold([child])])
        if len(children) > CHILDREN:
            printing.print_line(to, printing.styled(f"… and {len(children) - CHILDREN} more: autotrack search \"parent = '{run.id}'\"", "dim"))
    data_sets = run.environment.get("datasets") or {}
    if data_sets:
        heading(to, "DATA SETS")
        print_pairs(to, environment(data_sets))
    rest = {key: value for key, value in run.environment.items() if key != "datasets"}
    if rest:
        heading(to, "ENVIRONMENT")
        print_pairs(to, environment(rest))


def facts(run: RunView) -> Iterator[tuple[str, str]]:
    yield "id", run.id
    yield "experiment", run.experiment
    yield "error", run.error or ""
    yield "started", words.moment(run.started)
    yield "ended", words.moment(run.ended)
    yield "from", run.call_site
    yield "observed", run.kind
    yield "inside", run.parent_id or ""
    yield "deleted", words.moment(run.deleted)
    yield "tags", ", ".join(f"{key}={value}" if value else key for key, value in sorted(run.tags.items()))


def environment(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The environment in lines; of many packages their number alone, all else as it was recorded."""
    from autotrack.difference import flattened

    lines = []
    for key, value in tree.items():
        if key == "packages" and isinstance(value, Mapping):
            listed = ", ".join(f"{name} {version}" for name, version in sorted(value.items()))
            many = f"{len(value)}, with their versions: --json lists them, autotrack compare shows where they differ"
            lines.append((key, many if len(value) > MOST_PACKAGES else listed))
        elif isinstance(value, Mapping):
            lines += [(f"{key}.{inner}", words.number(leaf)) for inner, leaf in flattened(value) if leaf not in (None, "")]
        elif value not in (None, "", [], {}):
            lines.append((key, " ".join(map(str, value)) if isinstance(value, (list, tuple)) else words.number(value)))
    return [(key, value if len(value) < 400 else f"{value[:399]}…") for key, value in lines]


def heading(to: Console, title: str) -> None:
    to.print()
    printing.print_line(to, printing.styled(title, "bold"))


def print_pairs(to: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, the values in one column; long ones go on below themselves."""
    from rich.text import Text

    left = min(max((len(key) for key, _ in pairs), default=0), max(to.width // 2 - 4, 8))
    for key, value in pairs:
        name = Text("  " + words.clean(key), "dim")
        name.truncate(left + 2, overflow="ellipsis", pad=True)
        lines = Text(words.clean(value)).wrap(to, max(to.width - left - 4, 8), overflow="fold") or [Text("")]
        for number_of_it, line in enumerate(lines):
            line.rstrip()
            to.print((name if number_of_it == 0 else Text(" " * (left + 2))) + Text("  ") + line)


def print_metrics(to: Console, run: RunView) -> None:
    rows = []
    for key in sorted(run.metrics, key=natural):
        stats = run.statistics.get(key)
        cells = [f"  {key}", words.number(run.metrics[key])]
        cells += [words.number(stats.min), words.number(stats.max), str(stats.count)] if stats else ["", "", ""]
        cells.append("inferred" if key in run.inferred else "")
        rows.append([printing.styled("" if cell == "None" else cell) for cell in cells])
    right = [Column(title, rank, right=True) for title, rank in (("LAST", 0), ("MIN", 1), ("MAX", 1), ("POINTS", 2))]
    printing.print_table(to, [Column("  KEY", least=16), *right, Column("SOURCE", 3)], rows)


def print_curves(to: Console, run: RunView, wanted: Sequence[str]) -> None:
    """One picture of the wanted series; else pictures of all with two points or more, those of one measure (train/loss, val/loss) in one."""
    from autotrack.cli.curves import measures, picture

    for key in wanted:
        run.stats(key)  # says which there are
    pictures = [list(wanted)] if wanted else measures(run)
    width = min(to.width, 100) if to.width < 1000 else 80
    for group in pictures[:PLOTS]:
        series: list[Series] = [run.history(key, points=max(width * 4, 400)).last_wins() for key in group]
        lines = picture(to, series, width=width - 2)
        if lines:
            to.print()
        for line in lines:
            printing.print_line(to, printing.styled("  "), line)
    if len(pictures) > PLOTS:
        heading(to, f"… and {len(pictures) - PLOTS} more: --curve KEY draws one")


def print_console(to: Console, run: RunView, most: int | None = None) -> bool:
    """What the run printed, or its last lines under a title; False if nothing was kept. Of escapes only colours are passed on."""
    from rich.text import Text

    from autotrack.recording.reading import reading

    piece = reading().printed(run)
    if piece is None:
        return False
    lines = piece.text.splitlines()
    if most is not None:
        more = len(lines) - most
        heading(to, f"CONSOLE (the last {most} of {'more than ' if piece.cut else ''}{len(lines)} lines; all: --console)" if more > 0 else "CONSOLE")
        lines = lines[-most:]
    for line in lines:
        parts = COLOUR.split(line)
        shown = "".join(part if place % 2 else words.clean_lines(part) for place, part in enumerate(parts))
        to.print(Text.from_ansi(shown, end="") if len(parts) > 1 else Text(shown), soft_wrap=True)
    return True


def print_comparison(to: Console, found: Comparison) -> None:
    from autotrack.difference import ABSENT

    names = [run.name for run in found.runs]
    if len(set(names)) < len(names):
        names = [f"{run.name} {run.id[-6:]}" for run in found.runs]
    for run in found.runs:
        printing.print_line(to, printing.styled(f"{run.id}  {run.name}  {run.status}  {words.moment(run.started)}"))
    sections = list(found)
    if not sections:
        to.print("No difference: parameters, metrics, tags, code, environment and data sets are the same.")
        return
    for section, differences in sections:
        heading(to, {"datasets": "DATA SETS", "params": "PARAMETERS"}.get(section, section.upper()))
        absent = "–" if printing.is_unicode() else "-"
        rows = [
            [
                printing.styled(f"  {key.removeprefix('datasets.')}"),
                *(printing.styled(absent if value is ABSENT else words.number(value)) for value in values),
            ]
            for key, values in differences.items()
            if not any("\n" in str(value) for value in values)
        ]
        if rows:
            printing.print_table(to, [Column("  KEY", least=10), *(Column(words.clean(name), least=8) for name in names)], rows)
        for key, values in differences.items():
            if any("\n" in str(value) for value in values):
                print_texts(to, key, names, ["" if value is ABSENT else str(value) for value in values])


def print_texts(to: Console, key: str, names: Sequence[str], texts: Sequence[str], most: int = 60) -> None:
    """Long texts (uncommitted changes) as a unified diff against the first."""
    from difflib import unified_diff

    from rich.text import Text

    printing.print_line(to, printing.styled(f"  {key}"))
    for name, text in zip(names[1:], texts[1:], strict=True):
        lines = list(unified_diff(texts[0].splitlines(), text.splitlines(), names[0], name, lineterm="", n=1))
        for line in lines[:most]:
            style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
            to.print(Text("    " + words.clean_lines(line), style=style), soft_wrap=True)
        if len(lines) > most:
            printing.print_line(to, printing.styled(f"    … {len(lines) - most} more lines; --json has all", "dim"))
