"""The house: nobody imports upward, integrations know no storage, only integrations know frameworks."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "autotrack"


def test_the_floors_hold():
    # a process of its own: the linter switches the loggers off that it finds
    program = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_guard_has_a_blind_except():
    blind = re.compile(r"except\s*(\(?\s*(Base)?Exception\b[^:]*)?:")
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in SOURCE.rglob("*.py")
        if path.name != "guard.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if blind.match(line.strip()) and "# noqa: BLE001" not in line
    ]
    assert found == []


def test_our_words_are_used():
    unwanted = re.compile(r"(^|_)(manager|handler|helper|util|utils|service)(_|s?\.|$)")
    assert [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if unwanted.search(path.name)] == []


CACHES = {".mypy_cache", ".ruff_cache", ".pytest_cache"}
SKIP = CACHES | {".git", ".venv", "build", "dist", ".autotrack", ".hypothesis", ".bench", ".matrix", "autotrack-demo"}


def test_the_project_speaks_of_itself_alone():
    words = re.compile(r"[/]work/|[/]root/\.|helper[-]\d", re.I)  # written so that this file does not hold them
    texts = {".py", ".md", ".toml", ".yml", ".txt", ""}
    files = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix in texts and not set(path.relative_to(ROOT).parts) & SKIP]
    telling = [str(path.relative_to(ROOT)) for path in files if words.search(path.read_text(errors="replace"))]
    assert telling == []
