"""Small models of the architectures that are exported, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = [
    "a",
    "an",
    "the",
    "of",
    "with",
    "and",
    "red",
    "blue",
    "leather",
    "boots",
    "piano",
    "piece",
    "for",
    "late",
    "evenings",
    "music",
    "bees",
    "film",
    "about",
    "city",
    "plain",
    "sample",
    "another",
    "little",
    "longer",
    "sea",
    "train",
    "shoes",
    "yoga",
    "cats",
]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SIDE_PX = 32
# Far above what training begins with: else all vectors are nearly one, and any two graphs agree.
SPREAD = 0.3


def save_bert(folder: Path, **changes: Any) -> Path:
    config = transformers.BertConfig(
        **{
            "vocab_size": len(WORDS) + len(SPECIAL),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
        }
        | changes
    )
    _save(transformers.BertModel, config, folder)
    save_tokenizer(folder, 64)
    return folder


def save_clip(folder: Path) -> Path:
    config = transformers.CLIPConfig(
        text_config=_text_tower(eos_token_id=SPECIAL.index("[SEP]"), projection_dim=24),
        vision_config=_vision_tower(projection_dim=24),
        projection_dim=24,
    )
    _save(transformers.CLIPModel, config, folder)
    save_tokenizer(folder, 16)
    save_image_processor(folder, size={"shortest_edge": SIDE_PX}, do_center_crop=True)
    return folder


def save_siglip(folder: Path) -> Path:
    config = transformers.SiglipConfig(text_config=_text_tower(), vision_config=_vision_tower())
    _save(transformers.SiglipModel, config, folder)
    save_tokenizer(folder, 16, pad_token="[UNK]")
    save_image_processor(folder, size={"height": SIDE_PX, "width": SIDE_PX}, do_center_crop=False)
    return folder


def save_other(architecture: str, folder: Path) -> Path:
    """A further architecture, by transformers' name of its configuration without ``Config``."""
    text = _text_tower(max_position_embeddings=66)
    vision = _vision_tower()
    fields: dict[str, Any] = {
        "Roberta": text | {"pad_token_id": 1},
        "MPNet": text | {"pad_token_id": 1},
        "ModernBert": text | {"cls_token_id": 2, "sep_token_id": 3},
        "DebertaV2": text,
        "Dinov2": {name: value for name, value in vision.items() if name != "intermediate_size"},
        "ConvNext": {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]},
        "Swin": {
            "image_size": SIDE_PX,
            "patch_size": 4,
            "embed_dim": 8,
            "depths": [1, 1],
            "num_heads": [1, 2],
            "window_size": 4,
        },
    }[architecture]
    config = getattr(transformers, f"{architecture}Config")(**fields)
    _save(getattr(transformers, f"{architecture}Model"), config, folder)
    if "vocab_size" in fields:
        save_tokenizer(folder, 64)
    else:
        save_image_processor(folder, size={"height": SIDE_PX, "width": SIDE_PX}, do_center_crop=False)
    return folder


def save_vit(folder: Path, *, pooler: bool) -> Path:
    config = transformers.ViTConfig(**_vision_tower())
    _save(transformers.ViTModel, config, folder, add_pooling_layer=pooler)
    save_image_processor(folder, size={"height": SIDE_PX, "width": SIDE_PX}, do_center_crop=False)
    return folder


def save_resnet(folder: Path) -> Path:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    _save(transformers.ResNetModel, config, folder)
    save_image_processor(
        folder, size={"shortest_edge": 40}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )
    return folder


def save_ast(folder: Path) -> Path:
    config = transformers.ASTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_length=64,
        num_mel_bins=32,
    )
    _save(transformers.ASTModel, config, folder)
    transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, max_tokens: int, pad_token: str = "[PAD]") -> None:
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad_token,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=max_tokens,
    ).save_pretrained(folder)


def save_image_processor(folder: Path, **fields: Any) -> None:
    config = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "rescale_factor": 1 / 255,
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
        "resample": 3,
        "crop_size": {"height": SIDE_PX, "width": SIDE_PX},
    } | fields
    (folder / "preprocessor_config.json").write_text(json.dumps(config))


def _text_tower(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(WORDS) + len(SPECIAL),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 16,
        "pad_token_id": 0,
        "bos_token_id": SPECIAL.index("[CLS]"),
        "eos_token_id": SPECIAL.index("[SEP]"),
    } | changes


def _vision_tower(**changes: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": SIDE_PX,
        "patch_size": 8,
    } | changes


def _save(network: Any, config: Any, folder: Path, **arguments: Any) -> None:
    torch.manual_seed(0)
    model = network(config, **arguments)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, SPREAD)
            elif "norm" not in name.lower():
                parameter.normal_(0, 0.05)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
