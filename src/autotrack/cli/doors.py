"""What every command shares: its options for output and store, the way to a run, and how errors are said."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

from autotrack.errors import AutotrackError, QueryError, RunNotFound
from autotrack.words import clean, moment, plural

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker
    from autotrack.views import RunView

F = TypeVar("F", bound=Callable[..., Any])


class NoStore(AutotrackError):
    """There is nothing recorded here yet."""


class Group(click.Group):
    """Says errors in a sentence and never with a traceback, and ends as a shell expects.

    Exit codes: 1 what was asked for is not there or did not work, 2 wrong usage or a query that cannot be read,
    130 Ctrl-C, 141 the reader of a pipe has gone.
    """

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> NoReturn:
        """In place of click's: that one ends Ctrl-C and a broken pipe with 1."""
        words = sys.argv[1:] if args is None else list(args)
        extra = {key: value for key, value in extra.items() if key not in ("complete_var", "standalone_mode", "windows_expand_args")}
        name = prog_name or "autotrack"
        complete(self, name)
        if sys.stdout is None:  # it was closed: what is printed goes nowhere, as python's own print
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        code = 0
        try:
            with self.make_context(name, words, **extra) as ctx:
                self.invoke(ctx)
            sys.stdout.flush()
        except click.exceptions.Exit as end:
            code = end.exit_code
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (KeyboardInterrupt, click.Abort):
            code = 130
        except QueryError as error:
            click.echo(explained(error), err=True)
            code = 2
        except AutotrackError as error:
            click.echo(f"autotrack: {error}", err=True)
            code = 1
        except OSError as error:
            if error.errno != errno.EPIPE:
                click.echo(f"autotrack: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", err=True)
            code = 141 if error.errno == errno.EPIPE else 1
            forget_output()
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they were added: that in which one comes to need them."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Beside click's own words: `autotrack train.py` wants `autotrack run train.py`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0].endswith(".py"):
                raise click.UsageError(f"No such command {args[0]!r}. To run it observed: autotrack run {' '.join(args)}", ctx) from error
            raise


def complete(group: click.Group, name: str) -> None:
    """Answer the shell where it asks for completions, and end."""
    asked = os.environ.get("_AUTOTRACK_COMPLETE")
    if asked:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(group, {}, name, "_AUTOTRACK_COMPLETE", asked))


def forget_output() -> None:
    """What could not be written is not tried again at python's end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explained(error: QueryError) -> str:
    """A query error with the query and a caret below the character where it went wrong."""
    said = f"autotrack: {clean(str(error).rpartition(' (at position ')[0] or error)}"
    if not error.text:
        return said
    caret = len(clean(error.text[: error.position]))
    return f"{said}\n  {clean(error.text)}\n  {' ' * caret}^"


def prints(command: F) -> F:
    """The options of a command that prints: ``--json``, ``--csv``, and ``--uri`` for another store.

    The command is given ``form``: "text", "json" or "csv".
    """

    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
    @click.option("--uri", metavar="URL", help="Another store than the one found from here.")
    @wraps(command)
    def printing(*args: Any, as_json: bool, as_csv: bool, uri: str | None, **rest: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv exclude each other")
        choose_store(uri)
        return command(*args, form="json" if as_json else "csv" if as_csv else "text", **rest)

    return printing  # type: ignore[return-value]


def choose_store(uri: str | None) -> None:
    if uri is not None:
        from autotrack.recording.tracker import configure

        configure(uri=uri)


def store() -> Tracker:
    """The tracker of the store that is found from here.   Raises: NoStore where there is none; nothing is made."""
    from autotrack.recording.tracker import tracker
    from autotrack.settings import database

    found = tracker()
    path = database(found.settings.uri)
    if path is not None and not path.exists() and not (found.folder / "journal").exists():
        raise NoStore(
            f"no store here yet ({path}).\n"
            "Record a run:        autotrack run train.py\n"
            "See what it is like: autotrack demo\n"
            "Or name a store:     --uri sqlite:///path/to/autotrack.db, or AUTOTRACK_URI"
        )
    return found


def find_run(reference: str) -> RunView:
    """The run of an id, the beginning of one, or a name that one run has.   Raises: RunNotFound with what comes near."""
    from autotrack.query import quoted
    from autotrack.recording.runs import get_run
    from autotrack.search import search_runs

    reference = os.fsencode(reference).decode(errors="replace")  # as it was typed, whatever the locale makes of it
    try:
        return get_run(reference)
    except RunNotFound:
        named = search_runs(f"name = {quoted(reference)}", deleted=True)
    if len(named) == 1:
        return get_run(named[0].id)
    if named:
        raise RunNotFound(f"{len(named)} runs are called {clean(reference)}; say which by its id:\n{listed(named)}")
    raise RunNotFound(f"no run {clean(reference)} in this store{near(reference, search_runs(limit=1000))}")


def near(reference: str, known: Sequence[RunView]) -> str:
    from difflib import get_close_matches

    wanted = reference.upper()
    close = [run for run in known if run.id.startswith(wanted[:10])][:5] if len(wanted) >= 6 else []
    names = get_close_matches(reference, list(dict.fromkeys(run.name for run in known)), n=5, cutoff=0.6)
    close += [run for name in names for run in [next(r for r in known if r.name == name)] if run not in close]
    if close:
        return f"; did you mean\n{listed(close[:5])}"
    return "; autotrack ls shows what there is"


def listed(runs: Sequence[RunView]) -> str:
    return "\n".join(f"  {run.id}  {clean(run.name)}  {run.status}  {moment(run.started)}" for run in runs[:10])


def chosen_run(reference: str | None, last: bool) -> RunView:
    """The run that was named, or the one that started last."""
    from autotrack.recording.runs import get_run
    from autotrack.search import search_runs

    if (reference is None) == (not last):
        raise click.UsageError("Name one run (its id, the beginning of it, or its name), or say --last")
    if reference is not None:
        return find_run(reference)
    newest = search_runs(limit=1)
    if not newest:
        raise RunNotFound(why_empty())
    return get_run(newest[0].id)


def why_empty() -> str:
    """Why a store shows no run, and what to do."""
    from autotrack.search import search_runs

    if search_runs(limit=1, deleted=True):
        return "all runs are deleted: autotrack ls --deleted shows them, autotrack rm --undo brings them back"
    return "no run was recorded yet: autotrack run train.py"


def newest_runs(most: int = 200) -> Sequence[RunView]:
    """For the shell's completion, without what costs; none where there is no store."""
    try:
        here = store()
        from autotrack.query import Query

        return here.backend.runs(Query(limit=most), fields=())
    except AutotrackError:
        return []


def complete_run(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Names of runs for the shell, and ids of those whose name another one has too, or a shell would read as more than a word."""
    runs = newest_runs()
    counts = Counter(run.name for run in runs)
    words = {run.id: run.name if counts[run.name] == 1 and is_word(run.name) else run.id for run in runs}
    found = [(words[run.id], run) for run in runs if words[run.id].startswith(begun)]
    found = found or [(run.id, run) for run in runs if run.id.startswith(begun.upper())]
    return [CompletionItem(word, help=clean(f"{run.name} {run.status}" if word == run.id else run.status)) for word, run in found]


def complete_experiment(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Experiments of the newest runs."""
    counts = Counter(run.experiment for run in newest_runs(1000) if is_word(run.experiment))
    return [CompletionItem(name, help=plural(count, "run")) for name, count in counts.items() if name.startswith(begun)]


def is_word(name: str) -> bool:
    """Whether every shell takes it as it is: what is completed is run at the next Enter."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+/@-]*", name) is not None
