"""Which code and which machine made a run."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import caig
from caig.contracts.records import CodeVersion, Environment

NUMERIC_PACKAGES = ("numpy", "polars", "scipy", "torch", "transformers", "diffusers")


def code_version() -> CodeVersion:
    """The distribution's version, and the commit when it runs from a checkout of its own."""
    checkout = Path(caig.__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return CodeVersion(version=caig.version())
    commit = _git(checkout, "rev-parse", "HEAD")
    if commit is None:
        return CodeVersion(version=caig.version())
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return CodeVersion(
        version=caig.version(), git=commit, dirty=None if changes is None else bool(changes)
    )


def environment() -> Environment:
    """Python, platform, device, and the packages whose numerics matter."""
    installed = {}
    for package in NUMERIC_PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages=installed,
        device="cpu",
    )


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
