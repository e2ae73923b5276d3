"""Values as they are kept: what a scalar is, what a status is. (Flattening of parameters and freezing of numbers follow.)"""

from __future__ import annotations

from typing import Literal

Status = Literal["running", "finished", "failed", "interrupted", "lost"]
STATUSES: tuple[Status, ...] = ("running", "finished", "failed", "interrupted", "lost")
Scalar = float | int | str | bool | None
