"""Replace functions of a framework, and put them back exactly: the kinds of wrapper.

A method is replaced by a plain closure: it pickles by its name, as bound methods do, and copies, binds and shows its
signature as the original. A function in a module is replaced by an object that pickles as the original. An ``available_if``
descriptor stays, and what it holds is replaced. What is pickled never names an autotrack module.

The call of the original stands in one frame of ours, outside every guard. That frame bears the mark by which ``warnings``
and ``logging`` know a frame of the import system and step over it, so a framework's warning with a ``stacklevel`` lands
on the user's line, as it does without us (``is_internal_frame`` in CPython's Python/_warnings.c).
"""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias

import wrapt

from autotrack.errors import TargetMissing
from autotrack.guard import guard

FRAME = "<autotrack.instrument.patches, passed over like importlib._bootstrap>"
ABSENT: Any = object()


class Around(Protocol):
    """What stands around one call: the arguments it is made with, and what hears how it ended."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    def __enter__(self) -> object: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None: ...


class Unchanged:
    """Around a call that is made with these arguments; nothing hears how it ended."""

    __slots__ = ("args", "kwargs", "result")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.result: Any = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        return None


# Asked before each call; None lets the call through as it is. It must not raise: see guard.guarded.
Observe: TypeAlias = "Callable[[Patch, tuple[Any, ...], dict[str, Any]], Around | None]"

# Makes a wrapper of a function, which asks ``patch.on`` itself.
Make: TypeAlias = "Callable[[Patch, Callable[..., Any]], Callable[..., Any]]"


class Binding(NamedTuple):
    """One name that a wrapper was put under."""

    owner: Callable[[], Any]  # a weak reference: classes and modules come and go
    name: str
    held: Any  # what stood there, ABSENT if it was inherited
    placed: Any


class Patch:
    """One function of a framework, wrapped under every name it goes by, and reversible.

    The wrapper asks ``on`` at each call. Where another library wrapped the wrapper, it cannot be taken off: it goes
    dormant. A wrapper that travels to another process by value (cloudpickle, a class of ``__main__``) arrives dormant,
    and needs no autotrack there.
    """

    __slots__ = ("__weakref__", "bindings", "is_method", "observe", "on", "original", "wrapper")

    def __init__(self, original: Callable[..., Any], observe: Observe, *, is_method: bool = False) -> None:
        self.on = True
        self.original = original
        self.observe = observe
        self.is_method = is_method  # its first argument is what it is called on
        self.bindings: list[Binding] = []
        self.wrapper: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return types.SimpleNamespace, (), {"on": False}

    @property
    def place(self) -> str:
        """What it observes, in words for a warning."""
        return f"observing {self.original.__module__}.{self.original.__qualname__}"

    def bind(self, owner: Any, name: str, placed: Any) -> None:
        """Put the wrapper under a name of a class, a module or a descriptor."""
        held = vars(owner).get(name, ABSENT)
        setattr(owner, name, placed)
        self.bindings.append(Binding(weakref.ref(owner), name, held, placed))

    def note(self, owner: Any, name: str) -> None:
        """The wrapper came under another name, imported from where it already stood: so that it is restored there too."""
        if not any(binding.owner() is owner and binding.name == name for binding in self.bindings):
            self.bindings.append(Binding(weakref.ref(owner), name, self.original, self.wrapper))

    def restore(self) -> None:
        """Put back what stood under each name; where someone else has replaced us since, go dormant and leave theirs."""
        self.on = False
        for owner_of, name, held, placed in reversed(self.bindings):
            owner = owner_of()
            if owner is None or vars(owner).get(name, ABSENT) is not placed:
                continue
            if held is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, held)
        self.bindings.clear()


def closure(patch: Patch, original: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper of a method (or of a compiled function): a plain function around the original."""

    def observed(*args: Any, **kwargs: Any) -> Any:
        if not patch.on:
            return original(*args, **kwargs)
        around = patch.observe(patch, args, kwargs)
        if around is None:
            return original(*args, **kwargs)
        with around:
            around.result = result = original(*around.args, **around.kwargs)
        return result

    observed.__code__ = passed_over(observed.__code__)
    return functools.update_wrapper(observed, original)


@functools.cache
def passed_over(code: types.CodeType) -> types.CodeType:
    """The same code, in a frame that warnings and logging step over."""
    return code.replace(co_filename=FRAME)


def _function_observed(patch: Patch) -> Callable[..., Any]:
    def observed(original: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not patch.on:
            return original(*args, **kwargs)
        around = patch.observe(patch, args, kwargs)
        if around is None:
            return original(*args, **kwargs)
        with around:
            around.result = result = original(*around.args, **around.kwargs)
        return result

    observed.__code__ = passed_over(observed.__code__)
    return observed


class ObservedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg,misc,unused-ignore]  # typed since wrapt 2
    """A module's function, observed; it pickles as the original."""

    def __init__(self, patch: Patch) -> None:
        super().__init__(patch.original, _function_observed(patch))
        self._self_patch = patch

    def __reduce_ex__(self, protocol: Any) -> Any:
        original = self.__wrapped__
        there = _global_of(original)
        if there is self:
            return original.__qualname__  # as the global that it stands for
        if patch_of(there) is not None:  # another of our wrappers has taken this one's place
            return operator.itemgetter(0), ((there,),)
        return operator.itemgetter(0), ((original,),)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    def __copy__(self) -> ObservedFunction:
        return self

    def __deepcopy__(self, memo: Any) -> ObservedFunction:
        return self

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def _global_of(function: Any) -> Any:
    """What stands now where a function says that it was defined."""
    place: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        place = getattr(place, name, None)
    return place


