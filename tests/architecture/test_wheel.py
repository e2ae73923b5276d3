"""The built wheel in a bare environment: it installs, shows its help, imports, and its demo trains and records."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def sh(*command, cwd, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTRACK", "PYTHON"))} | {"OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_works_in_a_bare_environment(tmp_path):
    sh(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT, cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    if shutil.which("npm") is not None:
        inside = {name.removeprefix("autotrack/server/static/") for name in zipfile.ZipFile(wheel).namelist() if "/static/" in name}
        assert {"index.html", "main.js", "vendor/preact.js", "vendor/preact.LICENSE", "vendor/htm.js", "vendor/signals.js"} <= inside
    venv.create(tmp_path / "bare", with_pip=True)
    here = tmp_path / "bare" / "bin"
    sh(here / "python", "-m", "pip", "install", "-q", f"{wheel}[demo]", cwd=tmp_path)
    assert "Usage: autotrack" in sh(here / "autotrack", "--help", cwd=tmp_path)
    assert sh(here / "python", "-c", "import autotrack; print(autotrack.__version__)", cwd=tmp_path).strip()
    assert "autotrack ls" in sh(here / "autotrack", "demo", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_clone_without_npm_builds_all_but_the_page_and_says_so(tmp_path):
    clone = tmp_path / "clone"
    parts = ("src", "scripts", "examples", "pyproject.toml", "package.json", "package-lock.json", "README.md", "LICENSE", ".gitignore")
    for name in parts:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
        else:
            clone.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(clone)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOTRACK", "PYTHON"))} | {"PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "npm is not installed" in done.stdout + done.stderr
    assert "python scripts/vendor.py" in done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "autotrack/server/static/main.js" in names
    assert [name for name in names if "vendor/" in name] == []
