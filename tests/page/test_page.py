"""The page as files: its pure parts run in node, its modules are all declared, small, and never write markup from text."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "autotrack" / "server" / "static"
MODULES = sorted(path.name for path in STATIC.glob("*.js"))


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_the_pure_parts():
    done = subprocess.run(["node", "--test", str(Path(__file__).with_name("pure.test.js"))], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_text_of_a_user_can_become_markup():
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|DOMParser|ContextualFragment|eval\(|new Function")
    assert {name: forbidden.findall((STATIC / name).read_text()) for name in MODULES if forbidden.search((STATIC / name).read_text())} == {}


def test_the_page_names_no_foreign_host():
    ours = re.compile(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"'`)]+")
    files = [path for path in STATIC.iterdir() if path.is_file()]
    assert {path.name: ours.findall(path.read_text()) for path in files if ours.search(path.read_text())} == {}


def needed(name, found=None):
    """The modules that a module imports at once, with those that they import."""
    found = set() if found is None else found
    for source in re.findall(r"^import [^;]*'\./([\w-]+\.js)';", (STATIC / name).read_text(), re.M):
        if source not in found:
            found.add(source)
            needed(source, found)
    return found


def test_the_shell_has_no_inline_style_and_loads_what_the_first_screen_needs_at_once():
    page = (STATIC / "index.html").read_text()
    assert "style=" not in page
    assert "<style" not in page
    preloaded = re.findall(r'modulepreload" href="\./([^"]+)"', page)
    assert sorted(name for name in preloaded if not name.startswith("vendor/")) == sorted(needed("main.js"))
    assert {"table.js", "run.js", "hyper.js", "compare.js"}.isdisjoint(preloaded)
    targets = json.loads(re.search(r'importmap">(.*?)</script>', page).group(1))["imports"].values()
    assert sorted(name for name in preloaded if name.startswith("vendor/")) == sorted(target.removeprefix("./") for target in targets)


def test_a_file_of_the_page_has_at_most_three_hundred_lines():
    long = {path.name: n for path in STATIC.iterdir() if path.is_file() and (n := len(path.read_text().splitlines())) > 300}
    assert long == {}


def test_every_import_of_a_module_names_what_is_there():
    exports = {name: set(re.findall(r"export (?:async )?(?:const|let|function|class) (\w+)", (STATIC / name).read_text())) for name in MODULES}
    exports["state.js"] |= {"batch", "computed", "effect", "signal", "untracked"}
    for name in MODULES:
        for names, source in re.findall(r"import \{([^}]*)\} from '\./([\w-]+\.js)'", (STATIC / name).read_text()):
            missing = {part.split(" as ")[0].strip() for part in names.split(",")} - exports[source]
            assert not missing, f"{name} imports {missing} from {source}"
