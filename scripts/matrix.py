"""Run the integrations' tests with the oldest versions that they claim to observe; prints a table.

    python scripts/matrix.py [NAME...]

Run it with a Python that has the ``test`` extra. Each row is a virtual environment in ``.matrix/`` whose own packages are the old ones, pinned
and without their dependencies; everything else (PyTorch above all) is seen through it from the Python that runs this. The test files of
a row are found by their names: ``tests/integrations/test_<name>*.py``.

PyTorch itself has no row: its index of packages has CPU builds of the newest version alone, and the others bring CUDA, some gigabytes. On a
machine that has an older one: ``python -m pytest tests/integrations/test_torch*.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".matrix"
SCIENCE = ["numpy==2.0.2", "scipy==1.14.1", "pandas==2.2.3", "pytz==2024.2"]  # what was new with them: the newest of today are not built for them
HUB = ["huggingface_hub==0.26.5", "requests==2.32.3", "urllib3==2.2.3", "charset-normalizer==3.4.0"]  # the newest does without these three
DATASETS = ["datasets==3.1.0", "dill==0.3.8", "multiprocess==0.70.16", "fsspec==2024.9.0"]  # what uses the hub is of its time
OLDEST = {
    "sklearn": ["scikit-learn==1.5.2", *SCIENCE],
    "xgboost": ["xgboost==2.1.4", "scikit-learn==1.5.2", *SCIENCE],
    "lightning": ["lightning==2.1.4", "pytorch-lightning==2.1.4"],
    "transformers": [
        "transformers==4.46.3",
        "accelerate==0.34.2",
        "tokenizers==0.20.3",
        "peft==0.13.2",
        "trl==0.12.2",
        "sentence-transformers==3.3.1",
        *HUB,
        *DATASETS,
    ],
    "accelerate": ["accelerate==0.34.2", *HUB],
}


def environment(name: str) -> Path:
    """The Python of a row's environment, made if its pins have changed since."""
    home = HOME / name
    python, stamp, pins = home / "bin" / "python", home / "pins.txt", "\n".join(OLDEST[name])
    if stamp.exists() and stamp.read_text() == pins:
        return python
    venv.create(home, with_pip=True, clear=True)
    own = next((home / "lib").glob("python*/site-packages"))
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *OLDEST[name]], check=True)
    (own / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")  # comes after the environment's own packages
    stamp.write_text(pins)
    return python


def row(name: str) -> tuple[str, ...]:
    files = sorted((ROOT / "tests" / "integrations").glob(f"test_{name}*.py"))
    if not files:
        return name, "", "it has no tests here", ""
    try:
        python = environment(name)
    except subprocess.CalledProcessError:
        return name, "", f"cannot be installed: {' '.join(OLDEST[name])}", ""
    began = time.monotonic()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    # what old and new versions warn of each other is not what is looked at
    command = [python, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-o", "filterwarnings=default", "--tb=short", *files]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    (HOME / f"{name}.log").write_text(done.stdout + done.stderr)
    lines = done.stdout.strip().splitlines()
    ended = re.sub(r" in [\d.]+s.*", "", lines[-1]) if lines else f"pytest ended with {done.returncode}"
    return name, ", ".join(OLDEST[name][:2]), ended, f"{time.monotonic() - began:.0f} s"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in OLDEST]
    if unknown:
        print(f"no row is called {unknown[0]!r}; there are: {', '.join(OLDEST)}", file=sys.stderr)
        return 2
    HOME.mkdir(exist_ok=True)
    failed = 0
    print(f"{'':<14}{'oldest':<48}{'tests':<48}")
    for name in names or OLDEST:
        cells = row(name)
        failed += "passed" not in cells[2] or "failed" in cells[2] or "error" in cells[2]  # all skipped: something is missing
        print(f"{cells[0]:<14}{cells[1]:<48}{cells[2]:<40}{cells[3]:>8}", flush=True)
    print(f"what failed is in {HOME.relative_to(ROOT)}/<name>.log" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
