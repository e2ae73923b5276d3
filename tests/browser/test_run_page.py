"""The page of one run, of real programs: what they printed in its colours, long values, names that are none, tables without a row."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ran(serve, tmp_path):
    """Runs a program; gives a server on its store, and what it printed last."""

    def run(program):
        env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK")} | {"PYTHONPATH": str(ROOT / "src")}
        env["AUTOTRACK_URI"] = f"sqlite:///{tmp_path / 'autotrack.db'}"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return serve(tmp_path), done.stdout.split()[-1]

    return run


COLOURS = """
import autotrack
with autotrack.start_run("colours") as run:
    print("\\x1b[31mred\\x1b[0m \\x1b[1;97;41mFAILED\\x1b[0m \\x1b[7minverse\\x1b[0m \\x1b[38;2;255;255;0myellow\\x1b[0m <b>text</b>")
autotrack.flush()
print(run.id)
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_console_draws_grounds_and_exact_colours_so_that_they_can_be_read(page, ran, theme):
    server, run = ran(COLOURS)
    page.emulate_media(color_scheme=theme)
    page.goto(f"{server.url}/?tab=run&run={run}")
    page.wait_for_selector(".console >> text=<b>text</b>")
    seen = page.locator(".console span").evaluate_all(
        "all => Object.fromEntries(all.map(s => [s.textContent.trim(), [getComputedStyle(s).color, getComputedStyle(s).backgroundColor]]))"
    )
    clear, ink, ground = "rgba(0, 0, 0, 0)", "rgb(27, 28, 30)", "rgb(247, 247, 245)"
    if theme == "dark":
        ink, ground = "rgb(232, 233, 236)", "rgb(16, 18, 22)"
    assert seen["FAILED"] == ["rgb(255, 255, 255)", "rgb(205, 49, 49)"]
    assert seen["inverse"] == [ground, ink]
    assert seen["yellow"] == ["rgb(255, 255, 0)" if theme == "dark" else "rgb(102, 102, 0)", clear]
    assert seen["red"][1] == clear
    assert len({color for color, _ in seen.values()}) >= 4


ODD = """
import autotrack
nan = float("nan")
with autotrack.start_run("  ", params={"prompt": "word " * 1500, "short": "word"}) as run:
    run.log_table("empty", [])
    run.log_table("odd", {"a": [1.5, nan, 3.0, None, 2.0]})
    run.log_text("nothing.txt", "")
    run.log({"acc": nan, "loss": 0.5})
with autotrack.start_run("second", params={"lr": 1.0}) as other:
    other.log({"loss": 0.25})
autotrack.flush()
print(run.id)
"""


def test_what_is_long_is_folded_and_copied_whole(page, ran):
    server, run = ran(ODD)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/?tab=run&run={run}")
    row = page.locator(".kv tr", has=page.locator("th[title=prompt]"))
    row.get_by_role("button", name="all 7,500 characters").wait_for()
    assert len(row.inner_text()) < 400
    row.get_by_role("button", name="copy").click()
    page.wait_for_selector(".toast >> text=value copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == "word " * 1500
    row.get_by_role("button", name="all 7,500 characters").click()
    row.get_by_role("button", name="less").wait_for()
    assert row.locator(".long").text_content().count("word") == 1500
    assert page.locator(".kv tr", has=page.locator("th[title=short]")).locator("button").count() == 0


def test_a_name_that_nobody_can_see_is_a_link_with_the_id(page, ran):
    server, run = ran(ODD)
    page.goto(f"{server.url}/?tab=charts")
    page.locator(".list-item a", has_text=run[:12]).click()
    page.wait_for_selector(f".run h1 >> text={run[:12]}")


def test_tables_say_that_they_have_no_row_and_keep_nan_last(page, ran):
    server, run = ran(ODD)
    page.goto(f"{server.url}/?tab=run&run={run}")
    file = page.locator(".files > li")
    file.filter(has_text="empty.jsonl").get_by_text("no rows").wait_for()
    table = file.filter(has_text="odd.jsonl").locator(".plain")
    shown = "([table, values]) => [...table.querySelectorAll('td')].map(c => c.textContent).join() === values.join()"
    for values in (["1.500", "NaN", "3", "None", "2"], ["3", "2", "1.500", "NaN", "None"], ["1.500", "2", "3", "NaN", "None"]):
        page.wait_for_function(shown, arg=[table.element_handle(), values])
        table.get_by_role("button", name="a").click()
    file.filter(has_text="nothing.txt").get_by_role("button").click()
    file.filter(has_text="nothing.txt").get_by_text("an empty file").wait_for()


def test_the_table_tells_nan_from_what_is_missing_and_bars_begin_where_they_are_seen(page, ran):
    server, _ = ran(ODD)
    page.goto(f"{server.url}/?tab=table&cols=name,metrics.acc,metrics.loss")
    page.wait_for_selector(".tr >> text=NaN")
    lines = page.locator(".tr").evaluate_all("all => all.map(row => [...row.querySelectorAll('.cell')].slice(2).map(c => c.textContent))")
    assert lines == [["", "0.2500"], ["NaN", "0.5000"]]
    assert page.locator(".tr .gauge").first.evaluate("c => getComputedStyle(c).backgroundOrigin") == "content-box"


def test_what_narrows_the_charts_is_seen_and_undone_on_a_runs_page_and_in_a_comparison(page, forty):
    page.goto(f"{forty.url}/?e=vision/imagenet&x0=100&x1=300&find=loss")
    page.drawn()
    page.locator(".list-item a").first.click()
    page.wait_for_selector(".run .panel[data-title=loss]")
    assert page.locator("#find").input_value() == "loss"
    page.get_by_role("button", name="steps 100 – 300 ×").click()
    page.wait_for_url(lambda url: "x0=" not in url)
    page.fill("#find", "")
    page.wait_for_selector(".run .panel[data-title=acc]")
    page.locator(".knobs select").select_option("relative")
    page.wait_for_url("**x=relative**")
    assert page.locator("#colour").count() == 0
    ids = page.evaluate("async () => (await (await fetch('/api/runs?experiment=vision/imagenet')).json()).runs.id.slice(0, 2)")
    page.goto(f"{forty.url}/?e=vision/imagenet&tab=compare&find=loss&pick={','.join(ids)}")
    page.wait_for_selector(".compare .panel[data-title=loss]")
    assert page.locator("#find").input_value() == "loss"


SHORT = """
import autotrack
with autotrack.start_run("short") as run:
    run.log({"system/cpu": 50.0, "loss": 0.5}, step=0)
    run.log({"system/memory": 1.0}, step=0)
    run.log({"system/memory": 2.0}, step=1)
autotrack.flush()
print(run.id)
"""


def test_what_the_machine_did_once_is_shown_too(page, ran):
    server, run = ran(SHORT)
    page.goto(f"{server.url}/?tab=run&run={run}")
    for title in ("memory", "cpu"):
        page.locator(f'.panel[data-title*="{title}"]').wait_for(state="attached", timeout=10_000)
