"""Captions as targets."""

import numpy as np
import torch

from caig.reward.captions import learned_phrases, said_phrases
from caig.reward.losses import caption_loss


def test_rare_phrases_are_left_out_and_unknown_captions_count_for_nothing():
    captions = ["Beach, night."] * 999 + ["beach, a typo", None]
    assert learned_phrases(captions) == ["beach", "night"]
    assert learned_phrases([None]) == []


def test_an_ad_without_a_caption_has_no_target_and_no_loss():
    said = said_phrases(["night, fog", None], ["beach", "night"])
    np.testing.assert_array_equal(said, [[0, 1], [np.nan, np.nan]])
    logits = torch.tensor([[0.3, -0.2], [5.0, 5.0]])
    p = torch.sigmoid(logits[0])
    by_hand = -torch.log(1 - p[0]) - torch.log(p[1])
    torch.testing.assert_close(
        caption_loss(logits, torch.from_numpy(said)), torch.stack([by_hand, torch.tensor(0.0)])
    )
