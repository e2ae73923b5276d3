"""Every snippet in README and docs runs. The blocks of a page run in order, in one process and one empty folder.

``python`` blocks share a namespace, ``sh`` blocks run in bash, ``sql`` blocks against the page's store.
A block under ``<!-- not run: reason -->`` is only shown. A page with ``<!-- needs: lightning -->`` is left out where that cannot be imported,
a block under ``<!-- needs the page's libraries -->`` where the clone has them not (``scripts/vendor.py``).
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS = re.compile(r"^<!-- needs: (.+?) -->$", re.M)
BLOCK = re.compile(r"^(<!-- (?:not run: [^\n]+|needs the page's libraries) -->\n)?```(\w+)[^\n]*\n(.*?)^```$", re.M | re.S)

DRIVER = r"""
import json, os, sqlite3, subprocess, sys, traceback
namespace = {"__name__": "__main__"}
for line, language, text in json.load(open(sys.argv[1])):
    try:
        if language == "python":
            exec(compile("\n" * line + text, sys.argv[2], "exec"), namespace)
        else:
            import autotrack
            if "autotrack.recording.tracker" in sys.modules:
                autotrack.flush()
            if language == "sql":
                with sqlite3.connect(".autotrack/autotrack.db") as store:
                    for statement in filter(str.strip, text.split(";")):
                        store.execute(statement).fetchall()
            else:
                subprocess.run(["bash", "-euo", "pipefail", "-c", text], check=True)
    except BaseException:
        print(f"{sys.argv[2]}:{line}: this block fails\n{text}", file=sys.stderr)
        traceback.print_exc()
        sys.exit(1)
"""


def blocks(page):
    text = page.read_text()
    for found in BLOCK.finditer(text):
        remark, language, body = found.groups()
        if language in ("python", "sh", "sql") and runs(remark or ""):
            yield text.count("\n", 0, found.start(3)), language, body


def runs(remark):
    from autotrack.server.page import missing

    return "not run" not in remark and not ("libraries" in remark and missing())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_runs(page, tmp_path):
    import json
    import os
    from importlib.util import find_spec

    missing = [needed for needed in NEEDS.findall(page.read_text()) if find_spec(needed) is None]
    if missing:
        pytest.skip(f"{page.name} needs {', '.join(missing)}")
    todo = list(blocks(page))
    if not todo:
        return
    (tmp_path / "todo.json").write_text(json.dumps(todo))
    here = tmp_path / "here"
    here.mkdir()
    (here / "pyproject.toml").write_text("")  # the store is made beside it
    (here / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "AUTOTRACK_QUIET": "1"}
    environment.pop("AUTOTRACK_STRICT", None)
    command = [sys.executable, "-c", DRIVER, tmp_path / "todo.json", page.name]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_pages_hold():
    links = [(page, target) for page in PAGES for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())]
    assert [f"{page.name} -> {target}" for page, target in links if not (page.parent / target).exists()] == []


def test_every_setting_is_in_the_docs():
    from dataclasses import fields

    from autotrack.settings import Settings

    text = (ROOT / "docs" / "settings.md").read_text()
    names = [field.name for field in fields(Settings) if not field.name.startswith("_") and field.name != "origins"]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_command_has_a_paragraph():
    from autotrack.cli.main import cli

    text = (ROOT / "docs" / "cli.md").read_text()
    assert [name for name in cli.commands if f"autotrack {name}" not in text] == []


def test_what_is_recorded_is_as_the_integrations_say():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "recorded.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
