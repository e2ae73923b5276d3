"""What one does on the page: rename, tag, note, delete and undo, choose columns, save views, take charts and tables away."""

import json
import math
import urllib.request
from pathlib import Path

import pytest

from autotrack.records import ParamsSet, SummarySet

HERE = "?e=vision/imagenet"


@pytest.fixture
def own(serve, tmp_path):
    import importlib.util

    spec = importlib.util.spec_from_file_location("page_store", Path(__file__).parents[2] / "benchmarks" / "page_store.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path / "own", 12, 30)
    return serve(tmp_path / "own")


def stored(server, path):
    return json.load(urllib.request.urlopen(f"{server.url}/api/{path}"))


def renaming(page, server, text):
    """The table's first row, and the name that it had, while another one is typed there."""
    page.goto(f"{server.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    first = page.locator('[aria-rowindex="2"]')
    before = first.locator(".name a").inner_text()
    first.hover()
    first.locator(".pen").first.click()
    page.keyboard.type(text)
    return first, before


def test_a_name_is_edited_in_its_cell_and_taken_back_from_the_toast(page, own):
    first, before = renaming(page, own, "a better name")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=renamed")
    assert first.locator(".name a").inner_text() == "a better name"
    assert "a better name" in stored(own, "runs?experiment=vision/imagenet")["runs"]["name"]
    page.locator(".toast button").click()
    page.wait_for_selector(".toast >> text=undone")
    assert before in stored(own, "runs?experiment=vision/imagenet")["runs"]["name"]


def test_ticked_runs_are_tagged_and_deleted_together_and_come_back(page, own):
    page.goto(f"{own.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    for row in (2, 3):
        page.locator(f'[aria-rowindex="{row}"] input[type=checkbox]').check()
    page.get_by_role("button", name="tag", exact=True).click()
    page.fill('input[name="key"]', "keep")
    page.fill('input[name="value"]', "yes")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=keep set on 2 runs")
    assert len(stored(own, "search?experiment=vision/imagenet&q=tags.keep%20=%20%27yes%27")["rows"]) == 2
    page.get_by_role("button", name="delete", exact=True).click()
    page.get_by_role("button", name="delete 2 runs?").click()
    page.wait_for_selector(".toast >> text=2 runs deleted")
    page.wait_for_selector(".table-tools >> text=10 runs")
    assert len(stored(own, "runs?experiment=vision/imagenet")["runs"]["id"]) == 10
    page.locator(".toast button").click()
    page.wait_for_selector(".table-tools >> text=12 runs")
    assert len(stored(own, "runs?experiment=vision/imagenet")["runs"]["id"]) == 12


def test_notes_are_kept_when_one_leaves_them(page, own):
    run = stored(own, "runs?experiment=vision/imagenet")["runs"]["id"][0]
    page.goto(f"{own.url}/{HERE}&tab=run&run={run}")
    page.fill(".notes", "worth another look")
    page.locator(".run-head").click()
    page.wait_for_selector(".toast >> text=notes kept")
    assert stored(own, f"run/{run}")["notes"] == "worth another look"


def test_columns_are_chosen_and_a_new_visit_has_them(page, own):
    page.goto(f"{own.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    page.get_by_role("button", name="columns", exact=True).click()
    page.fill('.sheetlet input[name="find"]', "val/loss")
    page.locator(".sheetlet label", has_text="val/loss").filter(has_text="min").first.click()
    page.wait_for_selector('[role=columnheader] >> text="min"')
    page.wait_for_url("**@min**")
    assert "@min" in page.url
    page.goto(f"{own.url}/{HERE}&tab=table")
    page.wait_for_selector('[role=columnheader] >> text="min"')


def test_a_view_is_saved_and_opened_by_its_name(page, own):
    page.goto(f"{own.url}/{HERE}&s=0.75&draw=10")
    page.drawn()
    page.get_by_role("button", name="Saved views").click()
    page.fill('.sheetlet input[name="name"]', "smooth ten")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sheetlet >> text=smooth ten")
    page.goto(f"{own.url}/{HERE}")
    page.drawn()
    page.get_by_role("button", name="Saved views").click()
    page.locator(".sheetlet a", has_text="smooth ten").click()
    page.wait_for_url("**draw=10**")
    assert "s=0.75" in page.url


@pytest.mark.parametrize(("action", "ending", "holds"), [("save SVG", ".svg", "<svg"), ("save CSV", ".csv", "run,key,step,value,min,max")])
def test_a_chart_is_taken_away(page, own, action, ending, holds):
    page.goto(f"{own.url}/{HERE}")
    page.drawn()
    panel = page.locator('.panel[data-title="loss"]')
    panel.locator("[data-menu]").click()
    with page.expect_download() as download:
        panel.get_by_role("button", name=action).click()
    assert download.value.suggested_filename == "loss" + ending
    text = Path(download.value.path()).read_text()
    assert holds in text
    if ending == ".csv":
        assert len(text.splitlines()) == 1 + 12 * 2 * 30


def test_what_a_chart_says_in_python_runs(page, own, tmp_path):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{own.url}/{HERE}&draw=10")
    page.drawn()
    panel = page.locator('.panel[data-title="loss"]')
    panel.locator("[data-menu]").click()
    panel.get_by_role("button", name="copy Python").click()
    page.wait_for_selector(".toast >> text=Python copied")
    code = page.evaluate("() => navigator.clipboard.readText()")
    compile(code, "chart", "exec")
    assert "run.history(key)" in code
    assert code.count('"') > 20


def test_what_few_runs_have_is_no_axis_and_names_of_axes_are_whole_on_a_phone(page, serve, tmp_path):
    from autotrack.backends.sqlite import SqliteBackend
    from autotrack.testing.backend_contract import Teller
    from autotrack.testing.searches import started

    store = SqliteBackend(tmp_path / "autotrack.db")
    writer = Teller(store)
    for i in range(8):
        params = {"rate_of_learning": i, "size_of_the_batch": i % 3, "optimizer_name": "ab"[i % 2], "weight_decay": math.nan if i else None}
        params |= {"alone": 1} if i == 3 else {}
        writer.tell(started(f"r{i}"), ParamsSet(f"r{i}", 1.0, params), SummarySet(f"r{i}", 1.0, {"val/acc": i / 10}))
    store.close()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{serve(tmp_path).url}/?tab=hyper")
    page.wait_for_function("() => document.querySelector('.par')?.parallel?.dims?.length === 5")
    words = page.evaluate("() => document.querySelector('.par').parallel.dims.map(d => [d.title, d.marks.map(m => m.text)])")
    assert [title for title, _ in words] == ["optimizer_name", "rate_of_learning", "size_of_the_batch", "weight_decay", "val/acc"]
    assert words[3][1] == ["NaN", "None"]
    written = """() => { const texts = [], { parallel } = document.querySelector('.par'), g = parallel.top.getContext('2d'), fill = g.fillText;
        g.fillText = (text, ...rest) => { texts.push(text); fill.call(g, text, ...rest); };
        parallel.marks();
        delete g.fillText;
        return texts; }"""
    assert {title for title, _ in words} <= set(page.evaluate(written))


def test_a_brush_on_an_axis_becomes_a_filter(page, own):
    page.goto(f"{own.url}/{HERE}&tab=hyper")
    page.wait_for_function("() => document.querySelector('.par')?.parallel?.kept?.length === 12")
    x, top, low = page.evaluate("""() => {
        const p = document.querySelector('.par').parallel, r = p.top.getBoundingClientRect(), j = p.dims.findIndex(d => d.title === 'lr');
        return [r.left + p.xs[j], r.top + p.y(1.02), r.top + p.y(0.5)]; }""")
    page.mouse.move(x, top)
    page.mouse.down()
    page.mouse.move(x, low, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="filter to these").click()
    page.wait_for_url("**q=params.lr+between**")
    kept = page.locator(".coordinates h2").inner_text()
    assert 0 < int(kept.split()[0]) < 12
    assert page.locator(".query [role=alert]").count() == 0


def test_a_brush_that_keeps_no_run_makes_no_filter(page, own):
    page.goto(f"{own.url}/{HERE}&tab=hyper&axes=params.optimizer,params.lr,metrics.val/acc")
    page.wait_for_function("() => document.querySelector('.par')?.parallel?.dims?.length === 3")
    page.evaluate("() => { const p = document.querySelector('.par').parallel; p.brush.set('params.lr', [0.5, 1.02]); p.draw(); }")
    filtering = page.get_by_role("button", name="filter to these")
    filtering.wait_for()
    page.evaluate("() => { const p = document.querySelector('.par').parallel; p.brush.set('params.optimizer', [0.11, 0.12]); p.draw(); }")
    filtering.wait_for(state="detached")
    assert page.locator(".coordinates h2").inner_text().startswith("0 of 12 kept")
    page.get_by_role("button", name="all", exact=True).click()
    page.wait_for_function("() => document.querySelector('.par').parallel.kept.length === 12")


def test_the_bar_of_a_number_does_not_stay_where_nan_takes_its_place(page, serve, tmp_path):
    from autotrack.backends.sqlite import SqliteBackend
    from autotrack.testing.backend_contract import Teller
    from autotrack.testing.searches import started

    store = SqliteBackend(tmp_path / "autotrack.db")
    writer = Teller(store)
    for name, value in (("a", math.nan), ("b", 0.1), ("c", 0.9)):
        writer.tell(started(name, name=name), SummarySet(name, 1.0, {"val/acc": value}))
    store.close()
    page.goto(f"{serve(tmp_path).url}/?tab=table&cols=name,metrics.val/acc&sort=-name")
    texts = "want => [...document.querySelectorAll('.gauge')].map(e => e.innerText.trim()).join() === want"
    sizes = "() => [...document.querySelectorAll('.gauge')].map(e => getComputedStyle(e).backgroundSize)"
    page.wait_for_function(texts, arg="0.9000,0.1000,NaN")
    assert page.evaluate(sizes) == ["100% 100%", "0% 100%", "0px 100%"]
    page.get_by_role("columnheader", name="name").click()
    page.wait_for_function(texts, arg="NaN,0.1000,0.9000")
    assert page.evaluate(sizes) == ["0px 100%", "0% 100%", "100% 100%"]


def test_long_marks_of_the_first_axis_are_not_cut_by_the_edge(page, serve, tmp_path):
    from autotrack.backends.sqlite import SqliteBackend
    from autotrack.testing.backend_contract import Teller
    from autotrack.testing.searches import started

    store = SqliteBackend(tmp_path / "autotrack.db")
    writer = Teller(store)
    for i, word in enumerate(("a_short_word", "a longer one of these words", "the longest of them " * 500)):
        writer.tell(started(f"r{i}"), ParamsSet(f"r{i}", 1.0, {"words": word, "lr": i}), SummarySet(f"r{i}", 1.0, {"val/acc": i / 10}))
    store.close()
    page.goto(f"{serve(tmp_path).url}/?tab=hyper&axes=params.words,params.lr,metrics.val/acc")
    page.wait_for_function("() => document.querySelector('.par')?.parallel?.dims?.length === 3")
    marks = page.evaluate("""() => {
        const told = [], { parallel } = document.querySelector('.par'), g = parallel.top.getContext('2d'), fill = g.fillText;
        g.fillText = (text, x, y) => { if (g.textAlign === 'right') told.push([text, x - g.measureText(text).width]); fill.call(g, text, x, y); };
        parallel.marks();
        delete g.fillText;
        return told; }""")
    assert [text for text, _ in marks[:2]] == ["a longer one of these words", "a_short_word"]
    assert all(left >= 0 for _, left in marks), marks


def test_escape_leaves_a_name_and_a_tag_as_they_were(page, own):
    first, before = renaming(page, own, "typed and left")
    page.keyboard.press("Escape")
    page.wait_for_selector("input.edit", state="detached")
    assert first.locator(".name a").inner_text() == before
    first.locator(".name a").click()
    page.get_by_role("button", name="+ tag (key=value)").click()
    page.keyboard.type("left=alone")
    page.keyboard.press("Escape")
    page.wait_for_selector("input.edit", state="detached")
    page.get_by_role("button", name="+ tag (key=value)").click()
    page.keyboard.type("kept=yes")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=kept set on 1 run")
    run = stored(own, "runs?experiment=vision/imagenet")["runs"]["id"][0]
    told = stored(own, f"run/{run}")
    assert (told["name"], told["tags"].get("kept"), told["tags"].get("left")) == (before, "yes", None)


def test_a_text_in_the_making_stays_in_its_cell_when_a_run_arrives(page, own):
    from autotrack.backends.opening import open_backend
    from autotrack.records import Batch, RunStarted

    before = stored(own, "runs?experiment=vision/imagenet")["runs"]["name"]
    renaming(page, own, "half of a n")
    backend = open_backend(f"sqlite:///{own.folder / 'autotrack.db'}")
    backend.write(Batch("newcomer", 1, (RunStarted("f" * 24, 4e9, "vision/imagenet", "newcomer", kind="test"),)))
    backend.close()
    page.wait_for_selector(".table-tools >> text=13 runs")
    assert page.locator("input.edit").input_value() == "half of a n"
    page.keyboard.type("ame")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=renamed")
    assert page.locator('[aria-rowindex="2"] .name a').inner_text() == "newcomer"
    page.wait_for_selector('[aria-rowindex="3"] >> text=half of a name')
    assert stored(own, "runs?experiment=vision/imagenet")["runs"]["name"] == ["newcomer", "half of a name", *before[1:]]


def test_escape_shuts_a_charts_menu_that_a_key_opened_and_leaves_the_zoom(page, own):
    page.goto(f"{own.url}/{HERE}&x0=50&x1=150")
    page.drawn()
    page.locator(".panel").first.hover()
    page.keyboard.press("e")
    page.wait_for_selector(".sheetlet")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheetlet", state="detached")
    assert "x0=50" in page.url
    page.locator(".panel [data-menu]").first.click()
    page.wait_for_selector(".sheetlet")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheetlet", state="detached")
    assert "x0=50" in page.url


def test_a_run_deleted_elsewhere_says_so_on_its_page(page, own):
    from autotrack.backends.opening import open_backend

    run = stored(own, "runs?experiment=vision/imagenet")["runs"]["id"][0]
    page.goto(f"{own.url}/{HERE}&tab=run&run={run}")
    page.wait_for_selector("h1 >> text=finished")
    backend = open_backend(f"sqlite:///{own.folder / 'autotrack.db'}")
    backend.delete([run])
    page.wait_for_selector(".run-head >> text=deleted; autotrack rm --undo")
    backend.delete([run], undo=True)
    backend.close()
    page.wait_for_selector(".run-head >> text=deleted; autotrack rm --undo", state="detached")


def test_a_tag_that_cannot_be_set_says_so(page, own):
    page.allowed += ("Failed to load resource",)
    run = stored(own, "runs?experiment=vision/imagenet")["runs"]["id"][0]
    page.goto(f"{own.url}/{HERE}&tab=run&run={run}")
    page.wait_for_selector("h1 >> text=finished")
    page.route("**/api/columns", lambda route: route.abort())
    page.get_by_role("button", name="+ tag (key=value)").click()
    page.keyboard.type("brand-new=1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=not changed")
    page.unroute("**/api/columns")
    page.get_by_role("button", name="+ tag (key=value)").click()
    page.keyboard.type("n" * 600 + "=1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=/not changed: .*[0-9]/")
    assert stored(own, f"run/{run}")["tags"].keys() == {"team"}


def test_ticked_runs_are_hidden_together_also_where_few_are_shown_alone(page, own):
    ids = stored(own, "runs?experiment=vision/imagenet")["runs"]["id"]
    page.goto(f"{own.url}/{HERE}&tab=table&pick={ids[0]},{ids[1]}")
    page.get_by_role("button", name="hide", exact=True).click()
    page.get_by_role("button", name="show 2 hidden").click()
    page.wait_for_url(lambda url: "hide=" not in url)
    page.goto(f"{own.url}/{HERE}&tab=table&pick={ids[0]}&hide=!,{ids[0]},{ids[1]}")
    page.get_by_role("button", name="hide", exact=True).click()
    page.wait_for_url(lambda url: url.endswith(f"hide=%21,{ids[1]}") or f"hide=%21,{ids[1]}&" in url)
