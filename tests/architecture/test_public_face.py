"""The public face: names and signatures, as a snapshot. A change here is a change for users: say so in the CHANGELOG."""

import inspect
from pathlib import Path

import autotrack

SNAPSHOT = Path(__file__).with_name("public_face.txt")


def face():
    lines = []
    for name in sorted(autotrack.__all__):
        thing = getattr(autotrack, name)
        if inspect.isclass(thing):
            lines.append(f"class {name}")
            for method, value in sorted(vars(thing).items()):
                if not method.startswith("_") and callable(value):
                    lines.append(f"  {name}.{method}{inspect.signature(value)}")
        elif callable(thing):
            lines.append(f"{name}{inspect.signature(thing)}")
        else:
            lines.append(name)
    return "\n".join(lines) + "\n"


def test_the_public_face_is_the_snapshot():
    assert face() == SNAPSHOT.read_text(), "if the change is meant: python tests/architecture/test_public_face.py"


def test_every_public_name_is_documented():
    things = {name: getattr(autotrack, name) for name in autotrack.__all__ if not name.startswith("__")}
    assert [name for name, thing in things.items() if callable(thing) and not inspect.getdoc(thing)] == []


if __name__ == "__main__":
    SNAPSHOT.write_text(face())
