"""The name that the user gave a value, read from the text of his call, never from the frame's variables.

``frame.f_locals`` would be shorter, but before Python 3.13 a look at it keeps every tensor of that moment alive for as long as
the function runs. What is here runs once for each place in the code. Where the text is not to be had, or is not that of
the code (the file was changed since), there is less to know and nothing is guessed.
"""

from __future__ import annotations

import ast
import dis
import itertools
import linecache
import re
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

# Whose frames are not the user's: between his line and torch, or above it.
LIBRARIES = frozenset({"torch", "autotrack", "accelerate", "tqdm", "lightning_fabric", "lightning", "deepspeed", "apex", "contextlib", "functools"})
# Methods after which a value goes by the same name, and functions after which their first argument does.
SAME = frozenset({"mean", "sum", "float", "double", "half", "to", "cpu", "cuda", "squeeze", "clone", "detach", "div", "mul", "div_", "mul_"})
OF_ITS_ARGUMENT = frozenset({"scale", "backward", "enumerate", "tqdm", "trange", "track", "iter", "zip", "list", "next", "islice", "cycle"})
MOST_CALLERS = 4  # that are looked at for what a parameter was called outside
IN_PLACE = ("INPLACE_ADD", "INPLACE_SUBTRACT")  # of Python 3.10
SEVERAL = "several"  # data sets, of which nobody can tell which it is
SPLITS = frozenset({"val", "valid", "validation", "dev", "holdout", "test", "testing", "train", "training"})  # whole words
LOSSES = ("loss", "err", "cost", "objective")


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame from here outward that is the user's."""
    while frame is not None and is_librarys(frame):
        frame = frame.f_back
    return frame


