import warnings
from pathlib import Path

import pytest

from caig.config import load_config
from reference_models.diffusion.config import BuildConfig

MINUTE = Path(__file__).parents[3] / "configs/diffusion/minute.toml"


@pytest.fixture(scope="session")
def minute():
    """Settings with which every stage takes seconds."""
    return load_config(BuildConfig, MINUTE)


@pytest.fixture(scope="session")
def built(minute, tmp_path_factory):
    """A build with those settings, never interrupted, and the folder of its state."""
    from reference_models.diffusion.building_net import build

    state = tmp_path_factory.mktemp("state")
    with warnings.catch_warnings():  # diffusers' scheduler, under NumPy 2
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return build(minute, state=state, tell=lambda _: None), state
