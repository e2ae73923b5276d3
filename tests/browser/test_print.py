"""On paper: every chart and every row, in light colours, also what was never on the screen."""

HERE = "?e=vision/imagenet"
UNDRAWN = "() => [...document.querySelectorAll('.near')].filter(n => !n.querySelector('.plot')?.curves?.have.length).length"

BLANK = """() => [...document.querySelectorAll('canvas.low')]
  .filter(c => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)).length"""


def press_print(page):
    """Press Ctrl+P; the page is left as it is while the browser makes the pages."""
    page.evaluate("() => { globalThis.print = () => { globalThis.paper = true; dispatchEvent(new Event('beforeprint')); }; }")
    page.keyboard.press("Control+p")
    page.wait_for_function("() => globalThis.paper", timeout=15_000)


def after(page):
    page.evaluate("() => { dispatchEvent(new Event('afterprint')); }")


def test_charts_that_were_never_on_the_screen_are_drawn(page, forty):
    page.set_viewport_size({"width": 700, "height": 400})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{forty.url}/{HERE}&shut=optim,speed,data,layers")
    page.drawn()
    assert page.evaluate(UNDRAWN)
    press_print(page)
    assert page.evaluate(UNDRAWN) == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(BLANK) == 0
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator(".list").is_visible()
    after(page)
    page.emulate_media(media="screen")
    page.wait_for_function("() => [...document.querySelectorAll('.near')].some(n => !n.firstElementChild)")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_rows_of_the_table_are_all_there(page, forty):
    page.set_viewport_size({"width": 900, "height": 400})
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    assert page.locator(".tr").count() < 40
    press_print(page)
    page.emulate_media(media="print")
    tops = page.locator(".tr").evaluate_all("all => all.map(row => row.getBoundingClientRect().top)")
    assert len(tops) == 40
    assert tops == sorted(set(tops))
    after(page)
    page.emulate_media(media="screen")
    page.wait_for_function("() => document.querySelectorAll('.tr').length < 40")


def test_from_the_menu_what_was_not_loaded_says_so(page, forty):
    page.set_viewport_size({"width": 700, "height": 400})
    page.goto(f"{forty.url}/{HERE}&shut=optim,speed,data,layers")
    page.drawn()
    page.evaluate("() => import('./printing.js')")
    page.emulate_media(media="print")
    assert "Ctrl+P" in page.locator(".near:empty").last.evaluate("n => getComputedStyle(n, '::before').content")


def test_from_the_menu_a_chart_whose_points_did_not_come_yet_says_so_too(page, forty):
    page.route("**/api/series", lambda route: None)  # never answered
    page.goto(f"{forty.url}/{HERE}")
    page.wait_for_selector(".plot canvas.low")
    page.emulate_media(media="print")
    assert "Ctrl+P" in page.locator(".plot").first.evaluate("n => getComputedStyle(n, '::before').content")


def test_one_legend_names_the_lines_that_are_drawn_and_goes_after_printing(page, forty):
    page.goto(f"{forty.url}/{HERE}&draw=10")
    page.drawn()
    told = "all => all.map(e => [e.querySelector('a').textContent, getComputedStyle(e.querySelector('i')).backgroundColor])"
    drawn = page.locator(".list-item:not(.off)").evaluate_all(told)
    press_print(page)
    page.emulate_media(media="print")
    lines = page.locator(".legend").evaluate_all("all => all.map(e => [e.textContent.trim(), getComputedStyle(e.querySelector('path')).stroke])")
    assert len(lines) == 10
    assert sorted(lines) == sorted(drawn)
    assert page.locator(".legend").first.is_visible()
    after(page)
    page.wait_for_selector(".legend", state="detached")


def test_no_empty_layer_lies_over_the_curves_on_paper(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    press_print(page)
    page.emulate_media(media="print")  # what is cleared while a browser prints comes out white, and hides what lies below
    assert page.locator(".plot canvas.low").first.is_visible()
    assert not page.locator(".plot canvas.top").first.is_visible()
    after(page)


def test_the_chart_of_one_run_needs_no_legend(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.locator(".list-item a").first.click()
    page.wait_for_selector(".run .plot")
    page.drawn()
    press_print(page)
    assert page.locator(".legend").count() == 0
    after(page)


def test_parallel_coordinates_keep_their_lines_on_paper_and_their_layers_after(page, forty):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{forty.url}/{HERE}&tab=hyper")
    page.wait_for_function("() => document.querySelector('.par')?.parallel?.kept?.length")
    press_print(page)
    coloured = """() => { const c = document.querySelector('.par .low'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const grey = i => Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) < 40;
        let n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200 && !grey(i)) n++;
        return n; }"""
    layers = ".par .mid, .par .top"
    assert page.evaluate(coloured) > 500
    assert page.locator(layers).evaluate_all("all => all.map(c => c.checkVisibility())") == [False, False]
    after(page)
    assert page.locator(layers).evaluate_all("all => all.map(c => c.checkVisibility())") == [True, True]
    assert page.evaluate(coloured) == 0
