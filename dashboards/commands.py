"""``caig dashboard``: start the pages on a folder of runs, for this machine only."""

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from caig.errors import CaigError, PrerequisiteError

ADDRESS = "127.0.0.1"


def serve(runs: Path = Path("runs"), *, port: int = 8501, open_browser: bool = True) -> None:
    """Open the review pages on a folder of runs. Ctrl-C ends them.

    The pages only read. They listen on 127.0.0.1 and load nothing from elsewhere.

    Args:
        runs: Folder of all runs.
        port: Port to listen on.
        open_browser: Open a browser, where this machine has a screen.
    """
    if find_spec("streamlit") is None or find_spec("altair") is None:
        raise PrerequisiteError.from_extra("the dashboard", "dashboard")
    if not runs.is_dir():
        raise CaigError(f"{runs}: no such folder; `caig demo` makes one, --runs names another")
    _check_port(port)
    print(f"Dashboard on {runs}: http://{ADDRESS}:{port} (Ctrl-C ends it)", flush=True)
    # Replaces this process: Ctrl-C and a service manager's signals reach the server itself, and no
    # child can outlive its parent.
    os.execv(sys.executable, _server_command(runs, port, open_browser=open_browser))


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise CaigError(f"--port must be from 1 to 65535 (got {port})")
    with socket.socket() as probe:
        # As servers do; without it a port freed a moment ago would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise CaigError(
                f"cannot listen on {ADDRESS}:{port}: {error.strerror}; choose another with --port"
            ) from None


def _server_command(runs: Path, port: int, *, open_browser: bool) -> list[str]:
    """The server's command line.

    Settings that keep the pages on this machine stand here as well as in
    ``.streamlit/config.toml``: flags win over a user's own files and environment.
    """
    flags = {
        "server.address": ADDRESS,
        "server.port": str(port),
        "browser.serverAddress": ADDRESS,
        "browser.gatherUsageStats": "false",
    }
    if not open_browser:
        flags["server.headless"] = "true"
    return [
        sys.executable,
        # The current folder is not on the module path: a file there must not pose as a package.
        "-P",
        "-m",
        "streamlit",
        "run",
        str(Path(__file__).with_name("app.py")),
        *(f"--{name}={value}" for name, value in flags.items()),
        "--",
        str(runs.resolve()),
    ]
