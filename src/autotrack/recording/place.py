"""Where this process stands: its host, user, script and notebook, its rank, and whether it is somebody's child."""

from __future__ import annotations

import functools
import os
import sys
from types import ModuleType
from weakref import WeakKeyDictionary

INTERACTIVE = "interactive"

NOTEBOOKS = ("ipykernel_launcher", "ipython", "ipython3")  # programs that run what somebody types

_programs: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()  # Python forgets ``__file__`` when the program's last line is done


@functools.cache
def host() -> str:
    """The name of the machine."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@functools.cache
def user() -> str:
    """The name of the user, else the number."""
    for variable in ("LOGNAME", "USER", "USERNAME"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        import pwd  # not everywhere

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def experiment_here() -> str:
    """The script's name, the notebook's, or ``interactive``."""
    book = notebook()
    name = os.path.splitext(os.path.basename(book or script() or ""))[0]
    return " ".join(name.split()) or INTERACTIVE


def script() -> str | None:
    """The path of the program, or the name of the module run by ``-m`` as a path; None of a prompt, ``-c`` and a notebook.

    In a process that multiprocessing or loky started anew ``__main__`` is theirs, but they hand ``sys.argv`` on.
    """
    main = sys.modules.get("__main__")
    if main is None or in_notebook():
        return None
    if in_child_process() and sys.argv and os.path.isfile(sys.argv[0]):
        is_typed = os.path.splitext(os.path.basename(sys.argv[0]))[0] in NOTEBOOKS
        return None if is_typed else _without_main(os.path.abspath(sys.argv[0]))
    spec = getattr(main, "__spec__", None)
    name: str = getattr(spec, "name", None) or ""
    if name and name != "__main__":  # python -m package.train, or python -m package
        return name.removesuffix(".__main__").replace(".", "/") + ".py"
    path = getattr(main, "__file__", None) or _programs.get(main)
    if isinstance(path, str):
        _programs[main] = path
    if not isinstance(path, str) or path.startswith("<"):
        return None
    return _without_main(path)


def _without_main(path: str) -> str:
    """The folder that python ran, of its ``__main__.py``."""
    return os.path.dirname(os.path.abspath(path)) if os.path.basename(path) == "__main__.py" else path


def in_notebook() -> bool:
    """Whether an IPython shell runs us: a notebook, or its prompt."""
    found = sys.modules.get("IPython.core.getipython") or sys.modules.get("IPython")
    return found is not None and hasattr(found, "get_ipython") and found.get_ipython() is not None


def notebook() -> str | None:
    """The notebook's path, where its program says it; None elsewhere."""
    if not in_notebook():
        return None
    said = os.environ.get("JPY_SESSION_NAME") or getattr(sys.modules.get("__main__"), "__vsc_ipynb_file__", None)
    return said if isinstance(said, str) else None


def is_interactive() -> bool:
    """Whether somebody types: an error does not end the program."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or in_notebook()


def in_child_process() -> bool:
    """Whether multiprocessing (or loky, which is built on it) started this process. Imports neither."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    return process.parent_process() is not None or hasattr(process.current_process(), "_inheriting")  # while it imports its parent's __main__


def is_silent_rank() -> bool:
    """Whether another rank of the same training records: torch says so, or the launcher's variables do.

    A scheduler's variables alone (``SLURM_PROCID``, ``OMPI_*``) never silence.
    """
    if (_rank_in_torch() or 0) > 0:
        return True
    if _number("WORLD_SIZE") <= 1:
        return False
    if os.environ.get("RANK"):
        return _number("RANK") != 0
    return _number("NODE_RANK") != 0 or _number("LOCAL_RANK") != 0


def is_first_rank() -> bool:
    """Whether torch says that this process is the first of several that train together: the one that records, whoever started it."""
    return _rank_in_torch() == 0


def _rank_in_torch() -> int | None:
    """The rank of this process, as torch says it; None where several do not train together."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return int(distributed.get_rank())


def rank() -> dict[str, int]:
    """``rank`` and ``world_size``, where a launcher says them."""
    said = {"rank": "RANK", "local_rank": "LOCAL_RANK", "node_rank": "NODE_RANK", "world_size": "WORLD_SIZE"}
    return {name: _number(variable) for name, variable in said.items() if os.environ.get(variable)}


def _number(variable: str) -> int:
    try:
        return int(os.environ.get(variable) or 0)
    except ValueError:
        return 0
