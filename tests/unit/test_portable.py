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
            records.append(MetricsLogged(run_id, NOW, (key,), list(range(len(values))), [NOW] * len(values), [values]))
        records.append(RunEnded(run_id, NOW + 60, "finished"))
        backend.write(Batch("test", number, tuple(records)))
        number += sum(record.count for record in records)
    return backend


def data_of(made):
    return json.loads(re.search(rb'<script type="application/json" id="data">(.*?)</script>', made, re.S)[1])


def numbers(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), kind)


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
    assert max(numbers(spiky["y"][2])) == 99.0
    assert len(numbers(data["xs"][spiky["x"]], "<f8")) == spiky["n"]


def test_short_curves_are_kept_as_they_are_and_share_their_steps():
    values = [0.1, math.nan, 1e300, -math.inf, 3.0]
    data = data_of(portable(store({"a": ("a", {"x": values, "y": [0.5] * 5}), "b": ("b", {"y": [1e-300] * 5})}), ["a", "b"], "1"))
    kept = {(one["run"], one["key"]): one for one in data["series"]}
    assert len(data["xs"]) == 1
    wide = kept["a", "x"]
    assert wide["wide"]
    assert wide["odds"] == 2
    np.testing.assert_array_equal(numbers(wide["y"][0], "<f8"), [0.1, math.nan, 1e300, math.nan, 3.0])
    assert not kept["a", "y"]["wide"]
    assert kept["b", "y"]["wide"]  # float32 would make zeros of it
    assert list(numbers(kept["b", "y"]["y"][0], "<f8")) == [1e-300] * 5


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
