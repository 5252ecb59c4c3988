"""Two servers of OpenAI's shape that others wrote, each serving a tiny model on the loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

STARTS_WITHIN = 240

LLAMA = """\
import sys, time
import xllamacpp
asked = xllamacpp.CommonParams()
asked.model.path = sys.argv[1] + "/words.gguf"
if sys.argv[2] == "eyes":
    asked.mmproj.path = sys.argv[1] + "/eyes.gguf"
asked.n_ctx, asked.n_parallel, asked.cpuparams.n_threads = 8192, 4, 1
asked.warmup, asked.use_jinja = False, True
server = xllamacpp.Server(asked)
print(server.listening_address, flush=True)
while sys.stdin.read(1):
    pass
"""
"""Serves until its standard input ends, so that it outlives nobody."""


@contextmanager
def llama_server(folder, *, eyes=True):
    """Serve the model of ``tiny_gguf`` by llama.cpp's server; gives its address."""
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", LLAMA, str(folder), "eyes" if eyes else "blind"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdin.close()
        process.stdout.close()


@contextmanager
def transformers_server(folder):
    """Serve the checkpoint in ``folder``/model by ``transformers serve``; gives its address."""
    (folder / "cache").mkdir(exist_ok=True)
    port, log = _free_port(), folder / "server.log"
    # Without a folder of the hub's, its list of models is an error.
    offline = {"HF_HUB_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "transformers.cli.transformers",
                "serve",
                str(folder / "model"),
                *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | offline,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(url, process, log):
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"no server within {STARTS_WITHIN} s:\n{log.read_text()}")
