"""What ``autotrack run`` puts in front of ``PYTHONPATH``, so that python imports it before the program.

It takes back every trace of itself (path, module, environment), imports the ``sitecustomize`` that it hides, and
turns autolog on. A launcher (torchrun and its like) only passes everything on, to the programs that it starts.
Children that the program starts are not observed: they no longer see this folder.
"""

from __future__ import annotations

import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Programs in Python that start the training in other processes; by the name of a script or of a module (-m).
LAUNCHERS = {
    "accelerate", "accelerate.commands.launch", "conda", "deepspeed", "deepspeed.launcher.launch", "deepspeed.launcher.runner", "hatch", "horovodrun",
    "pdm", "pipenv", "poetry", "torch.distributed.launch", "torch.distributed.run", "torchrun",
}  # fmt: skip


def program(arguments: list[str]) -> str:
    """The script or module that a python command line runs; "" for ``-c``, standard input and a prompt."""
    words = iter(arguments[1:])
    for word in words:
        if word.startswith("--"):
            if word == "--check-hash-based-pycs":
                next(words, "")
            continue
        if not word.startswith("-") or word == "-":
            return "" if word == "-" else word
        for position, letter in enumerate(word[1:], 2):  # options can be joined: -um package
            rest = word[position:]
            if letter == "c":
                return ""
            if letter == "m":
                return rest or next(words, "")
            if letter in "WX":
                if not rest:
                    next(words, "")
                break
    return ""


def command_line() -> list[str]:
    return getattr(sys, "orig_argv", sys.argv)  # below 3.10 there is none, and nothing to observe


def is_launcher(arguments: list[str]) -> bool:
    name = os.path.basename(program(arguments))
    return (name[:-4] if name.endswith(".exe") else name) in LAUNCHERS


def restore_environment() -> bool:
    """Give PYTHONPATH back as the user had it; whether this is the program that is meant."""
    sys.path[:] = [folder for folder in sys.path if folder != HERE]
    sys.path_importer_cache.pop(HERE, None)
    ours = os.environ.pop("PYTHONPATH", "")
    before = os.environ.pop("AUTOTRACK_RUN_PYTHONPATH", None)
    if before is not None:
        os.environ["PYTHONPATH"] = before
    token = os.environ.pop("AUTOTRACK_RUN", "")
    if not is_launcher(command_line()):
        return bool(token)
    os.environ.update({"PYTHONPATH": ours, "AUTOTRACK_RUN": token})
    if before is not None:
        os.environ["AUTOTRACK_RUN_PYTHONPATH"] = before
    return False


def import_hidden() -> None:
    """Import the sitecustomize that stands behind this one: a distribution's, a company's."""
    ourselves = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = ourselves  # the import system looks for what it is loading


def observe() -> None:
    """Turn autolog on, as if the line stood on top of the program."""
    known = set(sys.modules)
    try:
        from autotrack.guard import guard
    except (ImportError, SyntaxError) as error:  # the program's python is not ours: a bare environment, or an old one
        print(  # noqa: T201
            f"autotrack: {sys.executable} cannot import autotrack ({error}); the program runs unobserved. "
            f"To observe it: {sys.executable} -m pip install autotrack-ml",
            file=sys.stderr,
        )
        return
    with guard("starting to observe"):
        import autotrack

        try:
            autotrack.autolog()
        except autotrack.SettingsError as error:  # a store that nothing in this python knows
            print(f"autotrack: {error}: the program runs unobserved", file=sys.stderr)  # noqa: T201
    give_back_names(set(sys.modules) - known)


def give_back_names(loaded: set[str]) -> None:
    """Forget standard modules that we were the first to import where the program has a module of that name of its own.

    The program's folder comes before the standard library, so plain python would have imported the program's.
    """
    script = program(command_line())
    folder = os.path.dirname(script) if os.path.exists(script) else ""
    for name in loaded & sys.stdlib_module_names:
        if os.path.exists(os.path.join(folder, name + ".py")) or os.path.exists(os.path.join(folder, name, "__init__.py")):
            del sys.modules[name]


if restore_environment():
    try:
        import_hidden()
    finally:
        observe()
else:
    import_hidden()
