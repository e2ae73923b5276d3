"""What charts draw is true: spikes and NaN in pixels at any zoom, smoothing that does not move, odd numbers of runs and points, hostile names."""

import math
import time

import pytest

from autotrack.backends.opening import open_backend
from autotrack.query import parse
from autotrack.records import Batch, MetricsLogged, ParamsSet, RunEnded, RunNoted, RunStarted, TagsSet

NOW = time.time()
HOSTILE = "<img src=x onerror=alert(1)>'\"`&,%2C;\u202e\u0000\n</script>"


def write(folder, *runs, experiment="e"):
    """runs: (id, name, {key: [(step, value)]}, params)."""
    folder.mkdir(exist_ok=True)
    backend, number = open_backend(f"sqlite:///{folder / 'autotrack.db'}"), 1
    for i, (run_id, name, curves, params) in enumerate(runs):
        began = NOW - 1000 + i
        records = [RunStarted(run_id, began, experiment, name, kind="test"), ParamsSet(run_id, began, params)]
        for key, points in curves.items():
            for start in range(0, len(points), 20_000):
                some = points[start : start + 20_000]
                steps, values = [step for step, _ in some], [value for _, value in some]
                records.append(MetricsLogged(run_id, began, (key,), steps, [began + 0.01 * step for step in steps], [values]))
        records.append(RunEnded(run_id, began + 500, "finished"))
        backend.write(Batch("test", number, tuple(records)))
        number += sum(record.count for record in records)
    backend.close()


# The colour of a canvas's pixels in a window of CSS pixels, as a count of those that are strongly of a colour.
COUNT = """([title, x0, y0, x1, y1, want]) => {
  const low = document.querySelector(`.panel[data-title="${title}"] canvas.low`), scale = low.width / low.getBoundingClientRect().width;
  const [x, y, w, h] = [x0, y0, x1 - x0, y1 - y0].map(v => Math.round(v * scale)), pixels = low.getContext('2d').getImageData(x, y, w, h).data;
  let found = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b, a] = pixels.slice(i, i + 4);
    if (a > 30 && (want === 'red' ? r > 150 && g < 90 : Math.max(r, g, b) - Math.min(r, g, b) > 40)) found++;
  }
  return found; }"""
VIEW = "title => { const v = document.querySelector(`.panel[data-title=\"${title}\"] .plot`).chart.view; return {a: v.a, b: v.b, c: v.c, d: v.d, l: v.pad.l, w: v.w, base: v.base, t: v.pad.t}; }"  # noqa: E501


def test_one_wrong_step_in_a_quarter_million_is_seen_at_every_zoom(page, serve, tmp_path):
    points, spike = 250_000, 171_717
    curve = [(i, 9.0 if i == spike else 1 + 0.1 * math.sin(i / 1000) + 0.02 * (i % 7)) for i in range(points)]
    write(tmp_path / "s", ("a" * 8, "spiky", {"loss": curve}, {}))
    server = serve(tmp_path / "s")
    for half in (points, 60_000, 8_000, 500, 20):
        low, high = max(0, spike - half), min(points - 1, spike + half)
        page.goto(f"{server.url}/?e=e&s=0.9" + ("" if half == points else f"&x0={low}&x1={high}"))
        page.drawn()
        page.wait_for_timeout(250)
        view = page.evaluate(VIEW, "loss")
        assert view["d"] > 9
        x = view["l"] + (spike - view["a"]) / (view["b"] - view["a"]) * (view["w"] - view["l"] - 12)
        height = view["base"] - view["t"]
        upper = page.evaluate(COUNT, ["loss", x - 4, view["t"], x + 4, view["t"] + height * 0.5, "any"])
        assert upper >= 20, f"{half}: {upper} pixels"


def test_values_that_are_not_finite_are_marked_and_leave_a_gap(page, serve, tmp_path):
    curve = [(i, math.nan if 40 <= i < 60 else math.inf if i == 80 else 1.0 + i) for i in range(100)]
    write(tmp_path / "s", ("a" * 8, "nan", {"loss": curve, "all": [(i, math.nan) for i in range(30)]}, {}))
    page.goto(f"{serve(tmp_path / 's').url}/?e=e&s=0")
    page.drawn()
    page.wait_for_timeout(250)
    assert "21 not finite" in page.locator('.panel[data-title="loss"] .odd').inner_text()
    view = page.evaluate(VIEW, "loss")
    width = view["w"] - view["l"] - 12

    def at(step):
        return view["l"] + (step - view["a"]) / (view["b"] - view["a"]) * width

    assert page.evaluate(COUNT, ["loss", at(49), view["base"] - 9, at(51), view["base"], "red"]) > 10
    assert page.evaluate(COUNT, ["loss", at(79), view["base"] - 9, at(81), view["base"], "red"]) > 10
    assert page.evaluate(COUNT, ["loss", at(42), view["t"], at(57), view["base"] - 12, "any"]) == 0
    assert page.evaluate(COUNT, ["loss", at(20), view["t"], at(39), view["base"] - 12, "any"]) > 20
    assert "30 not finite" in page.locator('.panel[data-title="all"] .odd').inner_text()


