"""Every view, in both themes and on a phone, by axe-core's rules of WCAG 2.2, levels A and AA."""

import json
import urllib.request
from pathlib import Path

import pytest

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
HERE = "?e=vision/imagenet"
FOUND = """async () => (await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })).violations
  .flatMap(v => v.nodes.map(n => [v.id, v.impact, n.target.join(' '), n.failureSummary.replaceAll('\\n', ' '), n.html.slice(0, 160)]))"""
VIEWS = {
    "home": (".tree", ""),
    "charts": (".panel", ""),
    "coloured": (".rampkey", "&color=params.lr"),
    "table": (".tr", ""),
    "grouped": (".tr.group", "&group=params.model"),
    "compare": (".compare table", ""),
    "hyper": (".par", ""),
    "run": (".run h1", ""),
    "none": (".empty", "&q=metrics.val/acc > 9"),
}
TABS = {"coloured": "charts", "grouped": "table", "none": "charts"}


@pytest.fixture
def check(page):
    """Asserts that axe-core has nothing to say of what is on the page."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here: make node_modules (needs npm)")

    def checked():
        page.evaluate(AXE.read_text())
        found = page.evaluate(FOUND)
        assert found == [], json.dumps(found, indent=1)

    return checked


def chosen(server, status=""):
    """Ids of runs: with a status, or all."""
    runs = json.load(urllib.request.urlopen(f"{server.url}/api/runs?experiment=vision/imagenet"))["runs"]
    words, codes = runs["status"]["words"], runs["status"]["codes"]
    return [one for one, code in zip(runs["id"], codes, strict=True) if status in ("", words[code])]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view(page, forty, check, view, theme, width):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 844})
    (failed, *_), (first, second, *_) = chosen(forty, "failed"), chosen(forty)
    selector, more = VIEWS[view]
    page.goto(f"{forty.url}/{HERE}&tab={TABS.get(view, view)}&run={failed}&pick={first},{second}{more}")
    page.wait_for_selector(selector)
    page.wait_for_timeout(500)
    check()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_opens(page, forty, check, theme):
    page.emulate_media(color_scheme=theme)
    page.goto(f"{forty.url}/{HERE}")
    page.drawn()
    page.keyboard.press("?")
    page.wait_for_selector(".help")
    check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Saved views").click()
    page.wait_for_selector(".sheetlet")
    check()
    page.keyboard.press("Escape")
    page.fill("#q", "val/ac")
    page.wait_for_selector(".query [role=option]")
    check()
    page.fill("#q", "metrics.val/acc >")
    page.keyboard.press("Enter")
    page.wait_for_selector(".query [role=alert]")
    check()
    page.fill("#q", "")
    panel = page.locator('.panel[data-title="loss"]')
    panel.locator("[data-menu]").click()
    page.wait_for_selector(".panel .sheetlet")
    check()
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr")
    page.get_by_role("button", name="columns", exact=True).click()
    page.wait_for_selector(".sheetlet")
    check()


def test_tab_leads_through_the_query_box_to_the_names_and_changes_no_filter(page, forty):
    page.goto(f"{forty.url}/{HERE}&tab=table")
    page.wait_for_selector(".tr a")
    page.focus("#q")
    page.wait_for_selector(".query [role=option]")
    name = "() => document.activeElement.closest('.tr .name') !== null"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(name):
            break
    assert page.evaluate(name)
    assert page.input_value("#q") == ""
    page.keyboard.press("Enter")
    page.wait_for_selector(".run h1")


def test_a_taken_completion_is_followed_by_the_next_place_and_not_by_the_next_offer(page, forty):
    page.goto(f"{forty.url}/{HERE}")
    page.wait_for_selector(".list-item")
    page.focus("#q")
    page.keyboard.type("val/ac")
    page.wait_for_selector(".query [role=option]:has-text('metrics.val/acc')")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('#q').value === 'metrics.val/acc '")
    page.wait_for_selector(".query [role=option]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.wait_for_function("() => /^metrics.val.acc \\S+ $/.test(document.querySelector('#q').value)")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.activeElement.id !== 'q'")
