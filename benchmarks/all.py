"""All benchmarks, one after another: nothing else should run on the machine meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = ("startup", "log", "points", "beside", "fits", "torch_loop", "lightning", "transformers", "processes", "store", "console", "ui")

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        print(f"\n==== {name}", flush=True)
        subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=True)