def test_smoothing_has_the_same_value_at_one_x_before_and_after_a_zoom(page, serve, tmp_path):
    curve = [(i, math.sin(i / 300) + (0.3 if i % 2 else -0.3)) for i in range(30_000)]
    write(tmp_path / "s", ("a" * 8, "smooth", {"loss": curve}, {}))
    server = serve(tmp_path / "s")
    read = """async x => { const { ema, nearest } = await import('./curves.js'), c = document.querySelector('.plot').chart, s = c.series[0];
        return [ema(s, c.options.tau)[nearest(s, x)], c.options.tau, s.shift]; }"""
    found = []
    for window in ("", "&x0=14000&x1=16000", "&x0=14900&x1=15100"):
        page.goto(f"{server.url}/?e=e&s=0.75{window}")
        page.drawn()
        page.wait_for_timeout(500)
        found.append(page.evaluate(read, 15_000))
    assert len({round(tau, 6) for _, tau, _ in found}) == 1
    assert len({shift for _, _, shift in found}) > 1
    values = [value for value, _, _ in found]
    assert max(values) - min(values) < 0.03, values


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_point_one_run_far_steps_and_flat_lines(page, serve, tmp_path, theme):
    page.emulate_media(color_scheme=theme)
    far = 10**12
    curves = {"one": [(5, 0.25)], "far": [(far + i, i * 1.0) for i in range(50)], "flat": [(i, 3.0) for i in range(50)]}
    curves["tiny"] = [(i, 1e-12 * i) for i in range(9)]
    write(tmp_path / "s", ("a" * 8, "odd", curves, {}))
    page.goto(f"{serve(tmp_path / 's').url}/?e=e&log=flat,tiny")
    page.drawn()
    page.wait_for_timeout(250)
    for title in curves:
        view = page.evaluate(VIEW, title)
        assert page.evaluate(COUNT, [title, view["l"], view["t"], view["w"], view["base"] - 2, "any"]) > 6, title
        texts = page.evaluate("title => { const v = document.querySelector(`.panel[data-title=\"${title}\"] .plot`).chart.view; return [v.texts, v.xTexts]; }", title)  # noqa: E501
        assert all(len(set(t)) == len(t) for t in texts), texts


def test_an_empty_store_teaches(page, serve, tmp_path):
    write(tmp_path / "s")
    page.goto(serve(tmp_path / "s").url)
    page.wait_for_selector("text=Nothing recorded yet")
    assert "autotrack.autolog()" in page.locator(".empty").inner_text()
    assert str(tmp_path / "s" / "autotrack.db") in page.locator(".empty").inner_text()


def test_a_zoom_typed_the_wrong_way_round_is_turned_and_one_of_words_is_none(page, forty):
    asked = []
    page.on("request", lambda r: asked.append(r.post_data_json) if r.url.endswith("/api/series") else None)
    page.goto(f"{forty.url}/?e=vision/imagenet&x0=400&x1=100")
    page.drawn()
    page.wait_for_timeout(500)
    assert {(one["from"], one["to"]) for one in asked} == {(100, 400)}
    assert len(asked) <= 2 * page.locator(".plot").count()
    for words in ("x0=here&x1=there", "x0=1&x1=Infinity"):
        asked.clear()
        page.goto(f"{forty.url}/?e=vision/imagenet&{words}")
        page.drawn()
        assert not [one for one in asked if "from" in one]


def test_hostile_names_are_text_everywhere(page, serve, tmp_path):
    name = HOSTILE.replace("\u0000", "")
    one = ("a" * 8, name, {name: [(i, i * 1.0) for i in range(9)], "val/<b>x</b>": [(0, 1.0), (1, 2.0)]}, {name: name, "lr": 1})
    write(tmp_path / "s", one, ("b" * 8, "x" * 400, {name: [(0, 1.0), (1, 0.0)]}, {name: "y", "lr": 2}), experiment=name)
    backend = open_backend(f"sqlite:///{tmp_path / 's' / 'autotrack.db'}")
    noted = [RunNoted("a" * 8, NOW, field, name) for field in ("notes", "traceback")]
    backend.write(Batch("more", 1, (TagsSet("a" * 8, NOW, {name: name}), *noted)))
    backend.close()
    server = serve(tmp_path / "s")
    page.on("dialog", lambda d: page.complaints.append("a dialog: markup ran"))
    page.goto(server.url)
    page.locator(".tree a").last.click()
    page.drawn()
    address = page.url
    for tab in ("charts", "table", "compare", "hyper", "run"):
        page.goto(f"{address}&pick={'a' * 8},{'b' * 8}&run={'a' * 8}&tab={tab}".replace("&tab=charts", "", 1))
        page.wait_for_timeout(700)
        assert page.evaluate("document.querySelectorAll('main img, main b b, main script').length") == 0
        assert "onerror" in page.locator("main").inner_text() or page.locator("[title*=onerror]").count(), tab


