"""Fill ``src/autotrack/server/static/vendor/`` with the page's three small libraries, as published and with their licences.

They are not in git: ``package-lock.json`` pins them with their hashes, and npm fetches and checks them (no script of theirs runs).
A wheel is built with them inside, so whoever installs a wheel needs no npm; in a clone, `make ui` or `python scripts/vendor.py` does it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "src" / "autotrack" / "server" / "static" / "vendor"
TIMEOUT_S = 120

# Ours are named .js: some systems serve .mjs as something that browsers refuse to run.
MODULES = {
    "preact.js": "preact/dist/preact.mjs",
    "hooks.js": "preact/hooks/dist/hooks.mjs",
    "signals.js": "@preact/signals/dist/signals.mjs",
    "signals-core.js": "@preact/signals-core/dist/signals-core.mjs",
    "htm.js": "htm/dist/htm.mjs",
}
LICENCES = {
    "preact.LICENSE": "preact/LICENSE",
    "signals.LICENSE": "@preact/signals/LICENSE",
    "signals-core.LICENSE": "@preact/signals-core/LICENSE",
    "htm.LICENSE": "htm/LICENSE",
}


def missing() -> str | None:
    """Why the page has not what it needs, in one line; None if it has."""
    stamp = VENDOR / "lock.sha256"
    if not all((VENDOR / name).is_file() for name in (*MODULES, *LICENCES)):
        return "the page's libraries are not there"
    if not stamp.is_file() or stamp.read_text().strip() != locked():
        return "the page's libraries are not those of package-lock.json"
    return None


def locked() -> str:
    """The lock file's SHA-256: what the folder was filled from."""
    return hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()


def fill() -> None:
    """Fetch the libraries with npm into a temporary folder and copy what the page loads.

    Raises: OSError if there is no npm, subprocess.SubprocessError if it fails or takes over two minutes.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed (it comes with Node.js)")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, folder)
        command = [npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL)
        put(Path(folder) / "node_modules", VENDOR)


def put(fetched: Path, vendor: Path) -> None:
    """Copy what the page loads, each file whole and in place of an older one: who serves the page meanwhile always finds it."""
    vendor.mkdir(parents=True, exist_ok=True)
    for name, source in (MODULES | LICENCES).items():
        part = vendor / f".{name}.part"
        shutil.copyfile(fetched / source, part)
        part.replace(vendor / name)
    for path in vendor.iterdir():
        if path.name not in MODULES | LICENCES:
            path.unlink()
    (vendor / "lock.sha256").write_text(locked() + "\n")


def main() -> int:
    if missing() is None:
        return 0
    try:
        fill()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"the page's libraries could not be fetched: {error}", file=sys.stderr)
        print("`autotrack ui` needs them; all else works without. Install Node.js, then: python scripts/vendor.py", file=sys.stderr)
        return 1
    print(f"the page's libraries lie in {VENDOR}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
