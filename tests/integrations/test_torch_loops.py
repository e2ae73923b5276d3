"""Plain PyTorch loops, unchanged: nothing about them differs when they are observed, and what is recorded is what each expects.

The loops are scripts in ``torch_loops``: in ``named``, one for each pattern that the rules speak of; in ``unnamed``, loops of
kinds that they do not. At the end of each stands what is expected (``EXPECTED``), in the numbers that the loop itself kept;
where something else came out, that too (``CAME_OUT``). All are played in one process, plain, observed, and after ``disable()``;
those that need a process of their own say why (``PROCESS``).
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch")

from autotrack.backends.opening import open_backend

pytestmark = pytest.mark.timeout(600)  # the first test waits until all are played: half a minute where nothing else runs

HERE = Path(__file__).with_name("torch_loops")
LOOPS = {path.stem: path for kind in ("named", "unnamed") for path in sorted((HERE / kind).glob("*.py"))}
ALONE = [name for name, path in LOOPS.items() if "\nPROCESS = " in path.read_text()]
TOGETHER = [name for name in LOOPS if name not in ALONE]
MODES = ("plain", "observed", "disabled")
KEPT = ("left", "generators", "stdout", "stderr", "files", "ended", "process")  # of a loop, that must be the same
BESIDES = re.compile(r"(lr|epoch|grad_norm)(_\d+)?(/\d+)?|time/.*")  # series that are no losses

spec = importlib.util.spec_from_file_location("torch_loops_told", HERE / "told.py")
told = importlib.util.module_from_spec(spec)
spec.loader.exec_module(told)


def played(mode, names, folder, uri="memory:"):
    """Have loops played by a process: what it answers, by loop."""
    answer, here = folder / f"{mode}.json", folder / mode
    here.mkdir(parents=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AUTOTRACK_QUIET": "1", "AUTOTRACK_URI": uri, "AUTOTRACK_SYSTEM_METRICS": "0"}
    command = [sys.executable, HERE / "play.py", mode, answer, *(LOOPS[name] for name in names)]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=500)
    assert answer.exists(), done.stderr
    return json.loads(answer.read_text()), done


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda mode: played(mode, TOGETHER, folder)[0], MODES)
        return dict(zip(MODES, answers, strict=True))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    def play(name, mode):
        folder = tmp_path_factory.mktemp(name)
        uri = f"sqlite:///{folder / 'store' / 'autotrack.db'}"
        answer, done = played(mode, [name], folder, uri)
        answer["process"] = [done.returncode, done.stdout, done.stderr.replace(str(folder), "FOLDER")]
        if (folder / "store").exists():
            backend = open_backend(uri)
            answer["runs"] = told.told(backend)
            backend.close()
        return answer

    pairs = [(name, mode) for name in ALONE for mode in MODES]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: play(*pair), pairs))
    return {mode: {name: answer for (name, m), answer in zip(pairs, answers, strict=True) if m == mode} for mode in MODES}


@pytest.fixture
def answers(request, name):
    by_mode = request.getfixturevalue("alone" if name in ALONE else "together")
    return {mode: by_mode[mode][name] for mode in MODES}


@pytest.mark.parametrize("name", LOOPS)
def test_nothing_differs(name, answers):
    plain = answers["plain"]
    for mode in ("observed", "disabled"):
        for what in KEPT:
            assert answers[mode].get(what) == plain.get(what), f"{mode}: {what} differs"
    assert plain["ended"] is None or name in ALONE
    assert not answers["disabled"].get("runs"), "it was recorded after disable()"
    assert not answers["plain"].get("runs")


@pytest.mark.parametrize("name", LOOPS)
def test_what_is_recorded(name, answers):
    answer = answers["observed"]
    expected, runs, order = answer["expected"] if answer.get("came_out") is None else answer["came_out"], answer.get("runs", []), answer["order"]
    if order is not None:
        runs = sorted(runs, key=lambda run: run["series"][order][1])
    seen = [differences(want, run) for want, run in zip(expected, runs, strict=False)]
    shown = [(run["name"], {key: len(steps) for key, (steps, _) in run["series"].items()}) for run in runs]
    assert len(runs) == len(expected), f"{len(expected)} runs were expected, there are {len(runs)}: {shown}"
    assert [line for lines in seen for line in lines] == []


def differences(want, run):
    """What a run has otherwise than was expected, in words."""
    judged = {
        "kind": run["kind"],
        "status": run["status"],
        "error": run["error"],
        "model": run["params"].get("model"),
        "epochs": run["metrics"].get("loop/epochs", 0),
        "steps": run["metrics"].get("loop/steps"),
        "per_step": run["metrics"].get("loop/backward_calls_per_step", 1),
        "amp": "loop/amp" in run["metrics"],
        "by_hand": run["metrics"].get("loop/update") == "by hand",
        "scheduler": run["params"].get("scheduler"),
        "checkpoints": [[Path(row["path"]).name, row["kind"].split(":")[0], row["step"]] for row in run["tables"].get("checkpoints.jsonl", ())],
    }
    want = {"kind": "torch", "status": "finished", "error": None, "amp": False, "by_hand": False, "per_step": 1, **want}
    for key, value in want.items():
        if key in judged and judged[key] != value:
            yield f"{key}: expected {value}, recorded {judged[key]}"
    yield from of_params(want, run)
    yield from of_series(want, run["series"])


def of_params(want, run):
    wanted = {**want.get("params", {}), **{f"loader.{key}": value for key, value in want.get("data", {}).items()}}
    for key, value in wanted.items():
        if run["params"].get(key) != value:
            yield f"parameter {key}: expected {value}, recorded {run['params'].get(key)}"


def of_series(want, series):
    losses = {key for key in series if not BESIDES.fullmatch(key)}
    missing, more = set(want["series"]) - losses, losses - set(want["series"]) - set(want.get("besides", ()))
    if missing or more:
        yield f"series: missing {sorted(missing)}, not expected {sorted(more)}"
    for key, points in want["series"].items():
        steps, values = series.get(key, ([], []))
        if isinstance(points, dict):
            wanted = [int(step) for step in points], list(points.values())
        elif points[:1] == ["values"]:
            wanted = sorted(set(steps)), points[1]
        else:
            wanted = list(range(len(points))), points
        if (steps, values) != wanted:
            yield f"{key}: expected {wanted}, recorded {(steps, values)}"
    if "grad_norm" in want and series.get("grad_norm", [[], []])[1] != want["grad_norm"]:
        yield f"grad_norm: expected {want['grad_norm']}, recorded {series.get('grad_norm')}"
    if "lr" in want:
        groups = list(zip(*want["lr"], strict=True)) if isinstance(want["lr"][0], list) else None
        for number, rates in enumerate(groups or [want["lr"]]):
            name = f"lr/{number}" if groups else "lr"
            changes = [step for step, rate in enumerate(rates) if step == 0 or rate != rates[step - 1]]  # it is recorded when it changes
            if series.get(name) != [changes, [rates[step] for step in changes]]:
                yield f"{name}: expected {[rates[step] for step in changes]} at {changes}, recorded {series.get(name)}"


def test_there_are_as_many_loops_as_promised():
    kinds = [path.parent.name for path in LOOPS.values()]
    assert kinds.count("named") >= 37
    assert kinds.count("unnamed") >= 10
