"""What is known of the data that an estimator was fitted on: kind, shape, types, columns, and a hash of it or of a sample.

Costs some 50 µs of an array. Nothing is copied but the sample, nothing sparse is made dense, nothing is iterated.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from numbers import Number
from typing import Any

from autotrack.instrument import asked

MOST_COLUMNS = 1_000
WHOLE_BYTES = 64 * 1024  # what is not larger is hashed whole
MOST_ROWS = 64  # and as many columns of a table are in the sample
MOST_CELLS = 2_048  # of a single column
MOST_TEXT = 1_000  # characters of a cell
WRITTEN = (Number, date, timedelta, type(None))


def facts_of(value: Any) -> dict[str, Any]:
    """The facts of a data set; of an unknown kind, and of one that raises when it is asked, its type alone."""
    kind = {"type": type(value).__name__}
    return asked(lambda: kind | answers_of(value), kind)


def answers_of(value: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        facts["shape"] = list(shape)
    elif isinstance(value, list | tuple):
        facts["shape"] = [len(value)]
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        facts["dtype"] = str(dtype)
    columns = getattr(value, "columns", None)
    if columns is not None and hasattr(columns, "__len__"):
        facts["columns"] = [str(name) for name in list(columns)[:MOST_COLUMNS]]
    digest = hash_of(value)
    if digest is not None:
        facts["hash"], facts["hash_mode"] = digest
    return facts


def hash_of(value: Any) -> tuple[str, str] | None:
    """A hash, and whether it is of all (``full``) or of rows evenly spread (``sample``); None of what has no cheap one."""
    import numpy as np  # loaded long ago: something was fitted

    if hasattr(value, "nnz") and isinstance(getattr(value, "data", None), np.ndarray):  # scipy's sparse kinds
        found = hash_of(value.data)
        return None if found is None else (digest_of(f"{value.shape} {value.nnz} {found[0]}".encode()), found[1])
    if isinstance(value, np.ndarray):
        return hash_of_array(value)
    if hasattr(value, "iloc") and hasattr(value, "to_numpy") and len(value):  # pandas
        cells = value.iloc[spread(len(value), MOST_ROWS)].to_numpy()
        written = repr([told(cell) for cell in cells.ravel()]).encode() if cells.dtype.hasobject else np.ascontiguousarray(cells).tobytes()
        return digest_of(f"{value.shape}".encode() + written), "full" if len(cells) == len(value) else "sample"
    return None


def told(cell: Any) -> Any:
    """What a cell of a table adds to its hash: of text its beginning, of an object its kind; its ``repr`` may be long, or an address."""
    if isinstance(cell, str | bytes):
        return len(cell), cell[:MOST_TEXT]
    return str(cell) if isinstance(cell, WRITTEN) else type(cell).__name__


def hash_of_array(array: Any) -> tuple[str, str] | None:
    import numpy as np  # as above

    if array.dtype.hasobject or type(array) is not np.ndarray or not array.size:
        return None
    head = f"{array.shape} {array.dtype.str}".encode()
    if array.nbytes <= WHOLE_BYTES:
        return digest_of(head + array.tobytes()), "full"
    most = MOST_CELLS if array.ndim == 1 else MOST_ROWS if array.ndim == 2 else 4
    sample = array[tuple(spread(length, most) for length in array.shape)]  # a view
    return digest_of(head + sample.tobytes()), "sample"


def spread(length: int, most: int) -> slice:
    """Evenly spread positions, ``most`` at the most."""
    apart = -(-length // most) or 1
    return slice(0, length, apart)


def digest_of(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()[:16]