def patch_of(thing: Any) -> Patch | None:
    """The patch whose wrapper it is; None if it is not one of ours."""
    kind = type(thing)
    if kind is ObservedFunction:
        patch = thing._self_patch
        return patch if isinstance(patch, Patch) else None
    if kind is not types.FunctionType:
        return None
    code = thing.__code__
    if code.co_filename is not FRAME:
        return None
    for name, cell in zip(code.co_freevars, thing.__closure__ or (), strict=True):
        if name == "patch" and isinstance(cell.cell_contents, Patch):
            return cell.cell_contents
    return None


def is_observed(function: Any, by: Observe | None = None) -> bool:
    """Whether a live wrapper of ours is somewhere in it, also below what other libraries wrapped around it.

    ``by``: only one that asks this observer; two integrations may both observe a function.
    """
    for _ in range(20):
        patch = patch_of(function)
        if patch is not None and patch.on and by in (None, patch.observe):
            return True
        function = getattr(function, "__wrapped__", None)
        if function is None:
            return False
    return False


class Patches:
    """The patches of one declaration, to be taken off together."""

    def __init__(self, make: Make | None = None) -> None:
        self._make = make  # of the wrappers, where they are not to be the usual ones
        self._patches: weakref.WeakSet[Patch] = weakref.WeakSet()  # a wrapper keeps its patch; a class that dies takes both along
        self._functions: dict[int, Patch] = {}  # of module functions, by the identity of the original

    def wrap_target(self, module: types.ModuleType, path: str, observe: Observe) -> None:
        """Wrap what ``path`` ("train", "Trainer.fit") names in a module.   Raises: TargetMissing."""
        *owners, name = path.split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part, None)
        if owner is None or not hasattr(owner, name):
            raise TargetMissing(f"{module.__name__} has no {path}")
        if isinstance(owner, type):
            self.wrap_method(next(cls for cls in owner.__mro__ if name in vars(cls)), name, observe)
        else:
            self.wrap_function(owner, name, observe)

    def wrap_method(self, cls: type, name: str, observe: Observe) -> None:
        """Wrap a method in the class that defines it.   Raises: TargetMissing if it cannot be."""
        held = without_dormant(cls, name, vars(cls)[name])
        if is_observed(unwrapped(held), observe):
            return
        try:
            if isinstance(held, staticmethod | classmethod):
                patch = self._patch(held.__func__, observe, is_method=isinstance(held, classmethod))
                patch.bind(cls, name, type(held)(patch.wrapper))
            elif isinstance(getattr(held, "fn", None), types.FunctionType) and not callable(held):
                patch = self._patch(held.fn, observe, is_method=True)
                patch.bind(held, "fn", patch.wrapper)
            elif becomes_method(held):
                patch = self._patch(held, observe, is_method=True)
                patch.bind(cls, name, patch.wrapper)
            else:
                raise TargetMissing(f"{cls.__module__}.{cls.__qualname__}.{name} is a {type(held).__name__}, not a method")
        except TypeError as error:  # a class written in C
            raise TargetMissing(f"{cls.__module__}.{cls.__qualname__}.{name} cannot be replaced: {error}") from error

    def wrap_function(self, module: Any, name: str, observe: Observe) -> None:
        """Wrap a function under one of its names; a further name of the same function gets the same wrapper."""
        held = getattr(module, name)
        ours = patch_of(held)
        if ours is not None and ours.on and self._functions.get(id(ours.original)) is ours:
            ours.note(module, name)
            return
        held = without_dormant(module, name, held)
        if is_observed(held, observe):
            return
        if isinstance(held, type) or not callable(held):
            raise TargetMissing(f"{module.__name__}.{name} is a {'class' if isinstance(held, type) else type(held).__name__}, not a function")
        patch = self._functions.get(id(held))
        if patch is None:
            patch = self._patch(held, observe, wrapper=_as_object if isinstance(held, types.FunctionType) else closure)
            self._functions[id(held)] = patch
        patch.bind(module, name, patch.wrapper)

    def wrap_family(self, base: type, methods: Iterable[str], observe: Observe) -> None:
        """Wrap methods wherever a class of the family defines them: present classes, and future ones as they are made."""
        names = tuple(methods)

        def adopt(cls: type) -> None:
            own = vars(cls)
            for name in names:
                if name in own:
                    with contextlib.suppress(TargetMissing):  # `fit = None`, a property: nothing to call
                        self.wrap_method(cls, name, observe)

        for cls in family(base):
            adopt(cls)
        self._hear_of_subclasses(base, adopt)

    def _hear_of_subclasses(self, base: type, adopt: Callable[[type], None]) -> None:
        held = vars(base).get("__init_subclass__", ABSENT)
        if isinstance(held, classmethod):
            original = held.__func__
        else:

            def original(cls: type, /, **kwargs: Any) -> None:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]  # `base` is a class

            original.__name__ = "__init_subclass__"

        def afterwards(_patch: Patch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Around:
            return _Afterwards(adopt, args, kwargs)

        patch = self._patch(original, afterwards, is_method=True)
        patch.bind(base, "__init_subclass__", classmethod(patch.wrapper))

    @property
    def functions(self) -> list[Patch]:
        """Those of functions that stand in modules, where other modules may have taken them from."""
        return list(self._functions.values())

    def restore(self) -> None:
        """Take all patches off."""
        for patch in list(self._patches):
            patch.restore()
        self._patches.clear()
        self._functions.clear()

    def _patch(
        self, original: Callable[..., Any], observe: Observe, *, is_method: bool = False, wrapper: Callable[[Patch, Any], Any] = closure
    ) -> Patch:
        patch = Patch(original, observe, is_method=is_method)
        patch.wrapper = wrapper(patch, original) if self._make is None else made(self._make, patch)
        self._patches.add(patch)
        return patch


def _as_object(patch: Patch, _original: Any) -> ObservedFunction:
    return ObservedFunction(patch)


def made(make: Make, patch: Patch) -> Callable[..., Any]:
    """A wrapper that an integration wrote out, looking as the original does. As a global it pickles by its name, as that does."""
    wrapper: Any = make(patch, patch.original)
    wrapper.__code__ = passed_over(wrapper.__code__)
    return functools.update_wrapper(wrapper, patch.original)


class _Afterwards(Unchanged):
    """Around the making of a subclass: look at it once it is made."""

    __slots__ = ("_adopt",)

    def __init__(self, adopt: Callable[[type], None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(args, kwargs)
        self._adopt = adopt

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        if error is None:
            with guard("looking at a new subclass"):
                self._adopt(self.args[0])


def unwrapped(held: Any) -> Any:
    """The function in what a class holds under a name."""
    if type(held) is types.FunctionType:
        return held
    if isinstance(held, staticmethod | classmethod):
        return held.__func__
    inner = getattr(held, "fn", None)
    return inner if isinstance(inner, types.FunctionType) and not callable(held) else held


def becomes_method(held: Any) -> bool:
    """Whether it is called with the instance first. A bound method, a mock or a ``partial`` that a class holds is called without."""
    return callable(held) and hasattr(type(held), "__get__") and not isinstance(held, type | types.MethodType)


def without_dormant(owner: Any, name: str, held: Any) -> Any:
    """What stands under a name, once a wrapper of ours that had to be left there has made way for its original."""
    patch = patch_of(unwrapped(held))
    if patch is None or patch.on:
        return held
    original = type(held)(patch.original) if isinstance(held, staticmethod | classmethod) else patch.original
    if held is unwrapped(held) or isinstance(held, staticmethod | classmethod):
        setattr(owner, name, original)
        return original
    held.fn = patch.original
    return held


def family(base: type) -> Iterator[type]:
    """A class and all that are built on it, each once."""
    seen: set[type] = {base}
    waiting: list[type] = [base]
    while waiting:
        cls = waiting.pop()
        yield cls
        children: list[type] = type.__subclasses__(cls)
        for child in children:
            if child not in seen:
                seen.add(child)
                waiting.append(child)


def rebind_aliases(package: str, patches: Iterable[Patch]) -> None:
    """Find the names that modules outside ``package`` gave the originals before we came, and put the wrappers there.

    One sweep over all loaded modules, some 4 ms for 1600 of them.
    """
    wanted = {id(patch.original): patch for patch in patches if patch.on}
    for module, name, value in list(names_outside(package, wanted)):
        patch = wanted[id(value)]
        patch.bind(module, name, patch.wrapper)


def note_aliases(package: str, patches: Iterable[Patch]) -> None:
    """Find the names that modules outside ``package`` gave the wrappers since we came, so that they are restored too."""
    wanted = {id(patch.wrapper): patch for patch in patches}
    for module, name, value in list(names_outside(package, wanted)):
        wanted[id(value)].note(module, name)


def names_outside(package: str, wanted: Iterable[int]) -> Iterator[tuple[types.ModuleType, str, Any]]:
    """Names in loaded modules, outside a package and the standard library, whose value has one of the wanted identities."""
    identities = frozenset(wanted)
    if not identities:
        return
    passed = {package, "autotrack"} | sys.stdlib_module_names
    for full_name, module in sys.modules.copy().items():
        if full_name.partition(".")[0] in passed or not isinstance(module, types.ModuleType):
            continue
        names = types.ModuleType.__getattribute__(module, "__dict__")  # a lazy module would load itself if it were asked
        if not identities.isdisjoint(map(id, tuple(names.values()))):  # a copy, in one step: another thread may add names
            yield from ((module, name, value) for name, value in dict(names).items() if id(value) in identities)
