"""Ten tabs at once, print, the keyboard inside charts and tables, and what a screen reader is told."""

HERE = "?e=vision/imagenet"


def test_eight_tabs_all_load_when_only_one_is_shown(chromium, forty):
    context = chromium.new_context()
    pages = []
    for _ in range(8):
        page = context.new_page()
        page.add_init_script("Object.defineProperty(document, 'hidden', { value: window.__hidden ?? false, configurable: true, writable: true });")
        page.goto(f"{forty.url}/{HERE}")
        page.wait_for_selector(".list-item", timeout=15_000)
        pages.append(page)
        # Left behind, as a browser does it with a tab that another one covers.
        page.evaluate("() => { document.hidden = true; document.dispatchEvent(new Event('visibilitychange')); }")
    pages[0].evaluate("() => { document.hidden = false; document.dispatchEvent(new Event('visibilitychange')); }")
    pages[0].wait_for_selector(".lamp.ok", timeout=10_000)
    context.close()


def test_print_has_the_charts_and_no_controls(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator(".list").is_visible()
    assert page.locator(".panel").first.is_visible()


def test_arrows_walk_along_a_curve_and_say_its_value(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.locator('.panel[data-title="acc"] canvas.top').focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".tip:visible")
    assert page.locator(".tip:visible b").inner_text().startswith("step ")


def test_the_table_is_a_grid_that_the_keyboard_walks(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    grid = page.locator('[role="grid"]')
    assert grid.get_attribute("aria-rowcount") == "41"
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.wait_for_selector('[aria-rowindex="2"][aria-selected="true"]')
    page.keyboard.press("End")
    page.wait_for_selector('[aria-rowindex="41"].active')
    page.keyboard.press("Enter")
    page.wait_for_selector(".run h1")


def test_grouped_lines_stand_under_their_heads(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table&sort=-metrics.val/acc&group=params.optimizer")
    page.wait_for_selector(".tr.group")
    heads = page.locator(".tr.group button")
    before = int(page.locator('[role="grid"]').get_attribute("aria-rowcount"))
    assert before > 41
    heads.first.click()
    page.wait_for_function("n => +document.querySelector('[role=grid]').getAttribute('aria-rowcount') < n", arg=before)


def test_every_control_has_a_name_and_every_picture_an_alternative(page, forty):
    unnamed = """() => [...document.querySelectorAll('button, a, input, select, textarea, [role=img], img')].filter(el => el.offsetParent !== null)
        .filter(el => !(el.textContent.trim() || el.ariaLabel || el.title || el.labels?.length || el.hasAttribute('alt') || el.placeholder))
        .map(el => el.outerHTML.slice(0, 120))"""
    for tab in ("charts", "table", "hyper", "home"):
        page.goto(f"{forty.url}/{HERE}&tab={tab}")
        page.wait_for_timeout(1200)
        assert page.evaluate(unnamed) == [], tab


def test_nothing_is_smaller_than_a_fingertip(page, forty):
    small = """() => [...document.querySelectorAll('button, select, input[type=range]')].filter(el => el.offsetParent !== null)
        .map(el => [el.outerHTML.slice(0, 90), el.getBoundingClientRect()]).filter(([, r]) => r.height < 23.5 || r.width < 19.5)
        .map(([text, r]) => `${text} ${r.width}x${r.height}`)"""
    for tab in ("charts", "table", "hyper"):
        page.goto(f"{forty.url}/{HERE}&tab={tab}")
        page.wait_for_timeout(1200)
        assert page.evaluate(small) == [], tab
