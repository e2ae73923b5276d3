"""``scripts/vendor.py``: the page's libraries are put in place while others may be reading them."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def vendor():
    spec = importlib.util.spec_from_file_location("vendor", Path(__file__).parents[2] / "scripts" / "vendor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_newer_library_takes_the_place_of_an_older_one_without_a_moment_without_it(vendor, tmp_path, monkeypatch):
    fetched, folder = tmp_path / "node_modules", tmp_path / "vendor"
    names = {*vendor.MODULES, *vendor.LICENCES}
    folder.mkdir()
    for name in [*names, "of-long-ago.js"]:
        (folder / name).write_text("old")
    for source in (vendor.MODULES | vendor.LICENCES).values():
        (fetched / source).parent.mkdir(parents=True, exist_ok=True)
        (fetched / source).write_text("new")

    copied = []

    def copyfile(source, target):
        copied.append(target)
        assert all((folder / name).read_text() in ("old", "new") for name in names)
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(vendor.shutil, "copyfile", copyfile)
    vendor.put(fetched, folder)
    assert len(copied) == len(names)
    assert {path.name for path in folder.iterdir()} == {*names, "lock.sha256"}
    assert {(folder / name).read_text() for name in names} == {"new"}
    assert (folder / "lock.sha256").read_text().strip() == vendor.locked()
