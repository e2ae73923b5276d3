"""What the dashboard's server answers: every route, on a store in memory and on one in a file."""

import json
import math
import struct
import time

import numpy as np
import pytest

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from autotrack.artifacts import ArtifactStore
from autotrack.backends.memory import MemoryBackend
from autotrack.backends.sqlite import SqliteBackend
from autotrack.records import ArtifactStored, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, TagsSet
from autotrack.server import app, page
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import DAY, EXAMPLES, T, logged, started

HERE = "http://127.0.0.1:7007"
FILES = {"/": page.Packed(b"<!doctype html>", b"", '"1"', "text/html; charset=utf-8")}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HOSTILE = ("<img src=x onerror=alert(1)>", "'; drop table run; --", "../../etc/passwd", "a\\b", "\u202egnp.exe", "%2e%2e%2f", "{{7*7}}", "a" * 400)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    store = MemoryBackend() if request.param == "memory" else SqliteBackend(tmp_path / "autotrack.db")
    yield store
    store.close()


@pytest.fixture
def writer(store):
    return Teller(store)


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def ask(store, artifacts):
    gate, _ = app.make(store, artifacts, place="the store", version="1", files=FILES)
    return TestClient(gate, base_url=HERE)


@pytest.fixture
def examples(store, writer):
    writer.tell(*EXAMPLES)
    store.delete(["g"])
    return store


