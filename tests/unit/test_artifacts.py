import hashlib
import os
import time

import pytest

from autotrack.artifacts import ArtifactStore, checked_name, digest_of
from autotrack.errors import ArtifactNotFound


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    return path


DIGEST = "sha256:" + hashlib.sha256(b"content").hexdigest()


def read(artifacts):
    with artifacts.open(DIGEST) as file:
        return file.read()


def files(artifacts):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(artifacts.root) for name in names)


def test_content_comes_back_by_its_digest(artifacts, file):
    assert artifacts.put_file(file) == (DIGEST, 7)
    assert digest_of(file) == (DIGEST, 7)
    assert read(artifacts) == b"content"
    assert artifacts.size(DIGEST) == 7
    assert artifacts.has(DIGEST)
    assert file.exists()
    hexadecimal = DIGEST.removeprefix("sha256:")
    assert files(artifacts) == [f"{artifacts.root}/sha256/{hexadecimal[:2]}/{hexadecimal}"]


def test_the_same_content_is_stored_once(artifacts, file, tmp_path):
    artifacts.put_file(file)
    other = tmp_path / "b.bin"
    other.write_bytes(b"content")
    assert artifacts.put_file(other) == (DIGEST, 7)
    assert len(files(artifacts)) == 1


def test_a_file_can_be_moved_in(artifacts, file, tmp_path):
    artifacts.take_file(file, DIGEST)
    assert read(artifacts) == b"content"
    assert not file.exists()
    file.write_bytes(b"content")
    artifacts.take_file(file, DIGEST)
    assert not file.exists()
    assert len(files(artifacts)) == 1


def test_what_is_not_there_says_so(artifacts):
    with pytest.raises(ArtifactNotFound, match="is not in"):
        artifacts.open(DIGEST)
    with pytest.raises(ArtifactNotFound, match="is not in"):
        artifacts.size(DIGEST)
    artifacts.delete(DIGEST)
    assert not artifacts.has(DIGEST)


@pytest.mark.parametrize("digest", ["", "sha256:", "../../etc/passwd", "sha256:../../../etc", f"sha256:{'A' * 64}", f"{DIGEST}/..", f"{DIGEST}\n"])
def test_nothing_but_a_digest_is_looked_for(artifacts, digest):
    with pytest.raises(ArtifactNotFound, match="is no digest"):
        artifacts.open(digest)


def test_a_sweep_removes_what_no_run_has(artifacts, tmp_path):
    kept = [tmp_path / name for name in "ab"]
    for path in kept:
        path.write_text(path.name * 10)
    digests = [artifacts.put_file(path)[0] for path in kept]
    assert artifacts.sweep({digests[0]}) == (0, 0)  # too young: its record may be on its way
    assert artifacts.sweep({digests[0]}, grace_s=-1) == (1, 10)
    assert [artifacts.has(digest) for digest in digests] == [True, False]


def test_content_that_is_stored_again_is_young_again(artifacts, file):
    artifacts.put_file(file)
    long_ago = time.time() - 100_000
    os.utime(files(artifacts)[0], (long_ago, long_ago))
    artifacts.put_file(file)
    assert artifacts.sweep(set()) == (0, 0)
    os.utime(files(artifacts)[0], (long_ago, long_ago))
    assert artifacts.sweep(set()) == (1, 7)


def test_it_can_lie_wherever_fsspec_reaches(file):
    artifacts = ArtifactStore("memory://bucket/artifacts")
    assert not artifacts.has(DIGEST)
    assert artifacts.put_file(file) == (DIGEST, 7)
    assert read(artifacts) == b"content"
    assert artifacts.size(DIGEST) == 7
    assert artifacts.sweep({DIGEST}, grace_s=-1) == (0, 0)
    assert artifacts.sweep(set(), grace_s=-1) == (1, 7)
    with pytest.raises(ArtifactNotFound):
        artifacts.open(DIGEST)
    artifacts.take_file(file, DIGEST)
    assert artifacts.has(DIGEST)
    assert not file.exists()
    artifacts.delete(DIGEST)


@pytest.mark.parametrize("name", ["a", "plots/roc.png", "ä ö/ü.txt", ".hidden", "a..b", "ü" * 127 + "/" + "x" * 255])
def test_names_that_stay_in_their_run(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "..", "a/../b", "../x", "a//b", "./a", "a/", "C:\\x", "a\\..\\b", "a\0b", "a\nb", " a",
        "x" * 1001, "x" * 256, "ü" * 128, None,
    ],
)
def test_names_that_lead_out_of_it_are_refused(name):
    with pytest.raises(ValueError, match="is no name for an artifact"):
        checked_name(name)
