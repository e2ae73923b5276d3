"""What hatchling runs before it builds: the page's libraries come along. Without npm all is built but them, and it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageLibraries(BuildHookInterface):  # type: ignore[type-arg,misc]
    """Fills ``server/static/vendor/`` (see scripts/vendor.py) for wheels, editable installs and source archives alike."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  the interface's
        done = subprocess.run([sys.executable, str(Path(self.root) / "scripts" / "vendor.py")], check=False)
        if done.returncode:
            self.app.display_warning("built without the page of `autotrack ui`: its libraries are missing (see above)")
