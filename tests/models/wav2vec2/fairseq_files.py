"""Builds the files that fairseq writes, out of a model of transformers and fairseq's own names."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

from models.wav2vec2 import Wav2Vec2Config

LETTERS = tuple("|EATHLN'")
# Theirs ← the name in transformers.
NAMES = {
    r"wav2vec2\.masked_spec_embed": "mask_emb",
    r"wav2vec2\.feature_extractor\.conv_layers\.(\d+)\.conv\.(\w+)": (
        r"feature_extractor.conv_layers.\1.0.\2"
    ),
    r"wav2vec2\.feature_extractor\.conv_layers\.(\d+)\.layer_norm\.(\w+)": (
        r"feature_extractor.conv_layers.\1.2.{norm}\2"
    ),
    r"wav2vec2\.feature_projection\.layer_norm\.(\w+)": r"layer_norm.\1",
    r"wav2vec2\.feature_projection\.projection\.(\w+)": r"post_extract_proj.\1",
    r"wav2vec2\.encoder\.pos_conv_embed\.conv\.bias": "encoder.pos_conv.0.bias",
    r"wav2vec2\.encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original0": (
        "encoder.pos_conv.0.weight_g"
    ),
    r"wav2vec2\.encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original1": (
        "encoder.pos_conv.0.weight_v"
    ),
    r"wav2vec2\.encoder\.layer_norm\.(\w+)": r"encoder.layer_norm.\1",
    r"wav2vec2\.encoder\.layers\.(\d+)\.attention\.(\w+)\.(\w+)": (
        r"encoder.layers.\1.self_attn.\2.\3"
    ),
    r"wav2vec2\.encoder\.layers\.(\d+)\.layer_norm\.(\w+)": (
        r"encoder.layers.\1.self_attn_layer_norm.\2"
    ),
    r"wav2vec2\.encoder\.layers\.(\d+)\.feed_forward\.intermediate_dense\.(\w+)": (
        r"encoder.layers.\1.fc1.\2"
    ),
    r"wav2vec2\.encoder\.layers\.(\d+)\.feed_forward\.output_dense\.(\w+)": (
        r"encoder.layers.\1.fc2.\2"
    ),
    r"wav2vec2\.encoder\.layers\.(\d+)\.final_layer_norm\.(\w+)": (
        r"encoder.layers.\1.final_layer_norm.\2"
    ),
    r"quantizer\.codevectors": "quantizer.vars",
    r"quantizer\.weight_proj\.(\w+)": r"quantizer.weight_proj.\1",
    r"project_q\.(\w+)": r"project_q.\1",
    r"project_hid\.(\w+)": r"final_proj.\1",
}


def fairseq_state(reference) -> dict[str, torch.Tensor]:
    """The tensors of a reference model under the names that fairseq gives them."""
    fine_tuned = hasattr(reference, "lm_head")
    norm = "1." if reference.config.feat_extract_norm == "layer" else ""
    state = {}
    for key, tensor in reference.state_dict().items():
        if key.startswith("lm_head."):
            state[key.replace("lm_head.", "w2v_encoder.proj.")] = tensor
            continue
        [name] = [
            re.sub(pattern, theirs, key)
            for pattern, theirs in NAMES.items()
            if re.fullmatch(pattern, key)
        ]
        prefix = "w2v_encoder.w2v_model." if fine_tuned else ""
        state[prefix + name.replace("{norm}", norm)] = tensor
    return state


def pretraining_settings(config: Wav2Vec2Config) -> dict:
    """What fairseq calls the settings of our config."""
    convs = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    return {
        "_name": "wav2vec2",
        "extractor_mode": "layer_norm" if config.feat_extract_norm == "layer" else "default",
        "conv_feature_layers": " + ".join(f"[({d}, {k}, {s})] * 1" for d, k, s in convs),
        "conv_bias": config.conv_bias,
        "encoder_layers": config.num_hidden_layers,
        "encoder_embed_dim": config.hidden_size,
        "encoder_ffn_embed_dim": config.intermediate_size,
        "encoder_attention_heads": config.num_attention_heads,
        "conv_pos": config.num_conv_pos_embeddings,
        "conv_pos_groups": config.num_conv_pos_embedding_groups,
        "layer_norm_first": config.do_stable_layer_norm,
        "latent_vars": config.num_codevectors_per_group,
        "latent_groups": config.num_codevector_groups,
        "latent_dim": config.codevector_dim,
        "final_dim": config.proj_codevector_dim,
        "dropout": 0.15,
        "encoder_layerdrop": 0.05,
        "mask_prob": 0.65,
        "mask_length": 10,
        "num_negatives": 100,
        "logit_temp": 0.1,
    }


# What fine-tuning says of itself: its sizes are defaults, and wrong for any model but base.
FINE_TUNING = {
    "_name": "wav2vec_ctc",
    "w2v_path": "/checkpoint/pretrained.pt",
    "conv_feature_layers": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]",
    "encoder_embed_dim": 768,
    "dropout": 0.0,
    "final_dropout": 0.25,
    "layerdrop": 0.2,
    "apply_mask": True,
    "mask_prob": 0.5,
    "mask_channel_prob": 0.25,
    "mask_channel_length": 6,
    "mask_other": None,
}


@contextmanager
def pretended(qualified_name: str):
    """A class by the name of one in a package that need not be installed."""
    module, name = qualified_name.rsplit(".", 1)
    parts = module.split(".")
    packages = [".".join(parts[: end + 1]) for end in range(len(parts))]
    missing = [package for package in packages if package not in sys.modules]
    sys.modules.update({package: ModuleType(package) for package in missing})
    made = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, made)
    try:
        yield made
    finally:
        for package in missing:
            del sys.modules[package]


def instance_of(made: type, **attributes):
    instance = made()
    instance.__dict__.update(attributes)
    return instance


def save_as_namespace(content: dict, settings: dict, task: dict, path: Path) -> None:
    """As fairseq before 2021 did: everything in one flat namespace."""
    settings = dict(settings)
    if "w2v_args" in settings:
        settings["w2v_args"] = argparse.Namespace(**settings["w2v_args"])
    args = argparse.Namespace(**settings, task="audio_pretraining", **task)
    torch.save({"args": args, **content}, path)


def save_as_dictionary(content: dict, settings: dict, task: dict, path: Path) -> None:
    """As the last versions of fairseq did."""
    settings = dict(settings)
    if "w2v_args" in settings:
        settings["w2v_args"] = {"model": settings["w2v_args"], "task": {}}
    torch.save({"args": None, "cfg": {"model": settings, "task": task}, **content}, path)


def save_as_omegaconf(content: dict, settings: dict, task: dict, path: Path) -> None:
    """As the versions in between did, with objects of a package of settings."""
    with (
        pretended("omegaconf.dictconfig.DictConfig") as dict_config,
        pretended("omegaconf.nodes.AnyNode") as any_node,
    ):

        def node(value):
            if isinstance(value, dict):
                inner = {key: node(entry) for key, entry in value.items()}
                return instance_of(dict_config, _metadata=None, _content=inner)
            return instance_of(any_node, _metadata=None, _val=value)

        settings = dict(settings)
        if "w2v_args" in settings:
            settings["w2v_args"] = {"model": settings["w2v_args"], "task": {}}
        torch.save({"args": None, "cfg": node({"model": settings, "task": task}), **content}, path)


ERAS = {
    "namespace": save_as_namespace,
    "omegaconf": save_as_omegaconf,
    "dictionary": save_as_dictionary,
}


def save_fairseq(
    reference, config: Wav2Vec2Config, path: Path, era: str = "dictionary", **task
) -> Path:
    """Write what fairseq would of the reference, fine-tuned if it has a head of letters."""
    settings = pretraining_settings(config)
    if hasattr(reference, "lm_head"):
        settings = {**FINE_TUNING, "w2v_args": settings}
    content = {
        "model": fairseq_state(reference),
        "optimizer_history": [{"num_updates": 3, "criterion_name": "CtcCriterion"}],
        "extra_state": {"epoch": 2, "val_loss": 0.5},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.zeros(3)}}},
    }
    ERAS[era](content, settings, task, path)
    return path


def save_dictionary(folder: Path, letters=LETTERS) -> None:
    lines = [f"{letter} {1000 - place}\n" for place, letter in enumerate(letters)]
    (folder / "dict.ltr.txt").write_text("".join(lines), encoding="utf-8")