def test_the_query_that_is_shown_as_an_example_is_one(page, serve, tmp_path):
    write(tmp_path / "s", ("a" * 8, "one", {"val loss (mean)": [(0, 1.0), (1, 0.05)]}, {}))
    page.goto(f"{serve(tmp_path / 's').url}/?tab=table")
    page.wait_for_selector("#q[placeholder^=metrics]")
    example = page.locator("#q").get_attribute("placeholder")
    assert parse(example).where is not None
    assert "`val loss (mean)`" in example


def test_twelve_thousand_metrics_open(page, serve, tmp_path):
    keys = [f"layer{i // 100}/unit{i}" for i in range(12_000)]
    folder = tmp_path / "s"
    folder.mkdir()
    backend = open_backend(f"sqlite:///{folder / 'autotrack.db'}")
    told = MetricsLogged("a" * 8, NOW, tuple(keys), [0, 1], [NOW, NOW], [[1.0, 2.0] for _ in keys])
    backend.write(Batch("w", 1, (RunStarted("a" * 8, NOW, "e", "wide", kind="test"), told, RunEnded("a" * 8, NOW, "finished"))))
    backend.close()
    page.goto(f"{serve(folder).url}/?e=e")
    page.drawn()
    assert page.locator(".panel").count() < 60
    assert page.locator("canvas").count() < 120
    page.fill("#find", "unit11999")
    page.wait_for_selector('.panel[data-title="layer119/unit11999"]')
    page.drawn()


def test_points_that_all_lie_in_one_place_are_seen_and_a_chart_without_points_says_so(page, serve, tmp_path):
    write(tmp_path / "s", ("a" * 8, "still", {"still": [(3, 7.0)] * 4, "other": [(1, 1.0), (2, 2.0)], "axis": [(3, 5.0)]}, {}))
    server = serve(tmp_path / "s")
    page.goto(f"{server.url}/?e=e&x=time")
    page.drawn()
    view = page.evaluate(VIEW, "still")
    page.wait_for_timeout(200)
    assert page.evaluate(COUNT, ["still", view["l"], 0, view["w"], view["base"], "any"]) > 0
    page.goto(f"{server.url}/?e=e&x=step&x0=100&x1=200")
    page.wait_for_selector(".panel[data-title=other] >> text=no points here")


def test_a_ticked_run_that_is_not_there_any_more_keeps_no_comparison_from_the_others(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet&tab=table")
    page.wait_for_selector(".tr")
    ids = page.evaluate("async () => (await (await fetch('/api/runs?experiment=vision/imagenet')).json()).runs.id.slice(0, 2)")
    page.goto(f"{forty.url}/?e=vision/imagenet&tab=compare&pick={ids[0]},nosuchrun,{ids[1]}")
    page.wait_for_selector(".compare table")
    assert page.locator(".compare thead th").count() == 2
    assert page.locator(".tab[aria-current] i").inner_text() == "2"


def point_at_the_first_line(page):
    """Put the mouse on it, and say where; again while the chart still changes under the mouse, which nobody moves meanwhile."""
    for _ in range(60):
        place = page.evaluate("""() => {
          const c = document.querySelector('.plot').chart, s = c.series[0], i = (s.i + s.j) >> 1, r = c.top.getBoundingClientRect();
          return [r.left + c.view.px(s.x[i]), r.top + c.view.py(s.y[i])]; }""")
        page.mouse.move(place[0] - 3, place[1])
        page.mouse.move(*place)
        page.wait_for_timeout(500)
        if page.locator(".list-item.hot").count():
            return place
    raise AssertionError("no line is under the mouse")


def test_a_double_click_on_a_line_shows_the_whole_range_and_a_click_opens_its_run(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet&x0=100&x1=300&draw=10")
    page.drawn()
    page.mouse.dblclick(*point_at_the_first_line(page))
    page.wait_for_url(lambda url: "x0=" not in url)
    page.wait_for_timeout(500)  # longer than a click waits for a second one
    assert "run=" not in page.url
    page.go_back()
    page.wait_for_url("**x0=100**")
    page.drawn()
    page.mouse.click(*point_at_the_first_line(page))
    page.wait_for_url("**run=**")
