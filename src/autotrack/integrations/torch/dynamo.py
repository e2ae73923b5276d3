"""Keep ``torch.compile`` out of our functions: it would compile them, and break its graphs at what they do.

``torch._C._dynamo.eval_frame`` is private; without it (older versions have ``skip_code``, or nothing) our frames may be compiled
one by one, which costs time and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def step_over(wrapper: Any) -> None:
    """Leave a wrapper as it is; what it calls (the original) is compiled as ever."""
    _set(wrapper, with_callees=False)


def leave_alone(*functions: Callable[..., Any]) -> None:
    """Leave functions of ours as they are, and all that they call; called from compiled code, they are called, not traced."""
    for each in functions:
        function: Any = getattr(each, "__func__", each)
        _set(function, with_callees=True)
        function._torchdynamo_disable = True  # as torch.compiler.disable marks what it returns


def _set(function: Any, *, with_callees: bool) -> None:
    frames: Any = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)
    code = getattr(function, "__code__", None)
    if frames is None or code is None:
        return
    if hasattr(frames, "set_code_exec_strategy"):
        skip, default = frames._FrameAction.SKIP, frames._FrameAction.DEFAULT
        frames.set_code_exec_strategy(code, frames._FrameExecStrategy(skip, skip if with_callees else default))
    elif hasattr(frames, "skip_code"):
        frames.skip_code(code)
