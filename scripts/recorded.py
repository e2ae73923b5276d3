"""Write what is recorded, as the integrations say it, into README.md (a line each) and docs/recorded.md. ``--check`` only compares."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import NamedTuple

from autotrack.instrument.loader import BUILTIN

ROOT = Path(__file__).parents[1]
TITLES = {
    "accelerate": "Accelerate", "argparse": "Command line", "lightning": "Lightning", "pytorch_lightning": "Lightning", "sklearn": "scikit-learn",
    "torch": "PyTorch", "transformers": "Transformers", "xgboost": "XGBoost",
}  # fmt: skip
MARKED = re.compile(r"(<!-- recorded: begin[^\n]*-->\n).*?(<!-- recorded: end -->)", re.S)

PAGE = """# What is recorded

Generated from the integrations by `python scripts/recorded.py`. Names in braces stand for what the framework or you call it.
Of every run besides: start, end, duration, status, error and traceback, command line, script, git state, packages, host, CPU,
memory, GPU, and the process's CPU and memory over time.
"""


class Told(NamedTuple):
    """What is said of a framework: the versions that are observed, a line, and rows of what is trained, what is recorded, and from where."""

    requires: str
    line: str
    rows: list[tuple[str, str, str]]


def records() -> dict[str, Told]:
    """By framework."""
    found: dict[str, Told] = {}
    for target in dict.fromkeys(BUILTIN.values()):
        module = importlib.import_module(target.partition(":")[0])
        integration = getattr(module, target.partition(":")[2])
        title = TITLES.get(integration.name, integration.name)
        others = [found[title].requires] if title in found else []  # one integration of a framework that goes by two names
        line = module.__doc__.splitlines()[0].partition(": ")[2].replace("``", "`").removesuffix(".")
        found[title] = Told("`, `".join([*others, integration.requires]), line, module.RECORDS)
    return found


def table(rows: list[tuple[str, ...]], *heads: str) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def readme(text: str) -> str:
    rows = [(name, f"`{told.requires}`", told.line) for name, told in records().items()]
    return MARKED.sub(lambda marks: marks[1] + table(rows, "framework", "observed", "what is recorded") + marks[2], text)


def page() -> str:
    parts = [PAGE]
    for name, told in records().items():
        parts.append(f"\n## {name}\n\nObserved: `{told.requires}`.\n\n" + table(list(told.rows), "what is trained", "what is recorded", "from"))
    return "".join(parts)


def main() -> int:
    wanted = {ROOT / "README.md": readme((ROOT / "README.md").read_text()), ROOT / "docs" / "recorded.md": page()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(wanted[path])
    elif stale:
        print("not as the integrations say; run python scripts/recorded.py:", *(path.name for path in stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
