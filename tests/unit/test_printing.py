"""What every command prints with."""

import io
import math

import pytest

from autotrack import words
from autotrack.cli import printing


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe 模型 🙂", "Größe 模型 🙂"),
        ("red \x1b[31m text", r"red \x1b[31m text"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\x9b31m"),
        ("gnp.\u202egpj", r"gnp.\u202egpj"),
        ("half \ud800", r"half \ud800"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_text_of_users_is_only_shown(text, shown):
    assert words.clean(text) == shown


def test_several_lines_stay_several_lines():
    assert words.clean_lines("a\r\n\tb\x1b[2J\n") == "a\n\tb\\x1b[2J\n"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0.004, "0.00 s"),
        (9.876, "9.88 s"),
        (59.4, "59 s"),
        (60, "1 m 00 s"),
        (3599.6, "1 h 00 m"),
        (7384, "2 h 03 m"),
        (400_000, "4 d 15 h"),
        (-3, "0.00 s"),
    ],
)
def test_durations(seconds, shown):
    assert words.span(seconds) == shown


def test_moments_are_utc():
    assert words.moment(0) == "1970-01-01 00:00:00Z"
    assert words.iso(1.5) == "1970-01-01T00:00:01.500Z"
    assert words.iso(None) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"),
        (3.0, "3"),
        (1e300, "1e+300"),
        (7, "7"),
        (True, "True"),
        (None, "None"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        ("a\x07", r"a\x07"),
    ],
)
def test_numbers(value, shown):
    assert words.number(value) == shown


def test_sizes():
    assert [words.size(n) for n in (0, 1023, 1024, 5 << 20, 3 << 40)] == ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "3072.0 GiB"]


def test_json_is_strict(capsys):
    printing.print_json({"loss": math.nan, "best": [math.inf, -math.inf, 1.5, None]})
    assert capsys.readouterr().out == '{\n  "loss": "NaN",\n  "best": [\n    "Infinity",\n    "-Infinity",\n    1.5,\n    null\n  ]\n}\n'


def test_csv_has_the_keys_of_all_rows(capsys):
    printing.print_csv([{"a": 1, "b": None}, {"a": "x,y", "c": {"d": [1]}}])
    assert capsys.readouterr().out == 'a,b,c\n1,,\n"x,y",,"{""d"": [1]}"\n'


def table(width, capsys):
    to = printing.console()
    to.width = width
    columns = [printing.Column("ID"), printing.Column("NAME", least=8), printing.Column("STATUS", 1), printing.Column("METRICS", 2, least=10)]
    rows = [[printing.styled(word) for word in ("01ABC", "LogisticRegression-12", "finished", "val/auc 0.912  train/loss 0.3")]]
    printing.print_table(to, columns, rows)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_takes_what_it_needs(capsys):
    assert table(200, capsys) == [
        "ID     NAME                   STATUS    METRICS",
        "01ABC  LogisticRegression-12  finished  val/auc 0.912  train/loss 0.3",
    ]


def test_in_a_narrow_terminal_columns_of_little_weight_go(capsys):
    assert max(map(len, table(60, capsys))) <= 60
    assert table(30, capsys)[0].split() == ["ID", "NAME", "STATUS"]
    assert table(20, capsys) == ["ID     NAME", "01ABC  LogisticRegr…"]


def small_table(width):
    from rich.console import Console

    to = Console(width=width, file=io.StringIO(), highlight=False, markup=False)
    columns = [
        printing.Column("ID"),
        printing.Column("NAME", least=5, good=10),
        printing.Column("MORE", 1, least=4, good=6),
        printing.Column("TIME", 2, right=True),
    ]
    printing.print_table(to, columns, [[printing.styled(cell) for cell in ("01", "a long name", "0.123456", "12 s")]])
    return [line.rstrip() for line in to.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (31, "01  a long name  0.123456  12 s"),
        (29, "01  a long na…  0.1234…  12 s"),
        (28, "01  a long na…  0.123…  12 s"),
        (27, "01  a long name  0.123456"),  # the time goes before the others are cut too much
        (19, "01  a long name"),
        (9, "01  a lo…"),
    ],
)
def test_a_name_is_cut_after_what_weighs_less_has_gone(width, shown):
    assert small_table(width)[1] == shown


def test_names_with_numbers_stand_in_the_order_of_the_numbers():
    from rich.console import Console

    from autotrack.cli.details import print_metrics
    from autotrack.views import RunView

    names = ["extra10", "extra2", "extra1", "layer1.b", "layer01.a", "layer1.10"]
    printed = io.StringIO()
    print_metrics(Console(file=printed, width=80), RunView("r", "net", "e", "finished", None, 0.0, 1.0, None, metrics=dict.fromkeys(names, 1.0)))
    shown = [line.split()[0] for line in printed.getvalue().splitlines()]
    assert [name for name in shown if name in names] == ["extra1", "extra2", "extra10", "layer1.10", "layer01.a", "layer1.b"]


def test_a_series_that_was_concluded_is_marked_and_others_are_not():
    from rich.console import Console

    from autotrack.cli.details import print_metrics
    from autotrack.views import RunView, Stats

    curve = Stats(count=1, last=0.5, last_step=0, first=0.5, first_step=0, min=0.5, max=0.5, mean=0.5)
    told = {"tags": {"autotrack.inferred": "runs, val/loss"}, "metrics": {"val/loss": 0.5, "train/loss": 0.5, "runs": 1}}
    run = RunView("r", "net", "e", "finished", None, 0.0, 1.0, None, statistics={"val/loss": curve, "train/loss": curve}, **told)
    assert run.inferred == {"val/loss"}
    printed = io.StringIO()
    print_metrics(Console(file=printed, width=80), run)
    assert [line.split()[0] for line in printed.getvalue().splitlines() if "inferred" in line] == ["val/loss"]
