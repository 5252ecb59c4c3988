"""DPO and PCPO written down a second time, as plainly as can be: one row at a time, no padding.

Nothing of caig/preference is used but the pairs themselves. The optimiser is torch's AdamW with a
cosine to zero.
"""

import math

import torch


def log_likelihood(mllm, instruction, picture, answer):
    """Log-probability of an answer and its end token, after a question with a picture."""
    content = [{"type": "image"}, {"type": "text", "text": instruction}]
    question = mllm.processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    end = mllm.tokenizer.eos_token
    answered = mllm.processor(text=f"{question} {answer}{end}", images=picture, return_tensors="pt")
    asked = mllm.processor(text=question, images=picture, return_tensors="pt")
    ids = answered["input_ids"][0]
    n_asked = asked["input_ids"].shape[1]
    assert torch.equal(ids[:n_asked], asked["input_ids"][0])
    logps = torch.log_softmax(mllm.model(**answered).logits[0, :-1], dim=-1)
    chosen = logps.gather(1, ids[1:, None])[:, 0]
    return chosen[n_asked - 1 :].sum()


def pair_loss(policy, reference, rows, beta, weight):
    """-log sigma(beta (r+ - r-)) + weight -log sigma(beta (r+ - r^)); rows are (x, picture, y)."""
    ratios = []
    for row in rows:
        with torch.no_grad():
            known = log_likelihood(reference, *row)
        ratios.append(log_likelihood(policy, *row) - known)
    loss = -torch.log(torch.sigmoid(beta * (ratios[0] - ratios[1])))
    if weight:
        loss = loss - weight * torch.log(torch.sigmoid(beta * (ratios[0] - ratios[2])))
    return loss


def train(policy, reference, steps, *, beta, weight, rate, max_norm):
    """Train on ``steps``, each a list of pairs, each pair its rows; returns the losses."""
    learning = [p for p in policy.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=rate, weight_decay=0.0)
    losses = []
    for n, pairs in enumerate(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * n / len(steps)))
        loss = sum(pair_loss(policy, reference, rows, beta, weight) for rows in pairs) / len(pairs)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, max_norm)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses
