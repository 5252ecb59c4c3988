"""The zero-shot scorer against a real server that somebody else wrote: ``transformers serve``."""

from contextlib import ExitStack

import pytest

from reference_models.api_config import ApiConfig
from reference_models.api_scorer import ApiScorer

for package in ("openai", "fastapi", "uvicorn", "transformers"):
    pytest.importorskip(package, reason=f"{package} is not installed; it is needed to serve")

from real_servers import transformers_server  # noqa: E402
from tiny_llava import save_tiny_llava  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Serves a model that says ``reply``; gives address and model name."""
    with ExitStack() as running:

        def start(reply):
            folder = tmp_path_factory.mktemp("llava")
            save_tiny_llava(folder / "model", reply)
            url = running.enter_context(transformers_server(folder))
            return url, str(folder / "model")

        yield start


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
