"""The axis of lift figures."""

import pytest

from caig.axis import next_round, symmetric_reach


@pytest.mark.parametrize(
    ("value", "reach"),
    [(0.1, 0.1), (0.11, 0.2), (0.29, 0.3), (0.61, 0.8), (0.81, 1.0), (0.0, 1e-4)],
)
def test_next_round_number(value, reach):
    assert next_round(value) == reach


def test_nothing_to_draw():
    assert symmetric_reach([]) == 0.1
    assert symmetric_reach([(None, None, None)]) == 0.1


def test_every_estimate_fits_but_not_every_interval():
    narrow = [(0.02, -0.05, 0.09)] * 19
    assert symmetric_reach([*narrow, (0.05, -0.9, 1.0)]) == 0.1
    assert symmetric_reach([*narrow, (0.39, 0.1, 1.0)]) == 0.5
    assert symmetric_reach([(None, 0.02, None)]) == 0.02
