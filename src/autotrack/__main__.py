"""``python -m autotrack``."""

from __future__ import annotations

from autotrack.cli.main import main

main()
