"""The zero-shot scorer against a real server that somebody else wrote: ``transformers serve``."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from reference_models.api_config import ApiConfig
from reference_models.api_scorer import ApiScorer

for package in ("openai", "fastapi", "uvicorn", "transformers"):
    pytest.importorskip(package, reason=f"{package} is not installed; it is needed to serve")

from tiny_llava import save_tiny_llava  # noqa: E402

pytestmark = pytest.mark.slow

STARTS_WITHIN = 240


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(url, process, log):
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the server did not start within {STARTS_WITHIN} s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serves a model that says ``reply``; gives address and model name."""
    processes = []

    def start(reply):
        folder = tmp_path_factory.mktemp("llava")
        save_tiny_llava(folder / "model", reply)
        (folder / "cache").mkdir()
        port, log = free_port(), folder / "server.log"
        offline = {
            "HF_HUB_CACHE": str(folder / "cache"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        with log.open("w") as file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "transformers.cli.transformers",
                    "serve",
                    str(folder / "model"),
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(port),
                    "--device",
                    "cpu",
                ],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | offline,
            )
        processes.append(process)
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        return f"http://127.0.0.1:{port}/v1", str(folder / "model")

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=30)


def ask(world, served, **settings):
    url, model = served
    scorer = ApiScorer(f"local:{model}", ApiConfig(base_url=url, timeout_s=120, **settings))
    return scorer, scorer.score_pairs(world.pairs.head(2), world.data.path)


def test_a_served_models_verdicts_become_scores_and_its_chatter_none(world, serve):
    served = serve("VERDICT: FIRST")
    scorer, scores = ask(world, served, layout="side_by_side")
    # It sees pictures (asked first), ends its reply, and says FIRST whatever is first.
    assert scores["p_left"].to_list() == [1.0, 0.0, 1.0, 0.0]
    told = scorer.questions["input_tokens"]
    assert told.null_count() == 0
    _, two = ask(world, served, layout="two_images", concurrency=2)
    assert two["p_left"].to_list() == [1.0, 0.0, 1.0, 0.0]


def test_a_served_model_that_says_something_else_has_no_score(world, serve):
    scorer, scores = ask(world, serve("Both are lovely."))
    assert scores.height == 0
    assert scorer.questions["detail"].unique().to_list() == ["the last line is no verdict"]
