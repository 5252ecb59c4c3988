import numpy as np
import torch

from reference_models.diffusion import text_net
from reference_models.diffusion.judge_net import Judge, named
from reference_models.diffusion.reading_net import fitted_tokenizer
from reference_models.diffusion.scenes import FAMILIES
from reference_models.shop.vocabulary import Look


def test_answers_say_what_prompts_say():
    texts, answers = text_net._prompts(300, np.random.default_rng(0))
    for text, row in zip(texts, answers.tolist(), strict=True):
        if text.startswith(("beach, ", "forest, ")):
            assert row[0] == FAMILIES[0].index(text.split(",")[0])
    last = torch.tensor([len(family) for family in FAMILIES])
    unsaid = (answers == last).float().mean(0)
    assert unsaid[0] < 0.06
    assert ((unsaid[1:] > 0.15) & (unsaid[1:] < 0.31)).all()


def test_a_text_encoder_learns_to_read(minute, tmp_path):
    settings = minute.text.model_copy(
        update={"width": 64, "steps": 200, "batch_size": 32, "learning_rate": 3e-3}
    )
    config = minute.model_copy(update={"text": settings})
    tokenizer = fitted_tokenizer(config, [f"{', '.join(family)}" for family in FAMILIES])
    _, read = text_net.train_text(config, tokenizer, folder=tmp_path, tell=lambda _: None)
    assert read > 0.25, "of 24 scenes"


def test_a_judge_names_values_of_each_family():
    torch.manual_seed(0)
    judge = Judge()
    pictures = list(np.random.default_rng(0).integers(0, 256, (130, 32, 32, 3), dtype=np.uint8))
    found = named(judge, pictures)
    assert len(found) == 130
    assert all(v in family for look in found for v, family in zip(look, FAMILIES, strict=True))
    with torch.no_grad():
        judge.head.bias[FAMILIES[0].index("desert")] = 1e3
        judge.head.bias[len(FAMILIES[0]) + FAMILIES[1].index("night")] = 1e3
    assert {(look.scene, look.light) for look in named(judge, pictures)} == {("desert", "night")}
    assert isinstance(found[0], Look)
