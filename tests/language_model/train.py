"""Trains a small causal language model to write grounded sentences, from scratch, on one core.

    python -m tests.language_model.train --out FOLDER [--steps 3000] [--seed 1]

A Llama of about a million parameters and a byte-level BPE tokenizer of 1,536 tokens, for a few minutes.
Everything it reads is made up here: prompts of the explain role over titles of the demo's kind, of plain and
of made-up words, with answers by rules (`sentences`), a seventh of them after a complaint about a spoilt one,
and a few questions about negations. No title of the demo's catalogue is among them. It is no assistant: it
knows this one form of prompt, and no English beyond it.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import LlamaAttention

from tests.language_model.corpus import Example, example
from workers.explaining.brief import meanings

VOCABULARY: Final = 1_536
MERGED: Final = 1_440
CONTEXT_TOKENS: Final = 640
_SHORT: Final = 8
BATCH: Final = 16
POOL: Final = 32
PEAK_RATE: Final = 3e-3
WARM_UP_STEPS: Final = 40
ROPE_BASE: Final = 10_000.0
# The fastest turning pairs of dimensions, whose sum falls off at once beside the token before.
LOOK_BACK_FREQUENCIES: Final = 6
LOOK_BACK_BIAS: Final = 8.0
PROMPT_WEIGHT: Final = 0.15
# What every prompt and answer is made of, each a token of its own: three in five tokens are saved.
PHRASES: Final = (
    '{"language":"English","max_characters":240,"item":{"title":{"id":"t","text":"',
    '"},"attributes":[',
    *(f'{{"id":"a{number}","name":"' for number in range(1, 5)),
    'category","text":"',
    'tags","text":"',
    '],"reasons":[',
    *(f'{{"id":"r{number}","meaning":"' for number in range(1, 5)),
    *(meaning for meaning in meanings() if len(meaning) > _SHORT),
    *(f'","weight":{tenths / 10}' for tenths in range(11)),
    ',"other_item":"',
    '","other_item_category":"',
    '","action":"',
    ',"action":"',
    '","modality":"',
    ',"modality":"',
    ']},"draft":"',
    '{"text":"',
    '","facts":["',
    '"},',
    '"]}',
    '"}',
    '","',
    '{"words":"',
    '{"wanted":"',
    '","unwanted":["',
    '","unwanted":[]}',
)
USER, ASSISTANT, END, PADDING = "<|user|>", "<|assistant|>", "<|end|>", "<|padding|>"
# The instructions are the same in every prompt: what they say has become part of the weights.
TEMPLATE: Final = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %}<|assistant|>{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train_tokenizer(chance: random.Random, examples: int = 4_000) -> PreTrainedTokenizerFast:
    """Byte-level BPE: it can say any title, whatever it is made of."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED,
        special_tokens=[PADDING, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made = (example(chance) for _ in range(examples))
    texts = (text for one in made for text in (*(turn["content"] for turn in one.messages), one.answer))
    # What is a token already needs no merges.
    phrases = re.compile("|".join(map(re.escape, sorted(PHRASES, key=len, reverse=True))))
    tokenizer.train_from_iterator((part for text in texts for part in phrases.split(text)), trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in PHRASES])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PADDING,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_model(layers: int = 3, width: int = 128, seed: int = 1) -> LlamaForCausalLM:
    """An untrained one."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=width * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=3,
        pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        attention_bias=True,
    )
    model = LlamaForCausalLM(config)
    _look_back(model.model.layers[0].self_attn)
    return model


def _look_back(attention: LlamaAttention) -> None:
    """Let the first head begin by looking at the token before.

    With rotary positions the score of constant query q and key k is qᵀ R(n − m) k, greatest where q = R(−1) k
    at n = m − 1. Copying is built upon such a head (Olsson et al. 2022, induction heads), and to find it
    takes most of the time that a small model needs to learn to copy.
    """
    half = attention.head_dim // 2
    angles = ROPE_BASE ** (-torch.arange(LOOK_BACK_FREQUENCIES) / half)
    with torch.no_grad():
        attention.k_proj.bias[:LOOK_BACK_FREQUENCIES] = LOOK_BACK_BIAS
        attention.q_proj.bias[:LOOK_BACK_FREQUENCIES] = LOOK_BACK_BIAS * torch.cos(angles)
        attention.q_proj.bias[half : half + LOOK_BACK_FREQUENCIES] = -LOOK_BACK_BIAS * torch.sin(angles)


def encoded(one: Example, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], int]:
    """The tokens of a conversation with its answer, and where the answer begins."""
    prompt = tokenizer.apply_chat_template(list(one.messages), tokenize=False, add_generation_prompt=True)
    read = tokenizer.encode(prompt, add_special_tokens=False)
    return [*read, *tokenizer.encode(one.answer + END, add_special_tokens=False)], len(read)


def batches(
    chance: random.Random, tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Tokens, their mask and the weight of each as something to be said; int64, bool, float32 [B, T]."""
    while True:
        pool = sorted((encoded(example(chance), tokenizer) for _ in range(BATCH * POOL)), key=_length)
        chunks = [pool[at : at + BATCH] for at in range(0, len(pool), BATCH)]
        chance.shuffle(chunks)
        for chunk in chunks:
            length = max(len(tokens) for tokens, _ in chunk)
            ids = torch.zeros((len(chunk), length), dtype=torch.long)
            weights = torch.zeros((len(chunk), length))
            for row, (tokens, begin) in enumerate(chunk):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                weights[row, : len(tokens)] = PROMPT_WEIGHT
                weights[row, begin : len(tokens)] = 1.0
            yield ids, weights > 0, weights


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, seed: int) -> float:
    """Train, and tell how it goes; the last loss of answers, in nats a token."""
    chance = random.Random(seed)
    decayed = [one for one in model.parameters() if one.ndim > 1]
    others = [one for one in model.parameters() if one.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=PEAK_RATE,
        betas=(0.9, 0.98),
    )
    model.train()
    began_s, smooth = time.process_time(), math.nan
    for step, (ids, mask, weights) in enumerate(batches(chance, tokenizer)):
        if step == steps:
            break
        rate = PEAK_RATE * min((step + 1) / WARM_UP_STEPS, 0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        weights = weights[:, 1:]
        loss = (losses * weights).sum() / weights.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        said = weights == 1.0
        answers = float(losses[said].mean())
        smooth = answers if math.isnan(smooth) else 0.98 * smooth + 0.02 * answers
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step:5} {time.process_time() - began_s:5.0f} s loss {smooth:.3f}", flush=True)
    return smooth


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the folder that `language_model.local` names, in half precision."""
    model.generation_config.eos_token_id = 3
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = train_tokenizer(random.Random(given.seed))
    model = make_model(given.layers, given.width, given.seed)
    parameters = sum(one.numel() for one in model.parameters())
    print(f"{parameters:,} parameters, {len(tokenizer):,} tokens")
    train(model, tokenizer, given.steps, given.seed)
    save(model, tokenizer, given.out)
    print(f"written to {given.out}")


def _length(one: tuple[list[int], int]) -> int:
    return len(one[0])


if __name__ == "__main__":
    main()
