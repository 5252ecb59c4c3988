"""How many at a time, and what may still be begun."""

import threading
import time

import pytest
from judge_world import config

from caig.chat.message import Reply
from evaluation.judge.budget import Budget
from evaluation.judge.replies import Spent
from evaluation.judge.throttle import Throttle


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def entered(throttle):
    """Whether one more may begin now."""
    thread = threading.Thread(target=throttle.enter, daemon=True)
    thread.start()
    thread.join(0.1)
    return not thread.is_alive()


def test_it_grows_while_all_is_well_and_no_further_than_allowed():
    throttle = Throttle(4)
    assert throttle.limit == 2
    seen = []
    for _ in range(40):
        throttle.enter()
        throttle.leave(200, ok=True)
        seen.append(int(throttle.limit))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], throttle.limit) == (2, 4, 4.0)
    assert Throttle(1).limit == 1


def test_a_busy_server_halves_it_once_a_moment():
    clock = Clock()
    throttle = Throttle(16, clock)
    throttle.limit = 16.0
    for _ in range(16):
        throttle.enter()
    for _ in range(16):  # sixteen refusals of one moment are one
        throttle.leave(429, ok=False)
    assert (throttle.limit, throttle.n_halved) == (8.0, 1)
    for status in (503, 529):
        clock.now += 2
        throttle.enter()
        throttle.leave(status, ok=False)
    assert throttle.limit == 2.0
    for _ in range(9):
        clock.now += 2
        throttle.enter()
        throttle.leave(429, ok=False)
    assert throttle.limit == 1.0  # one at a time always goes


@pytest.mark.parametrize("status", [500, None, 400])
def test_other_faults_change_nothing(status):
    throttle = Throttle(8)
    throttle.enter()
    throttle.leave(status, ok=False)
    assert (throttle.limit, throttle.n_halved) == (2.0, 0)


def test_no_more_than_its_limit_at_a_time():
    throttle = Throttle(2)
    assert [entered(throttle) for _ in range(2)] == [True, True]
    waiting = threading.Thread(target=throttle.enter, daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    throttle.leave(200, ok=True)
    waiting.join(10)
    assert not waiting.is_alive()
    assert not entered(throttle)


def test_all_wait_as_long_as_one_is_told():
    throttle = Throttle(8)
    throttle.enter()
    throttle.leave(429, ok=False, wait_s=0.4)
    began = time.monotonic()
    throttle.enter()
    assert time.monotonic() - began >= 0.39


PRICES = {"api__usd_per_million_input": 1e4, "api__usd_per_million_output": 2e4}
REPLY = Reply("reply", "x", "", 100, 5, 200)
USD = 100 * 1e4 / 1e6 + 5 * 2e4 / 1e6  # 1.1


def budget(before=None, *, is_free=False, **settings):
    return Budget(config(**settings), before or Spent(), is_free=is_free)


def test_prices():
    priced = budget(**PRICES)
    assert priced.price(REPLY) == pytest.approx(USD)
    # A server charges nothing for an error status; of a cut connection it is not known.
    assert priced.price(Reply("error", http_status=500)) == 0
    assert priced.price(Reply("error")) is None
    assert priced.price(REPLY._replace(input_tokens=None)) is None
    assert budget().price(REPLY) is None
    assert budget(is_free=True).price(REPLY) == 0


def test_what_is_under_way_counts_as_the_dearest_before():
    bound = budget(max_usd=4.0, **PRICES)
    assert bound.refuse() == ""
    bound.settle(USD)
    assert [bound.refuse() for _ in range(3)] == ["", "", "max_usd"]  # 1.1 + 2 x 1.1, not 4 x
    bound.settle(USD)
    bound.settle(None)  # of unknown price: as dear as the others
    assert bound.refuse() == "max_usd"
    assert bound.usd == pytest.approx(2 * USD)


def test_what_was_spent_before_counts():
    assert budget(Spent(10, 0, 0, 0, 11.0), max_usd=11.5, **PRICES).refuse() == "max_usd"
    assert budget(Spent(10, 0, 0, 0, 11.0), max_usd=12.5, **PRICES).refuse() == ""


def test_patience_and_time_end():
    bound = budget(api__give_up_after=2)
    bound.answered(failed=True)
    bound.answered(failed=False)
    bound.answered(failed=True)
    assert bound.refuse() == ""
    bound.answered(failed=True)
    assert bound.refuse() == "give_up_after"
    brief = budget(max_minutes=0.2 / 60)
    assert brief.refuse() == ""
    time.sleep(0.25)
    assert brief.refuse() == "max_minutes"
