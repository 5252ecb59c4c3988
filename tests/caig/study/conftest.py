"""The shop of coloured squares and a prompt model that has learnt to write two phrases."""

import pytest
from coloured_shop import write_shop
from preference_world import write_start


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    return write_shop(tmp_path_factory.mktemp("studied"))


@pytest.fixture(scope="session")
def policy_run(shop):
    return write_start(shop, shop.path.parent)
