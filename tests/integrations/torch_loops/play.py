"""Plays loops, plain or observed, and says as JSON what became of them; a program, so that one process has them all.

    python play.py MODE ANSWER LOOP...     MODE: plain, observed, disabled

Of each loop: what it left (weights, gradients, optimizer state, lists of numbers: hashed by the name of the variable), where
the random generators stand, what it printed, what files it wrote, how it ended, what it expected to be recorded,
and what was recorded.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import os
import random
import re
import sys
import tempfile
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from told import told

import autotrack
from autotrack.recording import tracker

PLAIN, OBSERVED, DISABLED = "plain", "observed", "disabled"


def digest(thing: object, depth: int = 0) -> object:
    """What is equal if and only if two things are bit-identical, down to what does not matter to a training."""
    if isinstance(thing, torch.Tensor):
        raw = thing.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if thing.numel() else b""
        grad = digest(thing.grad) if thing.is_leaf and thing.grad is not None else None
        return [str(thing.dtype), list(thing.shape), thing.requires_grad, hashlib.sha256(raw).hexdigest(), grad]
    if isinstance(thing, np.ndarray):
        return [str(thing.dtype), list(thing.shape), hashlib.sha256(thing.tobytes()).hexdigest()]
    if thing is None or isinstance(thing, bool | int | float | str | bytes):
        return repr(thing)
    if depth > 8:
        return type(thing).__name__
    if isinstance(thing, torch.nn.Module):
        hooks = {name: len(hooks) for name, hooks in vars(thing).items() if name.endswith("_hooks") and hooks}
        return [sorted(vars(thing)), hooks, thing.training, digest(dict(thing.named_parameters())), digest(thing.state_dict(), depth + 1)]
    if hasattr(thing, "state_dict") and not isinstance(thing, type):
        return [sorted(vars(thing)), digest(thing.state_dict(), depth + 1)]
    if isinstance(thing, dict):
        return [[digest(key, depth + 1), digest(value, depth + 1)] for key, value in thing.items()]
    if isinstance(thing, list | tuple | set | frozenset) or type(thing).__name__ == "deque":
        return [digest(item, depth + 1) for item in thing]
    if getattr(type(thing), "__module__", "").startswith(("loop_", "__main__")):
        return digest(vars(thing), depth + 1)
    return type(thing).__name__


def generators() -> object:
    return [digest(random.getstate()), digest(list(np.random.get_state())), digest(torch.get_rng_state())]


def seed() -> None:
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d\.\d+ \d+ ", "", text)


def play(path: Path, module: types.ModuleType, program: str) -> dict[str, object]:
    """Run one script in this module's namespace; what it left."""
    seed()
    printed = io.StringIO(), io.StringIO()
    ended = None
    try:
        with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]), warnings.catch_warnings():
            exec(compile(program, str(path), "exec"), module.__dict__)
    except BaseException as error:
        ended = error
    left = {name: digest(value) for name, value in sorted(vars(module).items()) if not name.startswith("__") and name != "autotrack"}
    answer = {
        "left": left,
        "generators": generators(),
        "stdout": printed[0].getvalue(),
        "stderr": without_times(printed[1].getvalue()),
        "files": files(Path.cwd()),
        "ended": None if ended is None else repr(ended),
        "expected": vars(module).get("EXPECTED"),
        "came_out": vars(module).get("CAME_OUT"),
        "order": vars(module).get("ORDER"),
    }
    answer = json.loads(json.dumps(answer))
    if ended is not None and module.__name__ == "__main__":
        answer["raised"] = ended
    return answer


def play_many(mode: str, paths: list[Path]) -> dict[str, object]:
    """All in this process."""
    if mode != PLAIN:
        autotrack.autolog()
    if mode == DISABLED:
        assert play_here(paths[0])["runs"], "nothing was recorded before disable()"
        autotrack.disable()
    return {path.stem: play_here(path) for path in paths}


def play_here(path: Path) -> dict[str, object]:
    """One, in an empty folder and with a store of its own."""
    before, here = tracker.swap(tracker.in_memory()), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        module = types.ModuleType(f"loop_{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        answer = play(path, module, path.read_text())
        del sys.modules[module.__name__]
        for name in [name for name in vars(module) if not name.startswith("__")]:
            delattr(module, name)
        gc.collect()
        os.chdir(here)
    ours = tracker.swap(before)
    assert ours is not None
    ours.flush()
    answer["runs"] = told(ours.backend, ours.artifacts)
    ours.close()
    return answer


def play_alone(mode: str, path: Path, into: Path) -> None:
    """As a program of its own, ``__main__`` and all; observed, the user's one line stands before its first."""
    on = "import autotrack; autotrack.autolog(); "
    line = {PLAIN: "", OBSERVED: on, DISABLED: f"{on}autotrack.disable(); "}[mode]
    source = path.read_text()
    first, rest = source.split("\n", 1)  # the docstring stays in its line
    copy = into.parent / path.name
    copy.write_text(f"{line}{first}\n{rest}")
    main = types.ModuleType("__main__")
    main.__file__ = str(copy)
    sys.modules["__main__"] = main
    answer = play(copy, main, copy.read_text())
    raised = answer.pop("raised", None)
    into.write_text(json.dumps(answer))
    if raised is not None:
        raise raised


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    mode, into, paths = sys.argv[1], Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]]
    torch.set_num_threads(1)
    if len(paths) == 1 and "\nPROCESS = " in paths[0].read_text():
        play_alone(mode, paths[0], into)
    else:
        into.write_text(json.dumps(play_many(mode, paths)))
