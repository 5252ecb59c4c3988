"""Writing files so that a reader sees the whole file or none, and hashing them."""

import hashlib
import os
import shutil
from pathlib import Path

CHUNK_BYTES = 1 << 20


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: temporary file, fsync, rename, fsync of the folder.

    After a crash at any moment, ``path`` holds its old content or all of the new.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """SHA-256 of the file's content, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system cannot link."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
