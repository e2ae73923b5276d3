"""The built wheel in a bare environment: it installs, shows its help, imports, and its demo trains and records."""

import os
import subprocess
import sys
import venv
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
    venv.create(tmp_path / "bare", with_pip=True)
    here = tmp_path / "bare" / "bin"
    sh(here / "python", "-m", "pip", "install", "-q", f"{wheel}[demo]", cwd=tmp_path)
    assert "Usage: autotrack" in sh(here / "autotrack", "--help", cwd=tmp_path)
    assert sh(here / "python", "-c", "import autotrack; print(autotrack.__version__)", cwd=tmp_path).strip()
    assert "autotrack ls" in sh(here / "autotrack", "demo", cwd=tmp_path)
