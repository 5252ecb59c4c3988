"""The shop of coloured squares as a run, and a very small model for it."""

import pytest
from coloured_shop import SMALL, write_shop

from caig.mllm.corpus import read_corpus
from caig.mllm.tiny import build_tiny


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def corpus(shop):
    return read_corpus(shop)


@pytest.fixture
def tiny(corpus):
    texts = [text for ad in corpus.ads for text in (ad.caption, "Which place suits it?")]
    texts += [item.title for item in corpus.items]
    return build_tiny(texts, SMALL, seed=0)