def is_librarys(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return isinstance(name, str) and name.partition(".")[0] in LIBRARIES


def name_at(frame: FrameType) -> tuple[str | None, int]:
    """What the value used at a frame's instruction is called, and how many frames decide that.

    A parameter goes by what the callers wrote for it, as far as they are the user's.
    """
    node = expression(frame.f_code, frame.f_lasti)
    name = label(node) if node is not None else loaded_before(frame.f_code, frame.f_lasti)
    used = 1
    while name is not None and used <= MOST_CALLERS and name in parameters_of(frame.f_code):
        caller = frame.f_back
        if caller is None or is_librarys(caller):
            break
        used += 1  # whatever it says, another caller may say something else
        call = expression(caller.f_code, caller.f_lasti)
        written = argument(call, frame.f_code, name) if isinstance(call, ast.Call) else None
        outside = label(written) if written is not None else None
        frame = caller
        if outside is None:
            break
        name = outside
    return name, used


def parameters_of(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def argument(call: ast.Call, code: CodeType, name: str) -> ast.expr | None:
    """The expression that a call has for a parameter of the function that it calls."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if any(isinstance(given, ast.Starred) for given in call.args):
        return None
    names = code.co_varnames[: code.co_argcount]
    if name not in names:
        return None
    is_bound = names[0] in ("self", "cls") and not (call.args and label(call.args[0]) == names[0])  # as in Base.step(self, loss)
    position = names.index(name) - is_bound
    return call.args[position] if 0 <= position < len(call.args) else None


def expression(code: CodeType, instruction: int) -> ast.expr | None:
    """The expression that an instruction belongs to, of a ``for`` what it goes over; None without its text, or with another's."""
    where = _positions(code, instruction)
    if where is None:
        return None
    first, last, begin, end = where
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    if not all(lines):
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    node = _parsed(b"".join(lines).decode("utf-8", "replace"))
    if node is None:
        return None
    known = {*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars}
    inner = {n.id for part in ast.walk(node) if isinstance(part, ast.comprehension) for n in ast.walk(part.target) if isinstance(n, ast.Name)}
    inner |= {a.arg for part in ast.walk(node) if isinstance(part, ast.Lambda) for a in ast.walk(part.args) if isinstance(a, ast.arg)}
    if all(part.id in known or part.id in inner for part in ast.walk(node) if isinstance(part, ast.Name)):
        return node
    return None


def _positions(code: CodeType, instruction: int) -> tuple[int, int, int, int] | None:
    if sys.version_info < (3, 11):
        return None  # a line is all that is known there
    found = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    if found is None or None in found:
        return None
    return found  # type: ignore[return-value]


def _parsed(text: str) -> ast.expr | None:
    text = text.strip()
    try:
        if text.startswith(("for ", "async for ")):  # Python 3.11 gives the start of an iteration the place of the whole statement
            header = text if "\n" in text else f"{text.rstrip()}\n pass" if text.rstrip().endswith(":") else text
            statement = ast.parse(header).body[0]
            return statement.iter if isinstance(statement, ast.For | ast.AsyncFor) else None
        return ast.parse(f"({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, IndexError):
        return None


def label(node: ast.expr | None) -> str | None:
    """What a reader would call the value of an expression; None of a sum of several things."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.NamedExpr):
        return node.target.id
    if isinstance(node, ast.Subscript):
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else label(node.value)
    if isinstance(node, ast.Call):
        return _label_of_call(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mult):
        left, right = label(node.left), label(node.right)
        return right if left is None or (right is not None and is_loss(right) and not is_loss(left)) else left
    return None


def _label_of_call(node: ast.Call) -> str | None:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else None
    if called in OF_ITS_ARGUMENT and node.args:
        return label(node.args[0])
    if isinstance(node.func, ast.Attribute) and (called in SAME or called == "backward"):
        return label(node.func.value)
    return label(node.func)


def is_loss(name: str) -> bool:
    """Whether a name says that it is what is minimized."""
    return any(word in name.lower() for word in LOSSES)


def loaded_before(code: CodeType, instruction: int) -> str | None:
    """Without its text: the variable that was loaded just before the ``backward`` that is called at an instruction."""
    before = found = None
    for each in dis.get_instructions(code):
        if each.offset > instruction:
            break
        if each.argval == "backward":
            found = before
        elif each.opname in ("LOAD_METHOD", "LOAD_ATTR"):
            found = None  # of another method's call
        if each.opname not in ("CACHE", "PUSH_NULL", "NOP"):
            before = each
    if found is None or "LOAD_" not in found.opname or not isinstance(names_in(found)[-1], str):
        return None
    return str(names_in(found)[-1])


def names_in(instruction: dis.Instruction) -> tuple[Any, ...]:
    """What an instruction stores, then what it loads: since Python 3.13 one may do both (``STORE_FAST_LOAD_FAST``)."""
    return instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)


def following(code: CodeType, instruction: int) -> Iterator[dis.Instruction]:
    """What is done after an instruction, as far as there is no branch; a return is the last of it."""
    for each in dis.get_instructions(code):
        if each.offset <= instruction or each.opname in ("CACHE", "PRECALL", "EXTENDED_ARG"):
            continue
        if "JUMP" in each.opname or each.opname.startswith(("FOR_ITER", "YIELD")):
            return
        yield each
        if each.opname.startswith("RETURN"):
            return


def stored_as(frames: list[FrameType]) -> tuple[str | None, bool]:
    """The variable, or the key, that receives what is computed in the first of the user's frames, and whether something else is added before.

    ``val_loss += criterion(y, t).item()`` is ``("val_loss", False)``; ``loss = bce(y, t) + kl`` is ``("loss", True)``; what a function
    returns as it is, or as one of several things, is its caller's.
    """
    is_sum = False
    for frame, caller in itertools.zip_longest(frames, frames[1:]):
        variable, is_added, is_returned = _stored(frame)
        is_sum = is_sum or is_added
        if not is_returned:
            if variable is None and caller is not None:
                variable = _unpacked(caller, returned_as(frame))
            return variable, is_sum
    return None, is_sum


def returned_as(frame: FrameType) -> int | None:
    """The position of what is computed in a frame among the several things that it returns; None if it returns it otherwise, or not."""
    done = list(itertools.islice(following(frame.f_code, frame.f_lasti), 100))
    if len(done) < 2 or done[-1].opname != "RETURN_VALUE" or done[-2].opname != "BUILD_TUPLE":
        return None
    returned, computed = expression(frame.f_code, done[-2].offset), expression(frame.f_code, frame.f_lasti)
    if computed is None or not isinstance(returned, ast.Tuple):
        return None
    text = ast.dump(computed)
    places = [place for place, each in enumerate(returned.elts) if any(ast.dump(part) == text for part in ast.walk(each))]
    return places[0] if len(places) == 1 else None


def _unpacked(frame: FrameType, place: int | None) -> str | None:
    """The variable of those that a frame's call is unpacked to at once, at a place."""
    done = list(itertools.islice(following(frame.f_code, frame.f_lasti), 0 if place is None else place + 2))
    if place is None or len(done) < place + 2 or done[0].opname != "UNPACK_SEQUENCE":
        return None
    return done[-1].argval if all(each.opname.startswith("STORE_") and isinstance(each.argval, str) for each in done[1:]) else None


def _stored(frame: FrameType) -> tuple[str | None, bool, bool]:
    """The same of one frame; and whether it is returned instead."""
    is_sum, is_part, before = False, False, None
    for number, each in enumerate(following(frame.f_code, frame.f_lasti)):
        if number > 24:
            break
        is_sum = is_sum or is_addition(each)
        if each.opname.startswith(("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR")):
            variable = str(names_in(each)[0])
            return variable, is_sum or is_added_to(variable, frame.f_code, each.offset), False
        if each.opname == "STORE_SUBSCR" and before is not None and before.opname == "LOAD_CONST" and isinstance(before.argval, str):
            return before.argval, is_sum, False
        if each.opname == "RETURN_VALUE":
            return None, is_sum, not is_part
        if each.opname in ("POP_TOP", "STORE_SUBSCR"):
            break
        is_part = is_part or each.opname.startswith("BUILD_")
        before = each
    return None, is_sum, False


def is_addition(instruction: dis.Instruction) -> bool:
    return instruction.opname in ("BINARY_ADD", "BINARY_SUBTRACT") or (instruction.opname == "BINARY_OP" and instruction.argrepr in ("+", "-"))


def is_added_to(variable: str, code: CodeType, instruction: int) -> bool:
    """Whether what is stored in a variable at an instruction is added to when that is stored next: ``loss = loss + kl``, not ``total += loss``."""
    is_used, before = False, None
    for each in dis.get_instructions(code):
        if each.offset <= instruction or each.opname in ("CACHE", "PRECALL", "EXTENDED_ARG"):
            continue
        is_used = is_used and not each.starts_line
        if each.opname.startswith("STORE_") and names_in(each)[0] == variable:
            return is_used and before is not None and (is_addition(before) or before.argrepr in ("+=", "-=") or before.opname in IN_PLACE)
        is_used = is_used or (each.opname.startswith("LOAD_") and variable in names_in(each))
        before = each
    return False


def split_at(frames: list[FrameType]) -> str | None:
    """The data set that a loss without a loader is of, as its variable says, else the line that called for it, else the function.

    Or that it is of several in turn, else what a text in the calls further out says; ``frames`` are the user's, the innermost first.
    """
    said = split_of(stored_as(frames)[0])
    if said is None and len(frames) > 1:
        said = split_of(stored_as(frames[1:2])[0]) or split_given(frames[1])
    if said is None and any(is_in_a_round_of_splits(frame.f_code, frame.f_lasti) for frame in frames):
        return SEVERAL
    if said is None:
        said = split_of(said_by_function(frames[0].f_code.co_name))
    return said or next((said for frame in frames if (said := split_given(frame, texts_alone=True)) is not None), None)


def split_given(frame: FrameType, *, texts_alone: bool = False) -> str | None:
    """The data set that a call in a frame speaks of in what it gives, ``loss_of("val")`` or ``loss_of(x_test)``; None if of several."""
    node = expression(frame.f_code, frame.f_lasti)
    if not isinstance(node, ast.Call):
        return None
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    told = {split_of(each.value) for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)} - {None}
    if not told and not texts_alone:
        told = {split_of(word) for each in given for word in words_of(label(each) or "") if word in SPLITS}
    return told.pop() if len(told) == 1 else None


def said_by_function(name: str | None) -> str:
    """What a function's name may say of the data set: one that trains evaluates others, unless it is the loss itself."""
    if name is None or name == "<module>" or ("train" in name and not is_loss(name) and "eval" not in name):
        return ""
    return name.replace("eval", "val")


def words_of(name: str) -> list[str]:
    """``running_vLoss2`` is ``running``, ``v``, ``loss``, ``2``."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())


def is_in_a_round_of_splits(code: CodeType, instruction: int) -> bool:
    """Whether an instruction is inside of ``for split in ["train", "val"]``, or is the call of such a comprehension."""
    done = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PRECALL", "RESUME", "EXTENDED_ARG")]
    for number, (words, iteration) in enumerate(itertools.pairwise(done), 2):
        if iteration.opname != "GET_ITER" or not isinstance(words.argval, tuple):
            continue
        if len({split_of(word) for word in words.argval if isinstance(word, str)} - {None}) < 2:
            continue
        for each, after in itertools.pairwise(done[number : number + 7]):
            if each.opname in ("FOR_ITER", "CALL", "CALL_FUNCTION"):
                end = each.argval if each.opname == "FOR_ITER" else after.offset
                if each.offset <= instruction < end:
                    return True
                break
    return False


def split_of(*words: str | None) -> str | None:
    """The data set that the first telling one of some names speaks of: ``val``, ``test`` or ``train``."""
    for word in words:
        low = (word or "").lower()
        for split, marks in (("val", ("val", "dev", "holdout")), ("test", ("test",)), ("train", ("train",))):
            if any(mark in low for mark in marks):
                return split
    return None
