"""Every view opens without an error, says what it should, and comes back the same from its address."""

import re
import time

import pytest

from autotrack.backends.sqlite import SqliteBackend
from autotrack.records import ParamsSet, RunEnded, TagsSet
from autotrack.testing.backend_contract import Teller
from autotrack.testing.searches import logged, started

HERE = "?e=vision/imagenet"


def ids(server, n):
    import json
    import urllib.request

    return json.load(urllib.request.urlopen(f"{server.url}/api/runs?experiment=vision/imagenet"))["runs"]["id"][:n]


def test_home_lists_the_experiments_as_a_tree(page, forty):
    page.goto(forty.url)
    page.wait_for_selector(".tree tbody tr")
    assert [cell.strip() for cell in page.locator(".tree tbody td:first-child a").all_inner_texts()] == ["vision", "imagenet"]
    assert "40" in page.locator(".tree tbody tr").first.inner_text()
    assert "FloatingPointError" in page.locator(".briefs").last.inner_text()
    page.get_by_role("link", name="imagenet", exact=True).click()
    page.drawn()
    assert page.url.endswith("?e=vision/imagenet&tab=charts")


def test_charts_show_a_panel_for_each_metric_and_pair_train_with_val(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    titles = page.locator(".section").first.locator(".panel").evaluate_all("all => all.map(p => p.dataset.title)")
    assert titles == ["acc", "loss", "auc", "f1", "grad_norm", "epoch", "lr"]
    assert page.locator('.panel[data-title="loss"] .pair').inner_text().split() == ["val", "train"]
    assert "not finite" in page.locator('.panel[data-title="loss"] .odd').inner_text()
    label = page.locator('.panel[data-title="loss"] canvas.top').get_attribute("aria-label")
    assert re.search(r"loss over step: 60 curves, last values .* not finite", label)


def test_the_table_has_the_params_that_vary_and_sorts(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector('[role="row"][aria-rowindex="2"]')
    heads = page.locator('[role="columnheader"]').all_inner_texts()
    assert "lr" in heads
    assert "data.root" not in heads
    page.get_by_role("columnheader", name="val/acc", exact=True).click()
    page.wait_for_function("() => document.querySelector('[aria-sort=descending]')?.textContent.includes('val/acc')")
    column = page.locator('[role="columnheader"]').all_inner_texts().index("val/acc ↓")
    values = [float(row.locator('[role="gridcell"]').nth(column).inner_text()) for row in page.locator('[role="row"].tr').all()]
    rows = sorted(zip([int(row.get_attribute("aria-rowindex")) for row in page.locator('[role="row"].tr').all()], values, strict=True))
    assert [value for _, value in rows] == sorted(values, reverse=True)
    assert "sort=-metrics.val/acc" in page.url or page.wait_for_url("**sort=-metrics.val/acc**") is None


@pytest.mark.parametrize("tab", ["charts", "table", "compare", "hyper", "run", "home"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_opens_in_both_themes(page, forty, tab, theme):
    page.emulate_media(color_scheme=theme)
    first, second = ids(forty, 2)
    page.goto(f"{forty.url}/{HERE}&tab={tab}&run={first}&pick={first},{second}")
    page.wait_for_selector({"charts": ".panel", "table": ".tr", "compare": ".compare table", "hyper": ".par", "run": ".run h1", "home": ".tree"}[tab])
    page.wait_for_timeout(600)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(247, 247, 245)", "dark": "rgb(16, 18, 22)"}[theme]


def test_a_run_page_tells_its_failure_first(page, forty):
    page.goto(f"{forty.url}/{HERE}&q=status = 'failed'")
    page.wait_for_selector(".list-item")
    page.locator(".list-item a").first.click()
    page.wait_for_selector(".failure")
    assert "Error" in page.locator(".failure").inner_text()
    assert page.locator(".run-head .st").inner_text() == "failed"
    assert page.locator(".kv.metrics tbody tr").count() == 20


def test_series_that_were_concluded_are_marked_at_their_chart_and_their_number(page, serve, tmp_path):
    store = SqliteBackend(tmp_path / "autotrack.db")
    writer = Teller(store)
    for run in ("told", "guessed"):
        writer.tell(started(run), logged(run, "train/loss", [3.0, 2.0, 1.0]), logged(run, "val/loss", [3.0, 2.0]), logged(run, "lr", [1.0, 0.5]))
    writer.tell(TagsSet("guessed", time.time(), {"autotrack.inferred": "validation, val/loss, epoch"}))
    store.close()
    server, mark = serve(tmp_path), '.panel[data-title="{}"] figcaption [title^="concluded"]'
    page.goto(f"{server.url}/?tab=charts")
    page.wait_for_selector(mark.format("loss"))
    assert page.locator(mark.format("loss")).get_attribute("title").endswith(": val/loss")
    assert page.locator(mark.format("lr")).count() == 0
    page.locator(".list-item", has=page.locator("a[href*='run=guessed']")).locator(".eye").click()
    page.wait_for_function(f"() => !document.querySelector('{mark.format('loss')}')")
    page.goto(f"{server.url}/?tab=run&run=guessed")
    page.wait_for_selector(mark.format("loss"))
    marked = page.locator(".kv.metrics tbody tr", has=page.get_by_text("inferred"))
    assert marked.locator("th").all_inner_texts() == ["val/loss"]
    page.goto(f"{server.url}/?tab=run&run=told")
    page.wait_for_selector(".kv.metrics")
    page.drawn()
    assert page.get_by_text("inferred").count() == 0


def test_parameters_are_a_tree_whose_branches_open_where_the_baseline_differs(page, serve, tmp_path):
    store = SqliteBackend(tmp_path / "autotrack.db")
    layers = {f"model.layer{i}.{name}": i for i in range(5) for name in ("width", "depth")}
    params = {"lr": 0.1, "only.one": 1, **layers, "opt.name": "sgd", "opt.lr": 0.1}
    writer = Teller(store)
    for run, more in (("base", {}), ("run", {"model.layer3.width": 64})):
        writer.tell(started(run), ParamsSet(run, time.time(), params | more))
    store.close()
    server = serve(tmp_path)
    shown = """all => all.filter(e => e.checkVisibility()).map(e => e.textContent.replace(/\\s+/g, ' ').trim())"""
    page.goto(f"{server.url}/?tab=run&run=base")
    page.wait_for_selector("summary:has-text('opt')")
    rows = page.locator(".tree-facts summary, .kv th")
    assert [row for row in rows.evaluate_all(shown) if row in ("lr", "only.one", "model 10", "opt 2", "name", "layer3 2", "width")] == [
        "lr", "only.one", "model 10", "opt 2", "lr", "name",
    ]  # fmt: skip
    page.locator("summary:has-text('model')").click()
    page.wait_for_selector("summary:has-text('layer3')")
    assert "layer3 2" in rows.evaluate_all(shown)
    page.goto(f"{server.url}/?tab=run&run=run&base=base")
    page.wait_for_selector("tr.differs")
    assert page.locator("tr.differs").evaluate_all(shown) == ["width64 baseline 3"]
    assert rows.evaluate_all(shown).count("width") == 5  # the whole branch is open


def test_compared_runs_that_lie_folded_in_the_list_have_colours_of_their_own(page, serve, tmp_path):
    store = SqliteBackend(tmp_path / "autotrack.db")
    for i in range(9):
        Teller(store, f"writer{i}").tell(started(f"r{i}", 1.0 + i, kind="sklearn", session="s", call_site="a.py:3"))
    store.close()
    page.goto(f"{serve(tmp_path).url}/?tab=compare&pick=r0,r8")
    page.wait_for_selector(".compare thead th")
    colours = page.locator(".compare thead .dot").evaluate_all("all => all.map(dot => dot.style.background)")
    assert len(set(colours)) == 2


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_stay_in_their_places(page, serve, tmp_path, width):
    store, long = SqliteBackend(tmp_path / "autotrack.db"), "a_name_without_a_space_" * 8
    writer = Teller(store)
    writer.tell(started("r", experiment=f"deep/{long}", name=long), logged("r", f"{long}/{long}", [1.0, 2.0]), ParamsSet("r", 1.0, {long: 1}))
    writer.tell(started("s", experiment=f"deep/{long}"), logged("s", "val/acc", [1.0, 2.0]), ParamsSet("s", 1.0, {long: 2}))
    store.close()
    page.set_viewport_size({"width": width, "height": 800})
    server = serve(tmp_path)
    for tab in ("home", "charts", "compare", "hyper", "run"):
        page.goto(f"{server.url}/?tab={tab}&pick=r,s&run=r")
        page.wait_for_selector({"home": ".tree", "charts": ".panel", "compare": ".compare table", "hyper": ".chip", "run": ".run h1"}[tab])
        page.wait_for_timeout(300)
        beyond = """all => all.filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'visible').map(e => e.className)"""
        assert page.locator("main, main section, .pane, .card, .chips, .run h1").evaluate_all(beyond) == [], tab
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab


def test_compare_shows_what_differs_against_a_baseline(page, forty):
    first, second = ids(forty, 2)
    page.goto(f"{forty.url}/{HERE}&tab=compare&pick={first},{second}")
    page.wait_for_selector(".compare table")
    text = page.locator(".compare table").inner_text()
    assert "learning" not in text
    assert "data.root" not in text
    assert "lr" in text
    page.get_by_role("button", name="as baseline").click()
    page.wait_for_url(f"**base={second}**")
    assert page.locator(".compare thead th.base a").inner_text() == page.locator(".compare thead th a").nth(1).inner_text()


def test_filter_zoom_tick_and_knobs_come_back_after_reload_and_by_the_back_button(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.fill("#q", "metrics.val/acc > 0.6")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.list header').innerText.includes('of 40')")
    page.drawn()
    page.locator(".list-item a").first.click(modifiers=["Control"])
    box = page.locator('.panel[data-title="acc"] canvas.top').bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**x0=**")
    page.drawn()
    page.keyboard.press("s")
    page.wait_for_url("**s=0.75**")
    state = """() => ({
        url: location.search,
        shown: document.querySelector('.list header').innerText,
        picked: [...document.querySelectorAll('.list-item.picked')].map(e => e.innerText),
        views: [...document.querySelectorAll('.plot')].filter(p => p.chart?.view).map(p => [p.chart.view.a, p.chart.view.b, p.chart.options.tau]),
    })"""
    page.wait_for_timeout(300)
    before = page.evaluate(state)
    assert before["picked"]
    page.reload()
    page.drawn()
    page.wait_for_timeout(300)
    assert page.evaluate(state) == before
    page.go_back()
    page.wait_for_function("() => !location.search.includes('x0=')")
    page.go_forward()
    page.wait_for_function("() => location.search.includes('x0=')")
    page.drawn()
    page.wait_for_timeout(300)
    assert page.evaluate(state)["views"] == before["views"]


def test_a_query_that_is_wrong_says_where_and_keeps_the_last_result(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.wait_for_selector(".list-item")
    page.fill("#q", "metrics.val/acc >")
    page.wait_for_selector(".query [role=alert], .query [role=listbox]")
    page.keyboard.press("Escape")
    page.wait_for_selector(".query [role=alert]")
    assert "40" in page.locator(".list header").inner_text()
    page.fill("#q", "metrics.val/acc > 0.999")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=No run fits")
    page.get_by_role("button", name="Clear the filter: 40 runs").click()
    page.wait_for_selector(".list-item")


def test_a_mistake_before_what_is_typed_is_said_while_typing(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.wait_for_selector(".list-item")
    page.focus("#q")
    page.keyboard.type("metrics.val/acc >> 0.5 and par")
    page.wait_for_selector(".query [role=alert]:has-text(\"found '>'\")")
    page.fill("#q", "metrics.val/acc > 0.5 and par")
    page.wait_for_selector(".query [role=listbox]")


def test_a_run_whose_process_vanished_says_what_lost_means_and_silence_is_no_switch(page, serve, tmp_path):
    store = SqliteBackend(tmp_path / "autotrack.db")
    Teller(store).tell(started("gone"), RunEnded("gone", 2.0, "lost"))
    store.close()
    page.goto(f"{serve(tmp_path).url}/?tab=run&run=gone")
    page.wait_for_selector(".run-head >> text=its process ended without a word")
    page.wait_for_selector("text=It printed nothing, or what it prints is not kept.")


def test_help_takes_the_keyboard_and_gives_it_back(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    button = page.locator("[aria-label='Keys'], [title*='keys']").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=dialog]")
    page.wait_for_function("() => document.activeElement.closest('[role=dialog]')")
    page.keyboard.press("Escape")
    page.wait_for_selector("[role=dialog]", state="detached")
    page.wait_for_function("e => e === document.activeElement", arg=button.element_handle())


def test_tab_completes_a_name(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.wait_for_selector(".list-item")
    page.locator("#q").focus()
    page.keyboard.type("val/ac")
    page.wait_for_selector(".query [role=option]:has-text('metrics.val/acc')")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('#q').value.startsWith('metrics.val/acc')")


def test_keys_lead_everywhere_and_the_help_lists_them(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.keyboard.press("?")
    page.wait_for_selector(".help")
    page.keyboard.press("Escape")
    page.wait_for_selector(".help", state="detached")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_selector(".compare table")
    page.keyboard.press("2")
    page.wait_for_selector(".table")
    page.keyboard.press("t")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    page.keyboard.press("/")
    page.wait_for_function("() => document.activeElement.id === 'q'")
    page.keyboard.type("j")
    assert page.input_value("#q") == "j"


def test_no_number_of_the_table_is_cut_off(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table&cols=params.lr,metrics.val/acc")
    page.wait_for_selector(".tr .cell.num")
    page.wait_for_function("() => [...document.querySelectorAll('.tr .cell.num')].some(c => c.title.length > 12)")
    cut = "() => [...document.querySelectorAll('.tr .cell.num')].filter(c => c.scrollWidth > c.clientWidth).map(c => c.innerText)"
    assert page.evaluate(cut) == []


def test_a_phone_has_one_column_and_the_list_behind_a_button(page, forty):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.locator(".list").is_visible()
    page.get_by_role("button", name="runs").click()
    page.locator(".list-item a").first.click()
    page.wait_for_selector(".run h1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_run_alone_is_alone_also_where_more_runs_are_listed_than_drawn(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet&draw=10")
    page.drawn()
    drawn = "() => [...new Set(document.querySelector('.plot').curves.have.map(s => s.run))]"
    page.locator(".list-item").nth(2).hover()
    page.keyboard.press("i")
    page.wait_for_function(f"() => ({drawn})().length === 1")
    assert page.locator(".list-item:not(.off)").count() == 1
    page.locator(".list-item .eye").nth(4).click()  # one more beside it
    page.wait_for_function(f"() => ({drawn})().length === 2")
    page.locator(".list-item").nth(2).hover()
    page.keyboard.press("i")
    page.wait_for_function(f"() => ({drawn})().length === 1")
    page.keyboard.press("i")
    page.wait_for_function(f"() => ({drawn})().length === 10")


def test_the_search_box_says_what_is_searched_after_going_back(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet")
    page.drawn()
    for query in ("params.lr > 0.001", "params.lr > 0.01"):
        page.fill("#q", query)
        page.keyboard.press("Enter")
        page.wait_for_selector(".list header >> text=of 40")
    page.go_back()
    page.wait_for_function("() => document.getElementById('q').value === 'params.lr > 0.001'")
    page.go_back()
    page.wait_for_function("() => document.getElementById('q').value === ''")


def test_the_run_that_keys_walk_to_stays_in_sight(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet")
    page.drawn()
    page.mouse.move(900, 5)
    for _ in range(38):
        page.keyboard.press("j")
    page.wait_for_selector(".list-item.hot")
    box = page.locator(".list-item.hot").bounding_box()
    assert 80 < box["y"] < 830


def test_the_head_of_a_column_of_numbers_stands_over_them(page, forty):
    held = []
    page.route("**/api/columns", lambda route: held.append(route))  # an answer that comes when the heads are drawn
    page.goto(f"{forty.url}/?e=vision/imagenet&tab=table&cols=name,params.lr,params.model")
    page.wait_for_selector(".th >> text=lr")
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    page.wait_for_selector(".tr .cell.num")
    page.wait_for_selector(".th.num >> text=lr")
    assert page.locator(".th.num >> text=model").count() == 0


def test_a_tap_shows_values_until_one_taps_elsewhere(chromium, forty):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{forty.url}/?e=vision/imagenet")
    page.wait_for_function("() => document.querySelectorAll('.plot')[1]?.curves?.have.length && document.querySelectorAll('.plot')[0].chart.view")

    def tap(n):
        box = page.locator(".plot canvas.top").nth(n).bounding_box()
        page.touchscreen.tap(box["x"] + 150, box["y"] + 60)

    tap(0)
    page.wait_for_selector(".tip:not([hidden])")
    page.wait_for_timeout(300)
    assert "step" in page.locator(".tip:not([hidden])").inner_text()
    tap(1)
    page.wait_for_timeout(300)
    assert page.locator(".tip:not([hidden])").count() == 1
    page.touchscreen.tap(300, 20)
    page.wait_for_selector(".tip:not([hidden])", state="detached")
    assert "run=" not in page.url
    context.close()


def test_a_search_that_cannot_be_asked_says_why(page, forty):
    page.allowed += ("Failed to load resource",)
    page.goto(f"{forty.url}/?e=vision/imagenet")
    page.drawn()
    for path in ("search", "complete"):
        page.route(f"**/api/{path}**", lambda route: route.abort())
    page.fill("#q", "params.lr > 0.01")
    page.wait_for_selector(".pop.bad >> text=the server does not answer")
    page.unroute_all()
    page.fill("#q", "params.lr > 0.02")
    page.wait_for_selector(".list header >> text=of 40")
