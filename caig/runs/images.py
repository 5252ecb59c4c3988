"""Pictures of a run, named by what is in them: ``images/ab/<sha256>.png``, or another suffix.

The name is the checksum, so equal pictures are one file, no picture is ever written over, and a
picture that was altered gives itself away. Pictures are not listed in the manifest one by one: the
tables that name them are.
"""

import hashlib
from pathlib import Path, PurePosixPath

from caig.runs.files import sha256_file, write_atomic

FOLDER = "images"


def add_image(run: Path, content: bytes, suffix: str = ".png") -> tuple[str, str]:
    """Store a picture durably; one that is there already is left alone.

    Args:
        run: Folder of the run.
        content: Encoded picture.
        suffix: Of its format, with the dot.

    Returns:
        Path relative to the run's folder, and SHA-256 (hex).
    """
    digest = hashlib.sha256(content).hexdigest()
    path = _place(run, digest, suffix)
    if not path.exists():
        write_atomic(path, content)
    return str(path.relative_to(run)), digest


def link_image(run: Path, file: Path, digest: str, suffix: str) -> str:
    """Point at a picture outside the run, where a copy would cost too much.

    Args:
        run: Folder of the run.
        file: The picture.
        digest: SHA-256 of its content (hex).
        suffix: Of its format, with the dot.

    Returns:
        Path relative to the run's folder.
    """
    path = _place(run, digest, suffix)
    if not path.is_symlink():
        path.symlink_to(file.resolve())
    return str(path.relative_to(run))


def leads_out(path: str) -> bool:
    """True if a path of a table, which may be anybody's, leaves the run's folder."""
    parts = PurePosixPath(path.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts


def altered_images(run: Path) -> list[str]:
    """Pictures that are gone or no longer what their name says, as messages."""
    problems = []
    for path in sorted((run / FOLDER).glob("*/[!.]*")):
        if not path.is_file():
            problems.append(f"{path}: the picture it points at is gone")
        elif sha256_file(path) != path.stem:
            problems.append(
                f"{path}: content changed: it is not the picture that its name stands for"
            )
    return problems


def _place(run: Path, digest: str, suffix: str) -> Path:
    path = run / FOLDER / digest[:2] / f"{digest}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
