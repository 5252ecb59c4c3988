"""Files written whole or not at all, and which code and machine made a run."""

import hashlib
import re
import subprocess
import sys

import polars as pl
import pytest

from caig.runs import provenance
from caig.runs.files import sha256_file, write_atomic


def test_write_atomic_replaces(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomic_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "text is not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomic_on_a_full_disk_leaves_neither_half_a_file_nor_rubbish(tmp_path):
    path = tmp_path / "a.json"
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from caig.runs.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_atomic(Path(sys.argv[1]), b'old')\n"
        "try: write_atomic(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_sha256_of_a_file_larger_than_a_chunk(tmp_path):
    content = bytes(range(256)) * 9_000
    (tmp_path / "big").write_bytes(content)
    assert sha256_file(tmp_path / "big") == hashlib.sha256(content).hexdigest()


# Provenance


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder the package believes it was imported from."""
    monkeypatch.setattr("caig.__file__", str(tmp_path / "caig" / "__init__.py"))
    return tmp_path


def test_code_outside_a_checkout(checkout):
    found = provenance.code_version()
    assert (found.git, found.dirty) == (None, None)
    assert re.fullmatch(r"\d+\.\d+\.\d+", found.version)


def test_code_of_a_checkout_without_commits(checkout):
    git(checkout, "init", "--quiet")
    found = provenance.code_version()
    assert (found.git, found.dirty) == (None, None)


def test_code_of_a_checkout_clean_dirty_and_unreadable(checkout):
    git(checkout, "init", "--quiet")
    (checkout / "a.py").write_text("1\n")
    git(checkout, "add", "a.py")
    git(checkout, "commit", "--quiet", "-m", "first")
    commit = git(checkout, "rev-parse", "HEAD")
    assert (provenance.code_version().git, provenance.code_version().dirty) == (commit, False)
    (checkout / "a.py").write_text("2\n")
    assert provenance.code_version().dirty is True
    (checkout / ".git" / "index").write_bytes(b"broken")
    assert (provenance.code_version().git, provenance.code_version().dirty) == (commit, None)


def test_environment_names_the_packages_whose_numerics_matter(monkeypatch):
    monkeypatch.setattr(provenance, "NUMERIC_PACKAGES", ("polars", "no-such-package"))
    found = provenance.environment()
    assert found.packages == {"polars": pl.__version__}
    assert found.python == ".".join(map(str, sys.version_info[:3]))
