"""The exported page, opened from a file: it draws, hovers, zooms and compares, and asks nobody for anything."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autotrack.backends.opening import open_backend
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunStarted

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror=alert(1)>'\"`&,%2C;\u202e\n</script>"
NOW = 1_700_000_000.0
DRAWN = """() => { const all = [...document.querySelectorAll('.plot')].filter(p => p.curves && p.curves.near);
  return all.length > 0 && all.every(p => p.curves.have.length && p.chart.view && !p.chart.due); }"""
RUNS = [("a" * 8, "first", 0.1), ("b" * 8, HOSTILE, 0.01), ("c" * 8, "third", 0.001)]


@pytest.fixture(scope="module")
def exported(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    backend, number = open_backend(f"sqlite:///{folder / 'autotrack.db'}"), 1
    for i, (run_id, name, lr) in enumerate(RUNS):
        records = [RunStarted(run_id, NOW + i, "e", name, kind="test"), ParamsSet(run_id, NOW, {"lr": lr, "same": 1})]
        train = [math.exp(-k * lr) + 0.01 * (k % 3) for k in range(3_000)]
        epochs = [k // 70 for k in range(3_000)]
        curves = {"train/loss": (1, train), "val/loss": (70, train[::70]), "epoch": (1, epochs), HOSTILE: (1, [1.0, math.nan, 3.0])}
        for key, (apart, values) in curves.items():
            steps = list(range(apart - 1, apart * len(values), apart))
            records.append(MetricsLogged(run_id, NOW, (key,), steps, [NOW + i + 0.5 * step for step in steps], [values]))
        records.append(RunEnded(run_id, NOW + 60, "finished"))
        backend.write(Batch("test", number, tuple(records)))
        number += sum(record.count for record in records)
    backend.close()
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK")} | {"PYTHONPATH": str(ROOT / "src")}
    env["AUTOTRACK_URI"] = f"sqlite:///{folder / 'autotrack.db'}"
    command = [sys.executable, "-m", "autotrack", "export", "--html", "-o", str(folder / "runs.html"), *(run_id for run_id, _, _ in RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs.html"


@pytest.fixture
def view(chromium, exported):
    """The page, which must complain of nothing and ask for nothing but itself."""
    tab, complaints = chromium.new_page(viewport={"width": 1360, "height": 860}), []
    tab.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: complaints.append(str(e)))
    tab.on("dialog", lambda d: complaints.append("a dialog"))
    tab.on("request", lambda r: None if r.url.startswith((exported.as_uri(), "data:", "blob:")) else complaints.append(r.url))
    tab.goto(exported.as_uri())
    tab.wait_for_function(DRAWN, timeout=20_000)
    yield tab
    tab.close()
    assert complaints == []


LOSS = ".panel[data-title='loss'] .plot"
RANGE = f'() => {{ const v = document.querySelector("{LOSS}").chart.view; return [v.a, v.b]; }}'


def place(view, share):
    box = view.locator(LOSS).bounding_box()
    return box["x"] + 40 + (box["width"] - 60) * share, box["y"] + box["height"] / 2


def test_the_pointer_shows_values_and_a_drag_zooms(view):
    view.mouse.move(*place(view, 0.5))
    view.wait_for_selector(".tip:not([hidden])")
    assert "step" in view.locator(".tip:not([hidden])").inner_text()
    before = view.evaluate(RANGE)
    view.mouse.move(*place(view, 0.2))
    view.mouse.down()
    view.mouse.move(*place(view, 0.4), steps=4)
    view.mouse.up()
    view.wait_for_function(f"([a, b]) => {{ const v = ({RANGE})(); return v[0] > a + 100 && v[1] < b - 100; }}", arg=before)
    view.wait_for_function("() => location.href.includes('x0=')")
    view.keyboard.press("0")
    view.wait_for_function(f"([a, b]) => {{ const v = ({RANGE})(); return v[0] === a && v[1] === b; }}", arg=before)


AXES = {"relative": "relative", "time": "time", "metrics.epoch": ("metric", "epoch"), "metrics.val/loss": ("metric", "val/loss"), "step": "step"}
OVER = f"""asked => {{ const {{ chart, curves }} = document.querySelector("{LOSS}");
    return JSON.stringify(JSON.parse(curves.asked).x) === JSON.stringify(asked) && !curves.abort
        && Object.fromEntries(curves.have.map(s => [s.run + ' ' + s.key, [[...s.x], [...s.y], s.first, s.last]])); }}"""


def over(view, x, axis):
    view.locator(".knobs label", has_text="time of day").locator("select").select_option(x)
    return view.wait_for_function(OVER, arg={"metric": axis[1]} if x.startswith("metrics.") else axis).json_value()


def test_x_is_time_or_a_metric_as_the_store_answers(view, exported):
    backend = open_backend(f"sqlite:///{exported.parent / 'autotrack.db'}")
    for x, axis in AXES.items():
        found, wanted = over(view, x, axis), backend.buckets([run_id for run_id, _, _ in RUNS], ["val/loss", "train/loss"], points=1_000, x=axis)
        assert len(found) == len(wanted) == 6
        for curve in wanted:
            xs, ys, first, last = found[f"{curve.run_id} {curve.key}"]
            if curve.key == "val/loss" and x == "metrics.epoch":  # of a bucketed metric it is the last whole bucket's end
                assert np.flatnonzero(abs(np.array(xs) - curve.x) > 1).tolist() == []
                continue
            np.testing.assert_allclose(xs, curve.x, rtol=1e-6)
            np.testing.assert_allclose(ys, curve.mean, rtol=1e-6)
            if x != "metrics.val/loss":
                np.testing.assert_allclose([first, last], [curve.first, curve.last], atol=2)
    backend.close()


def test_a_zoom_over_time_is_undone_with_the_axis(view):
    view.locator(".knobs label", has_text="time of day").locator("select").select_option("relative")
    view.wait_for_function(f'() => document.querySelector("{LOSS}").chart.options.kind === "relative"')
    view.mouse.move(*place(view, 0.2))
    view.mouse.down()
    view.mouse.move(*place(view, 0.4), steps=4)
    view.mouse.up()
    view.wait_for_function(f"() => {{ const [a, b] = ({RANGE})(); return a > 100 && b < 1_000; }}")
    view.mouse.move(*place(view, 0.5))
    view.wait_for_selector(".tip:not([hidden]) >> text=after the start")
    view.locator(".knobs label", has_text="time of day").locator("select").select_option("step")
    view.wait_for_function(f"() => {{ const [a, b] = ({RANGE})(); return a < 10 && b > 2_900; }}")


def test_log_axis_smoothing_and_colour(view):
    view.locator(".panel[data-title='loss'] figcaption button", has_text="log").click()
    view.wait_for_function(f'() => document.querySelector("{LOSS}").chart.view.log')
    view.locator("input[type=range]").fill("0.9")
    view.wait_for_function(f'() => document.querySelector("{LOSS}").chart.options.tau > 100')
    colours = f'() => document.querySelector("{LOSS}").chart.series.map(s => s.color)'
    before = view.evaluate(colours)
    view.locator("#colour").select_option("params.lr")
    view.wait_for_function(f"before => String(({colours})()) !== String(before)", arg=before)


def test_a_charts_range_of_y_is_set_in_its_menu(view):
    view.locator(".panel[data-title='loss'] .tools [data-menu]").click()
    for label, value in (("least y", "-1"), ("greatest y", "4")):
        view.get_by_label(label).fill(value)
    view.get_by_role("button", name="set").click()
    view.wait_for_function(f'() => {{ const v = document.querySelector("{LOSS}").chart.view; return v.c === -1 && v.d === 4; }}')


def test_the_list_hides_a_run_and_opens_it(view):
    view.locator(".list .eye").first.click()
    view.wait_for_function(f'() => document.querySelector("{LOSS}").chart.series.length === 4')
    view.locator(".list a", has_text="first").click()
    view.wait_for_selector("h1 >> text=first")
    view.wait_for_selector("section:has-text('Parameters') >> text=0.1")


def test_what_differs_between_the_runs(view):
    view.get_by_role("button", name="What differs").click()
    view.wait_for_selector(".compare table")
    rows = view.locator(".compare tbody th").all_inner_texts()
    assert "lr" in rows
    assert "same" not in rows
    view.go_back()
    view.wait_for_selector(".list")


def test_a_run_that_was_running_stays_so(view):
    view.clock.install()
    view.reload()
    view.wait_for_function(DRAWN, timeout=20_000)
    name = view.locator(".list-item a").first.inner_text()
    view.evaluate("""async name => { const { table } = await import('autotrack/runs.js'); table.status[table.name.indexOf(name)] = 'running';
        (await import('autotrack/runs.js')).rev.value++; }""", name)
    view.wait_for_selector(".mark.running")
    view.clock.fast_forward(130_000)
    view.wait_for_timeout(300)
    assert view.locator(".mark.running").count() == 1


def test_it_prints_without_its_tools(view):
    view.emulate_media(media="print")
    assert not view.locator(".bar").is_visible()
    assert view.locator(LOSS).is_visible()


def test_what_was_not_on_the_screen_is_printed_too(view):
    drawn = "() => [...document.querySelectorAll('.plot')].map(p => p.curves && p.curves.have.length && p.chart.view.b > 1)"
    view.set_viewport_size({"width": 500, "height": 200})
    view.reload()
    view.wait_for_function("() => document.querySelectorAll('.plot').length === 3 && [...document.querySelectorAll('.plot')].every(p => p.curves)")
    assert not all(view.evaluate(drawn))
    view.pdf()
    assert all(view.evaluate(drawn))
