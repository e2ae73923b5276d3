"""Runs as one page: what it holds, how large it is, and that no name of a user's becomes markup or script."""

import base64
import hashlib
import json
import math
import random
import re

import numpy as np
import pytest

from autotrack.backends.memory import MemoryBackend
from autotrack.errors import AutotrackError
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunStarted
from autotrack.server import page
from autotrack.server.portable import BYTES, portable

pytestmark = pytest.mark.skipif(bool(page.missing()), reason="the page's libraries are not here: python scripts/vendor.py")

NOW = 1_700_000_000.0
HOSTILE = "</script><script>alert(1)</script><!--@DATA@ \u2028\ud800"


def store(runs):
    """A store of {id: (name, {key: [value of step 0, 1, …]})}."""
    backend, number = MemoryBackend(), 1
    for i, (run_id, (name, curves)) in enumerate(runs.items()):
        records = [RunStarted(run_id, NOW + i, "e", name, kind="test"), ParamsSet(run_id, NOW, {"lr": 10.0**-i, name: name})]
        for key, values in curves.items():
            steps = list(range(len(values)))
            records.append(MetricsLogged(run_id, NOW, (key,), steps, [NOW + i + step / 4 for step in steps], [values]))
        records.append(RunEnded(run_id, NOW + 60, "finished"))
        backend.write(Batch("test", number, tuple(records)))
        number += sum(record.count for record in records)
    return backend


def data_of(made):
    return json.loads(re.search(rb'<script type="application/json" id="data">(.*?)</script>', made, re.S)[1])


def numbers(text):
    return np.frombuffer(base64.b64decode(text[1:]), {"f": "<f4", "d": "<f8"}[text[0]])


def hash_of(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture(scope="module")
def twenty():
    """Twenty runs of ten noisy metrics with 2,000 points; one point of one curve is far off."""
    chance = random.Random(1)
    runs = {}
    for i in range(20):
        curves = {f"group/metric{k}": [chance.gauss(1, 0.1) for _ in range(2_000)] for k in range(10)}
        runs[f"run{i}"] = (f"model-{i}", curves)
    runs["run7"][1]["group/metric3"][1_234] = 99.0
    return portable(store(runs), list(runs), "1")


def test_twenty_runs_fit_into_a_megabyte(twenty):
    assert len(twenty) <= BYTES
    assert len(data_of(twenty)["series"]) == 200


def test_thinning_loses_no_spike(twenty):
    data = data_of(twenty)
    spiky = next(one for one in data["series"] if one["run"] == "run7" and one["key"] == "group/metric3")
    assert spiky["n"] <= data["points"] <= 1_000
    assert spiky["count"] == 2_000
    mean, least, most, last = (numbers(column) for column in spiky["columns"])
    assert max(most) == 99.0
    assert (least <= mean).all()
    steps, seconds = (numbers(data["shared"][spiky[name]]) for name in ("step", "time"))
    assert len(steps) == len(last) == spiky["n"]
    assert seconds.tolist() == (steps / 4).tolist()  # since the start of the run


def test_times_that_no_curves_share_are_kept_too():
    chance, runs = random.Random(2), {f"run{i}": (f"model-{i}", {}) for i in range(20)}
    backend, number = store(runs), 1
    for one in runs:
        for key in ("a", "b", "c", "d"):
            steps = sorted(chance.sample(range(10**9), 1_000))
            record = MetricsLogged(one, NOW, (key,), steps, [NOW + chance.random() * 1e6 for _ in steps], [[chance.random() for _ in steps]])
            backend.write(Batch("other", number, (record,)))
            number += record.count
    made = portable(backend, list(runs), "1")
    data = data_of(made)
    assert len(made) <= BYTES
    assert len(data["shared"]) == 2 * len(data["series"]) == 160
    assert data["points"] < 1_000  # the head of the page says so
    assert all(one["shift"] and len(numbers(data["shared"][one["time"]])) == one["n"] for one in data["series"])


def test_short_curves_are_kept_as_they_are_and_share_their_steps():
    values = [0.1, math.nan, 1e300, -math.inf, 3.0]
    data = data_of(portable(store({"a": ("a", {"x": values, "y": [0.5] * 5}), "b": ("b", {"y": [1e-300] * 5})}), ["a", "b"], "1"))
    kept = {(one["run"], one["key"]): one for one in data["series"]}
    assert len(data["shared"]) == 2  # steps, and seconds since the start
    wide = kept["a", "x"]
    assert (wide["odds"], wide["odd"]) == (2, [1, 3])
    assert wide["columns"][0][0] == "d"
    np.testing.assert_array_equal(numbers(wide["columns"][0]), [0.1, math.nan, 1e300, math.nan, 3.0])
    assert kept["a", "y"]["columns"][0][0] == "f"
    assert list(numbers(kept["b", "y"]["columns"][0])) == [1e-300] * 5  # float32 would make zeros of it
    assert list(numbers(data["shared"][wide["step"]])) == list(range(5))


def test_steps_beyond_seven_digits_are_kept_whole():
    backend, steps = store({"a": ("a", {})}), [0, 10_000_001, 10**12 + 1]
    backend.write(Batch("other", 1, (MetricsLogged("a", NOW, ("x",), steps, [NOW] * 3, [[1.0, 2.0, 3.0]]),)))
    data = data_of(portable(backend, ["a"], "1"))
    assert list(numbers(data["shared"][data["series"][0]["step"]])) == steps


def test_what_users_name_is_data_and_nothing_else():
    made = portable(store({"a": (HOSTILE, {HOSTILE: [1.0, 2.0]}), "b": ("b", {})}), ["a", "b"], "1")
    assert made.count(b"<script") == 3  # the map of modules, the data, the start
    assert made.count(b"</script>") == 3
    data = data_of(made)
    assert data["runs"]["name"][1].startswith("</script><script>alert(1)</script><!--@DATA@ \u2028")
    assert "lr" in {row["key"] for row in data["compare"]["sections"][0]["rows"] if row["differs"]}


def test_the_policy_lets_only_the_pages_own_scripts_run():
    made = portable(store({"a": ("a", {})}), ["a"], "1").decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', made)[1].replace("&#x27;", "'")
    told = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert told["default-src"] == "'none'"
    scripts = re.findall(r'<script(?: type="importmap")?>(.*?)</script>', made)
    hashed = {hash_of(text) for text in scripts}
    assert len(hashed) == 2
    assert set(told["script-src"].split()) == hashed | {"'strict-dynamic'"}
    style = re.search(r"<style>(.*?)</style>", made, re.S)[1]
    assert told["style-src"] == hash_of(style)
    assert " style=" not in made
    assert not re.search(r'(src|href)="', made)


def test_a_page_holds_one_to_fifty_runs():
    for ids in ([], [str(i) for i in range(51)]):
        with pytest.raises(AutotrackError, match="1 to 50 runs"):
            portable(MemoryBackend(), ids, "1")