def answer(response, status=200):
    assert response.status_code == status, response.text
    return json.loads(response.content, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def curves(response):
    """The heads, each with its numbers."""
    assert response.status_code == 200, response.text
    (length,) = struct.unpack("<I", response.content[:4])
    assert (4 + length) % 8 == 0
    head = json.loads(response.content[4 : 4 + length])
    numbers, at, told = np.frombuffer(response.content[4 + length :], "<f8"), 0, []
    for one in head["series"]:
        columns = []
        for _ in range(2 if one["flat"] else 4):
            columns.append(numbers[at : at + one["n"]].tolist())
            at += one["n"]
        told.append((one, *columns))
    assert at == len(numbers)
    return told, head


def ids(runs):
    return [run["id"] for run in runs]


def test_home_has_experiments_and_what_runs_and_what_failed(ask, store, writer):
    now = time.time()
    writer.tell(started("new", now, experiment="b"), started("gone", now, experiment="c"), started("bad", now - 60, experiment="a/x"))
    writer.tell(RunEnded("bad", now - 30, "failed", "ValueError: no"), started("old", now - 10 * DAY, experiment="a/x"))
    writer.tell(RunEnded("old", now - 9 * DAY, "failed", "OSError"))
    store.delete(["gone"])
    home = answer(ask.get("/api/home"))
    assert (home["store"], home["version"], home["runs"], ids(home["running"]), ids(home["failed"])) == ("the store", "1", 3, ["new"], ["bad", "old"])
    told = [(one["name"], one["runs"], one["running"], one["failed"], sum(one["days"])) for one in home["experiments"]]
    assert told == [("b", 1, 1, 0, 1), ("a/x", 2, 0, 1, 2)]
    assert home["failed"][0]["error"] == "ValueError: no"


def test_an_empty_store_is_answered_too(ask):
    home, runs = answer(ask.get("/api/home")), answer(ask.get("/api/runs"))
    assert (home["runs"], home["experiments"], home["running"]) == (0, [], [])
    assert (runs["runs"]["id"], runs["params"], runs["headline"]) == ([], [], [])
    assert answer(ask.get("/api/search", params={"q": "params.lr > 1"})) == {"rows": []}
    assert answer(ask.post("/api/columns", json={"columns": [["params", "lr"]]}))["columns"] == [{"kind": "number", "rows": [], "values": []}]


def test_runs_come_as_columns_newest_first(ask, examples):
    told = answer(ask.get("/api/runs"))
    runs = told["runs"]
    assert runs["id"] == list("fedcba")
    assert len({len(runs[name]) for name in ("number", "name", "started", "ended", "error", "parent", "deleted")}) == 1
    assert [runs["status"]["words"][code] for code in runs["status"]["codes"]] == ["running", "lost", "finished", "interrupted", "failed", "finished"]
    assert set(runs) == {"number", "id", "name", "experiment", "status", "error", "started", "ended", "parent", "kind", "fold", "host", "deleted"}
    assert (told["params"][:3], told["tags"]) == (["a key", "depth", "flag"], ["empty", "fold", "team"])
    assert (set(told["headline"]) <= set(told["metrics"]), told["headline"][0]) == (True, "val/acc")


def test_an_experiment_is_a_branch(ask, store, writer):
    for name in ("a", "a/b", "a/b/c", "ab", "a.b", "b/a", "a'b"):
        writer.tell(started(name, experiment=name))
    found = {name: sorted(answer(ask.get("/api/runs", params={"experiment": name}))["runs"]["id"]) for name in ("a", "a/b", "b", "a'b", "' or 1=1")}
    assert found == {"a": ["a", "a/b", "a/b/c"], "a/b": ["a/b", "a/b/c"], "b": ["b/a"], "a'b": ["a'b"], "' or 1=1": []}


def test_the_runs_are_read_again_when_something_was_written(ask, examples, writer):
    assert len(answer(ask.get("/api/runs"))["runs"]["id"]) == 6
    writer.tell(started("h"))
    assert len(answer(ask.get("/api/runs"))["runs"]["id"]) == 7
    assert len(answer(ask.get("/api/runs", params={"deleted": "1"}))["runs"]["id"]) == 8


def test_columns_are_numbers_words_or_both(ask, examples):
    runs = answer(ask.get("/api/runs"))["runs"]
    names = dict(zip(runs["number"], runs["id"], strict=True))
    asked = [["params", "depth"], ["params", "opt"], ["params", "lr"], ["params", "seed"], ["params", "flag"], ["metrics", "val/acc"]]
    asked += [["metrics", "val/acc", "max"], ["tags", "team"], ["run", "notes"], ["metrics", "no such"], ["params", "layers"]]
    response = ask.post("/api/columns", json={"columns": asked})
    told = []
    for column in answer(response)["columns"]:
        values = column["values"] if "values" in column else [column["words"][code] for code in column["codes"]]
        told.append((column["kind"], dict(sorted(zip([names[row] for row in column["rows"]], values, strict=True)))))
    assert told == [
        ("mixed", {"a": 3, "b": 5.0, "c": "None", "e": 2}),
        ("word", {"a": "adam", "b": "SGD", "e": "Ädam_x"}),
        ("mixed", {"a": 0.1, "b": "0.1", "c": 0.01, "e": "NaN"}),
        ("mixed", {"a": str(2**60 + 1), "b": str(2**60)}),
        ("word", {"a": "true", "b": "false"}),
        ("number", {"a": 0.9, "b": 0.6, "c": None, "d": 0.99, "e": math.inf}),
        ("number", {"a": 0.9, "b": 0.95, "c": 0.8, "d": 0.1}),
        ("word", {"a": "nlp", "b": "vision", "d": "NLP"}),
        ("word", {"a": "the first try"} | dict.fromkeys("bcdef", "")),
        ("number", {}),
        ("word", {"c": "[64, 64]"}),
    ]
    assert b"1e999" in response.content


def test_a_search_says_which_runs_or_where_it_went_wrong(ask, examples):
    runs = answer(ask.get("/api/runs"))["runs"]
    names = dict(zip(runs["number"], runs["id"], strict=True))
    assert [names[row] for row in answer(ask.get("/api/search", params={"q": "metrics.val/acc > 0.7"}))["rows"]] == ["e", "d", "a"]
    assert [names[row] for row in answer(ask.get("/api/search", params={"experiment": "digits/deep"}))["rows"]] == ["c"]
    told = answer(ask.get("/api/search", params={"q": "params.lr << 1"}))
    assert (told["at"], "expected a value" in told["problem"], "position" in told["problem"]) == (11, True, False)


@pytest.mark.parametrize(
    ("typed", "first", "start"),
    [
        ("", "id", 0),
        ("par", "parent", 0),
        ("params.", 'params."a key"', 0),
        ("params.l", "params.layers", 0),
        ("stat", "status", 0),
        ("status = ", "'running'", 9),
        ("status = 'fa", "'failed'", 9),
        ("params.opt = ", "'SGD'", 13),
        ("params.opt = 'S", "'SGD'", 13),
        ("tags.team in ('nlp', ", "'NLP'", 21),
        ("metrics.val/acc.m", "metrics.val/acc.min", 0),
        ("metrics.val/acc ", "=", 16),
        ("metrics.val/acc i", "in (", 16),
        ("params.lr < 0.1 a", "and", 16),
        ("params.lr < 0.1 and metr", "metrics.", 20),
        ("lr", "params.lr", 0),
        ('metrics."a.m', 'metrics."a.min"', 0),
        ("experiment = 'digits/", "'digits/deep'", 13),
    ],
)
def test_the_query_box_says_what_may_come_next(ask, examples, typed, first, start):
    told = answer(ask.get("/api/complete", params={"q": typed, "at": len(typed)}))
    assert (told["from"], told["to"], told["choices"][0]["text"] if told["choices"] else None) == (start, len(typed), first)


def test_curves_come_as_numbers_behind_a_head(ask, examples):
    told, head = curves(ask.post("/api/series", json={"runs": ["a", "b", "nobody", "e"], "keys": ["val/acc", "loss"], "points": 100}))
    assert [(one["run"], one["key"], one["n"], one["shift"], one["flat"]) for one, *_ in told] == [
        ("a", "val/acc", 3, 0, True),
        ("a", "loss", 3, 0, True),
        ("b", "val/acc", 2, 0, True),
        ("e", "val/acc", 1, 0, True),
    ]
    assert told[1][1:] == ([0, 1, 2], [3, 1, 2])
    assert (told[3][0]["odd"], told[3][0]["odds"], head["pending"]) == ([0], 1, 0)
    assert math.isnan(told[3][2][0])


def test_a_spike_is_seen_at_every_zoom(ask, store, writer):
    values = [1.0] * 100_000
    values[54_321] = -50.0
    writer.tell(started("r"), logged("r", "x", values))
    for window in ({}, {"from": 0, "to": 99_999}, {"from": 50_000, "to": 60_000}, {"from": 54_000, "to": 55_000}, {"from": 54_321, "to": 54_321}):
        for points in (16, 300, 5_000):
            ((_, _, *columns),), _ = curves(ask.post("/api/series", json={"runs": ["r"], "keys": ["x"], "points": points, **window}))
            assert min(min(column) for column in columns) == -50.0


@pytest.mark.parametrize("x", ["step", "time", "relative", {"metric": "epoch"}])
def test_curves_over_other_axes(ask, store, writer, x):
    writer.tell(started("r"), logged("r", "x", [1.0, 2.0, 3.0]), logged("r", "epoch", [0.5, 1.0, 1.5]))
    ((head, along, mean),), _ = curves(ask.post("/api/series", json={"runs": ["r"], "keys": ["x"], "points": 16, "x": x}))
    expected = {"step": [0, 1, 2], "time": [T, T + 1, T + 2], "relative": [0, 1, 2]}.get(x if isinstance(x, str) else "", [0.5, 1, 1.5])
    assert (along, mean, head["first"], head["last"]) == (expected, [1, 2, 3], expected[0], expected[2])


def test_twelve_thousand_metrics_are_answered(ask, store, writer):
    keys = tuple(f"layer{i}/weight/norm" for i in range(12_000))
    writer.tell(started("r"), MetricsLogged("r", T, keys, [0, 1], [T, T + 1], [[1.0, float(i)] for i in range(12_000)]))
    assert len(answer(ask.get("/api/runs"))["metrics"]) == 12_000
    assert len(answer(ask.get("/api/run/r"))["stats"]) == 12_000
    assert len(answer(ask.get("/api/complete", params={"q": "metrics.", "at": 8}))["choices"]) == 50


def test_a_run_tells_all_of_itself(ask, store, writer, examples):
    writer.tell(started("kid", T + 1, parent_id="d"), RunNoted("d", T, "traceback", "Tr"))
    writer.tell(RunNoted("d", T, "environment", {"git": {"commit": "abc"}}))
    told = answer(ask.get("/api/run/d"))
    assert (told["id"], told["name"], told["status"], told["traceback"]) == ("d", "delta", "finished", "Tr")
    assert told["environment"] == {"git": {"commit": "abc"}}
    assert told["metrics"] == {"val/acc": 0.99, "verdict": "good", "stopped": True, "nothing": None, "a.min": 5.0}
    assert told["stats"]["a.min"] == [1, 5.0, 0, 5.0, 0, 5.0, 5.0, 5.0, 0]
    assert (ids(told["parents"]), ids(told["children"])) == (["a"], ["kid"])
    assert answer(ask.get("/api/run/a"))["params"]["seed"] == str(2**60 + 1)
    assert answer(ask.get("/api/run/e"))["params"]["lr"] == "NaN"
    assert answer(ask.get("/api/run/c"))["params"]["depth"] is None
    assert "no run" in answer(ask.get("/api/run/nobody"), 404)["problem"]
    assert answer(ask.get("/api/run/a/diff"), 404)


def test_runs_that_are_each_others_parents_are_answered(ask, store, writer):
    writer.tell(started("a", parent_id="b"), started("b", parent_id="a"), started("c", parent_id="c"))
    assert ids(answer(ask.get("/api/run/a"))["parents"]) == ["b"]
    assert answer(ask.post("/api/delete", json={"runs": ["a"]}))["runs"] == ["a", "b"]


@pytest.fixture
def keep(writer, artifacts):
    writer.tell(started("r"))

    def kept(name, content, kind="file", meta=None):
        digest = artifacts.put_bytes(content)
        writer.tell(ArtifactStored("r", T, name, digest, len(content), kind, None, meta or {}))

    return kept


def test_a_file_is_a_download_in_a_sandbox(ask, keep):
    keep("page.html", b"<script>alert(1)</script>")
    response = ask.get("/api/file", params={"run": "r", "name": "page.html"})
    assert (response.content, response.headers["content-type"]) == (b"<script>alert(1)</script>", "application/octet-stream")
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["content-security-policy"].startswith("sandbox;")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert answer(ask.get("/api/file", params={"run": "r", "name": "nothing"}), 404)
    assert answer(ask.get("/api/file", params={"run": "nobody", "name": "page.html"}), 404)


@pytest.mark.parametrize("name", ["a\r\nset-cookie: x=1", 'a"b', "ä/ö.txt", "/etc/passwd", "..\\..\\x", "\u202etxt.exe", "a" * 900])
def test_a_files_name_breaks_no_header(ask, keep, name):
    keep(name, b"content")
    response = ask.get("/api/file", params={"run": "r", "name": name})
    said = response.headers["content-disposition"]
    assert (response.content, "set-cookie" in response.headers) == (b"content", False)
    assert said.isascii()
    assert said.count('"') == 2
    assert "/" not in said.replace("UTF-8''", "")


def test_content_that_is_gone_is_said(ask, writer, store):
    writer.tell(started("r"), ArtifactStored("r", T, "x.txt", "sha256:" + "0" * 64, 3), ArtifactStored("r", T, "y.txt", "../../../etc/passwd", 3))
    for name in ("x.txt", "y.txt"):
        assert answer(ask.get("/api/file", params={"run": "r", "name": name}), 404)
        assert answer(ask.get("/api/preview", params={"run": "r", "name": name}), 404)


def test_text_tables_and_pictures_are_previewed(ask, keep):
    def preview(name, status=200):
        return answer(ask.get("/api/preview", params={"run": "r", "name": name}), status)

    keep("notes.md", "# ä <b>".encode())
    keep("long.log", b"x" * 300_000)
    keep("rows.jsonl", b'{"a": 1, "b": "<i>"}\n{"a": 12345678901234567890}\n', "table", {"rows": 2})
    keep("rows.csv", b"a,b\n1,2\n3\n")
    keep("broken.jsonl", b"{oops")
    keep("weights.bin", b"\0\1\2" * 100)
    keep("not really.png", b"<svg onload=alert(1)>")
    keep("picture.dat", PNG)
    keep("empty", b"")
    assert preview("notes.md") == {"shown": "text", "text": "# ä <b>", "cut": False}
    assert (len(preview("long.log")["text"]), preview("long.log")["cut"]) == (256 * 1024, True)
    table = {"shown": "table", "columns": ["a", "b"], "rows": [[1, "<i>"], ["12345678901234567890", None]], "total": 2, "cut": False}
    assert preview("rows.jsonl") == table
    assert preview("rows.csv")["rows"] == [["1", "2"], ["3", None]]
    assert preview("broken.jsonl")["shown"] == preview("not really.png")["shown"] == preview("empty")["shown"] == "text"
    assert "download" in preview("weights.bin", 415)["problem"]
    found = preview("picture.dat")
    assert (found["shown"], found["type"]) == ("image", "image/png")
    picture = ask.get(found["src"])
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert picture.headers["content-security-policy"].startswith("sandbox")
    assert answer(ask.get("/api/picture", params={"run": "r", "name": "not really.png"}), 415)


def test_a_table_has_the_line_breaks_of_its_cells_and_all_that_a_row_holds(ask, keep):
    def preview(name):
        return answer(ask.get("/api/preview", params={"run": "r", "name": name}))

    keep("quoted.csv", b'a,b\n"x\ny","say ""hi"""\r\n\n1,2\n')
    keep("ragged.csv", b"a,b\n1,2,3\n4\n")
    keep("marked.csv", b"\xef\xbb\xbfa,b\n1,2\n")
    keep("broken.jsonl", '{"a": "x\u2028y"}\n\n{"a": "z"}\n'.encode())
    assert preview("quoted.csv") == {"shown": "table", "columns": ["a", "b"], "rows": [["x\ny", 'say "hi"'], ["1", "2"]], "total": 2, "cut": False}
    assert (preview("ragged.csv")["columns"], preview("ragged.csv")["rows"]) == (["a", "b", ""], [["1", "2", "3"], ["4", None, None]])
    assert preview("marked.csv")["columns"] == ["a", "b"]
    assert preview("broken.jsonl") == {"shown": "table", "columns": ["a"], "rows": [["x\u2028y"], ["z"]], "total": 2, "cut": False}


def test_a_long_curve_is_sent_whole_and_a_wide_table_in_part(ask, keep):
    keep("roc.jsonl", b'{"fpr": 0.5, "tpr": 0.5, "threshold": Infinity}\n' * 9_000, "table", {"rows": 9_000})
    keep("wide.csv", b"\n".join([b",".join(b"c%d" % i for i in range(100)), *[b",".join([b"1"] * 100)] * 900]))
    curve = json.loads(ask.get("/api/preview", params={"run": "r", "name": "roc.jsonl"}).content)
    assert (len(curve["rows"]), curve["cut"], curve["rows"][0]) == (9_000, False, [0.5, 0.5, math.inf])
    wide = answer(ask.get("/api/preview", params={"run": "r", "name": "wide.csv"}))
    assert (len(wide["rows"]), wide["total"], wide["cut"]) == (500, 900, True)


def test_the_uncommitted_changes_are_shown(ask, keep):
    keep("uncommitted.diff", b"-old\n+new\n", "diff")
    assert answer(ask.get("/api/run/r/diff")) == {"text": "-old\n+new\n", "cut": False}


def test_what_a_run_printed_is_told_from_where_one_is(ask, keep):
    nothing = {"text": "", "next": 0, "cut": False, "kept": False}
    assert answer(ask.get("/api/run/r/console")) == nothing
    keep("console/1.txt", b"one\n<b>two</b>\nhal", "console")
    assert answer(ask.get("/api/run/r/console")) == {"text": "one\n<b>two</b>\nhal", "next": 15, "cut": False, "kept": True}
    assert answer(ask.get("/api/run/r/console", params={"after": "15"}))["text"] == "hal"
    assert answer(ask.get("/api/run/r/console", params={"after": "-1"}), 400)
    assert answer(ask.get("/api/run/nobody/console"), 404)


def test_runs_are_compared(ask, examples, writer):
    for run, commit in (("a", "1"), ("b", "2")):
        writer.tell(RunNoted(run, T, "environment", {"git": {"commit": commit}, "os": "x", "pid": int(commit)}))
    told = answer(ask.get("/api/compare", params={"run": ["a", "b"]}))
    rows = {section["name"]: {row["key"]: (row["differs"], row["cells"]) for row in section["rows"]} for section in told["sections"]}
    assert list(rows) == ["params", "metrics", "tags", "code", "environment", "datasets"]
    assert rows["params"]["lr"] == (True, [0.1, "0.1"])
    assert rows["metrics"]["loss"] == (True, [2.0, {"absent": True}])
    assert rows["params"]["null"] == (True, [None, {"absent": True}])
    assert (rows["code"], rows["environment"]) == ({"git.commit": (True, ["1", "2"])}, {"os": (False, ["x", "x"])})
    assert answer(ask.get("/api/compare", params={"run": ["a", "a"]}), 400)
    assert answer(ask.get("/api/compare", params={"run": ["a", "nobody"]}), 404)


def test_importance_finds_what_matters(ask, store, writer):
    for i in range(60):
        params = {"lr": 10.0 ** -(i % 5), "opt": ["adam", "sgd", "lion"][i // 5 % 3], "seed": i * 7 % 60, "same": 1}
        score = -((i % 5) - 2) ** 2 + (3.0 if params["opt"] == "sgd" else 0.0)
        writer.tell(started(f"r{i}"), ParamsSet(f"r{i}", T, params), logged(f"r{i}", "score", [score]))
    told = answer(ask.post("/api/importance", json={"target": ["metrics", "score"]}))
    found = {one["key"]: one for one in told["params"]}
    assert (told["runs"], list(found)[:2], "same" in found) == (60, ["lr", "opt"], False)
    assert 0.7 > found["lr"]["importance"] > 0.5 > found["opt"]["importance"] > 0.3
    assert (found["seed"]["importance"] < 0.1, found["opt"]["direction"]) == (True, None)
    assert abs(found["lr"]["direction"]) < 0.2
    nothing = answer(ask.post("/api/importance", json={"target": ["metrics", "nothing"]}))
    assert nothing == {"runs": 0, "params": []}


def test_runs_are_edited(ask, examples, store):
    told = answer(ask.post("/api/edit", json={"runs": ["a", "b"], "name": "new", "notes": "n", "tags": {"team": None, "<b>": "é"}}))
    assert [(run["id"], run["name"]) for run in told["runs"]] == [("a", "new"), ("b", "new")]
    assert [(run.notes, dict(run.tags)) for run in (store.run("a"), store.run("b"))] == [
        ("n", {"fold": "1", "empty": "", "<b>": "é"}),
        ("n", {"fold": "2", "<b>": "é"}),
    ]
    for wrong in ({}, {"name": " "}, {"name": "x", "runs": []}, {"tags": {"": "x"}}, {"tags": []}):
        assert answer(ask.post("/api/edit", json={"runs": ["a"], **wrong}), 400)
    assert answer(ask.post("/api/edit", json={"runs": ["a", "nobody"], "name": "other"}), 404)
    assert store.run("a").name == "new"


def test_runs_are_deleted_with_those_inside_and_brought_back(ask, examples, store):
    assert answer(ask.post("/api/delete", json={"runs": ["a"]}))["runs"] == ["a", "d"]
    assert sorted(answer(ask.get("/api/runs"))["runs"]["id"]) == list("bcef")
    assert answer(ask.post("/api/delete", json={"runs": ["a"], "undo": True}))["runs"] == ["a", "d"]
    assert sorted(answer(ask.get("/api/runs"))["runs"]["id"]) == list("abcdef")


def test_views_are_saved(ask):
    assert answer(ask.get("/api/views")) == {"views": []}
    told = answer(ask.post("/api/views", json={"name": " best ", "query": "?q=params.lr<1&sort=-metrics.acc"}))
    assert [(view["name"], view["query"]) for view in told["views"]] == [("best", "?q=params.lr<1&sort=-metrics.acc")]
    assert answer(ask.post("/api/views", json={"name": "", "query": "x"}), 400)
    assert answer(ask.post("/api/views/delete", json={"name": "best"})) == {"views": []}


def test_hostile_names_come_back_as_they_are(ask, store, writer):
    for number, name in enumerate(HOSTILE):
        run = f"r{number}"
        writer.tell(started(run, name=name, experiment=name), ParamsSet(run, T, {name: name}), TagsSet(run, T, {name: name}))
        writer.tell(logged(run, name, [1.0]))
    told = answer(ask.get("/api/runs"))
    assert sorted(told["runs"]["name"]) == sorted(HOSTILE)
    assert told["params"] == told["metrics"] == told["tags"] == sorted(HOSTILE)
    for number, name in enumerate(HOSTILE):
        branch = answer(ask.get("/api/runs", params={"experiment": name}))["runs"]["id"]
        assert branch == [f"r{number}"]
        columns = answer(ask.post("/api/columns", json={"columns": [["params", name], ["tags", name], ["metrics", name]]}))["columns"]
        assert [column.get("words", column.get("values")) for column in columns] == [[name], [name], [1.0]]
        ((head, *_),), _ = curves(ask.post("/api/series", json={"runs": [f"r{number}"], "keys": [name], "points": 16}))
        assert head["key"] == name
        choice = answer(ask.get("/api/complete", params={"q": f"params.{name[:3]}", "at": 99}))["choices"]
        written = [one["text"] for one in choice if one["kind"] == "param"]
        for text in written:
            assert "rows" in answer(ask.get("/api/search", params={"q": f"{text} = 'x'"}))


def test_a_run_with_an_odd_id_is_found(ask, store, writer):
    store.write(Teller(store, "other").batch(RunStarted("run 1?#<é>", T, "x")))
    assert answer(ask.get("/api/run/run%201%3F%23%3C%C3%A9%3E"))["id"] == "run 1?#<é>"


def test_a_run_whose_name_nobody_can_see_is_called_by_its_id(ask, writer):
    for number, name in enumerate((" ", "\u200b\t", "\u00a0a")):
        writer.tell(started(f"run-{number}-and-more", name=name, experiment="e"))
    listed = answer(ask.get("/api/runs"))["runs"]
    told = dict(zip(listed["id"], listed["name"], strict=True))
    assert told == {"run-0-and-more": "run-0-and-mo", "run-1-and-more": "run-1-and-mo", "run-2-and-more": "\u00a0a"}
    assert {answer(ask.get(f"/api/run/{run}"))["name"] for run in told} == set(told.values())


def test_what_comes_live_is_as_its_column_says_it():
    from autotrack.server.answers import measured

    assert measured({"none": None, "big": 2**60, "text": "good", "n": 1}) == {"none": "None", "big": str(2**60), "text": "good", "n": 1}
