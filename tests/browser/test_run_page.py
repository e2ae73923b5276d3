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
