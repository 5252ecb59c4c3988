"""The shop of coloured squares as a run, very small prompt models, and pairs to learn from."""

import copy

import pytest
from coloured_shop import KINDS, PLACES, SMALL, write_shop
from preference_world import write_start

from caig.generation.generating import products_of
from caig.mllm.load import Mllm
from caig.mllm.tiny import build_tiny
from caig.preference.questions import ask
from caig.preference.trainer import Preference


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return write_shop(tmp_path_factory.mktemp("preferred"))


@pytest.fixture(scope="session")
def questions(shop):
    return ask(products_of(shop), states_category=True, seed=0)


@pytest.fixture(scope="session")
def built(questions):
    texts = [question.instruction for question in questions]
    texts += [f"{place}, night" for place in PLACES] * 4
    return build_tiny(texts, SMALL, seed=0)


@pytest.fixture
def policy(built):
    return copied(built)


@pytest.fixture
def reference(built):
    return copied(built)


def copied(mllm):
    return Mllm(copy.deepcopy(mllm.model), mllm.processor)


@pytest.fixture(scope="session")
def preferences(questions):
    """A pair a product; the chosen ones are the places of another kind of goods."""
    places, kinds = list(PLACES), list(KINDS)
    pairs = []
    for n, question in enumerate(questions):
        home = places[n % len(kinds)]
        away = places[(n + 1) % len(kinds)]
        pairs.append(
            Preference(question.example, f"{away}, night", f"{home}, daylight, plain", 0.8)
        )
    return pairs


@pytest.fixture(scope="session")
def policy_run(shop):
    """A prompt model that has learnt to write two phrases and end."""
    return write_start(shop, shop.path.parent)
