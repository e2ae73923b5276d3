"""How much of a program's output is kept, and how it is read."""

import json
import time

import pytest

from autotrack import printed
from autotrack.printed import HEAD, TAIL, Printed, PrintedFile, cleared, masked, read
from autotrack.views import RunView


def run_of(tmp_path):
    return RunView("R" * 26, "net", "iris", "running", None, 0.0, None, None)


def staged(tmp_path, name="console/1.txt"):
    """A file as a living process keeps it; what writes to it."""
    folder = tmp_path / "staging" / "token"
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.json")))
    (folder / f"{number}.json").write_text(json.dumps({"run_id": "R" * 26, "kind": "console", "name": name}))
    (folder / f"{number}.file").touch()
    text = Printed()
    file = PrintedFile(folder / f"{number}.file", text)

    def write(more):
        text.add(more)
        file.save()

    return write


def asked(tmp_path, after=0):
    return read(run_of(tmp_path), None, tmp_path / "staging", after)


def test_what_is_short_is_kept_as_it_is(tmp_path):
    write = staged(tmp_path)
    for more in ("a\n", "b", "c\n\x1b[31mred\x1b[0m", "\n", "tail"):
        write(more)
    assert asked(tmp_path).text == "a\nbc\n\x1b[31mred\x1b[0m\ntail"


def test_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(tmp_path):
    lines = [f"line {i} of many\n" for i in range(100_000)]
    for size in (1, 777, 100_000):  # however it comes
        folder = tmp_path / str(size)
        write = staged(folder)
        for start in range(0, len(lines), size) if size > 1 else range(30_000):
            write("".join(lines[start : start + size]))
        whole = "".join(lines if size > 1 else lines[:30_000])
        piece = asked(folder)
        head, _, tail = piece.text.partition("… ")
        gap, _, tail = tail.partition(" left out …\n")
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len(head) >= HEAD
        assert TAIL - 100 <= len(tail) <= 2 * TAIL + 100
        assert (piece.next, piece.cut) == (len(whole), True)
        assert gap == f"{whole[len(head) : -len(tail)].count(chr(10))} lines"
        assert len((folder / "staging" / "token" / "0.file").read_bytes()) < HEAD + 2 * TAIL + 1_000


def test_who_asks_again_gets_what_is_new(tmp_path):
    write = staged(tmp_path)
    seen, at = "", 0
    whole = ""
    for i in range(3_000):
        more = f"{i}: " + "x" * (i % 200) + "\n" + ("part" if i % 3 else "")
        whole += more
        write(more)
        if i % 50 == 0:
            piece = asked(tmp_path, at)
            done = seen[: len(seen)] if seen.endswith("\n") or not seen else seen[: seen.rfind("\n") + 1]
            seen, at = done + piece.text, piece.next
            assert seen == whole
            assert not piece.cut
    assert asked(tmp_path, 0).cut


def test_who_asks_too_late_is_told_that_something_is_missing(tmp_path):
    write = staged(tmp_path)
    write("begin\n" * 5_000)
    at = asked(tmp_path).next
    write("more and more\n" * 100_000)
    piece = asked(tmp_path, at)
    assert piece.text.startswith("… ")
    assert piece.cut
    assert asked(tmp_path, piece.next) == ("", piece.next, False)
    write("last\n")
    assert asked(tmp_path, piece.next) == ("last\n", piece.next + 5, False)


def test_a_line_that_was_written_over_is_kept_as_it_stood_last(tmp_path):
    write = staged(tmp_path)
    for i in range(500):
        write(f"\r{i}%|####")
    assert asked(tmp_path).text == "499%|####"
    write("\r100% done\r\nnext\n")
    assert asked(tmp_path).text == "100% done\nnext\n"
    assert cleared("a\rb\r\nc") == "b\nc"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("token=abc123", "token=***"),
        ("HF_TOKEN: hf_abc", "HF_TOKEN: ***"),
        ('{"api_key": "sk-1", "lr": 0.1}', '{"api_key": "***", "lr": 0.1}'),
        ("password = 'two words', user = me", "password = '***', user = me"),
        ("train.py --lr 0.1 --auth-token abc --epochs 3", "train.py --lr 0.1 --auth-token *** --epochs 3"),
        ("train.py --password=abc -v", "train.py --password=*** -v"),
        ("max_new_tokens=128 tokenizer=bert key_dim=64", "max_new_tokens=128 tokenizer=bert key_dim=64"),
        ("token: 17, auth=true, secret: None", "token: 17, auth=true, secret: None"),
        ("the token is short", "the token is short"),
        ("--token --verbose", "--token --verbose"),
    ],
)
def test_secrets_are_masked(line, shown):
    assert masked(line) == shown


def test_a_secret_in_pieces_is_masked_while_it_is_written_too(tmp_path):
    write = staged(tmp_path)
    for more in ("tok", "en=", "abc", "def", "\n"):
        write(more)
        assert "abc" not in (tmp_path / "staging" / "token" / "0.file").read_text()
    assert asked(tmp_path).text == "token=***\n"


@pytest.mark.parametrize(
    "line",
    ["token" * 40_000, "key=" * 50_000, "-" * 200_000 + "token", 'auth="' + "a" * 200_000, "\r" * 200_000 + "key", "key: " * 40_000],
    ids=["word", "pairs", "dashes", "quoted", "overwritten", "blanks"],
)
def test_no_line_takes_long(line):
    start = time.perf_counter()
    Printed().add(line)
    masked(line[:100_000])
    assert time.perf_counter() - start < 1


def test_two_processes_of_one_run_come_one_after_the_other(tmp_path):
    staged(tmp_path, "console/1.txt")("first\nopen")
    staged(tmp_path, "console/2.txt")("second\n")
    assert asked(tmp_path).text == "first\nopen\nsecond\n"


def test_nothing_kept_is_none(tmp_path):
    assert asked(tmp_path) is None
    assert printed.KIND == "console"
