"""argparse: what the program was told on its command line, as parameters ``args.*`` of every run from there on.

Heard are parsers that the program itself asks, not those of installed packages: the innermost line outside of argparse is
neither in Python's library nor in ``site-packages``, or it is the program's main module.
"""

from __future__ import annotations

import sys
import sysconfig
from types import FrameType
from typing import Any

from autotrack.instrument import Integration, Observed

integration = Integration("argparse", requires="argparse>=1.0")

RECORDS: list[tuple[str, str, str]] = [
    ("parse_args, parse_known_args", "args.*: every argument of the program's own parsers", "the Namespace"),
]

ENTRIES = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args"})
LIBRARIES = tuple({path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")})


@integration.watch("argparse:ArgumentParser.parse_known_args")
def parsed(_parser: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Observed:
    is_ours = is_the_programs(sys._getframe(1))
    result = yield
    if is_ours:
        integration.tell_runs({f"args.{name}": value for name, value in vars(result[0]).items() if not callable(value)})


def is_the_programs(frame: FrameType | None) -> bool:
    """Whether the parser was asked by the program: by the first line that is not argparse's or ours."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == "argparse" and frame.f_code.co_name not in ENTRIES:
            return False  # a parser within a parser: its arguments are in the outer one's
        if name != "argparse" and not name.startswith("autotrack"):
            return name == "__main__" or not frame.f_code.co_filename.startswith(LIBRARIES)
        frame = frame.f_back
    return False
