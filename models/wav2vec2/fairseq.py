"""Reading checkpoints as fairseq trained them: names of tensors, settings, the dictionary."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from models.errors import BadInputError
from models.processor import Processor
from models.vocabulary import SPECIAL_TOKENS, Vocabulary
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.torch_file import Record

# Their name → ours, tried in order; the prefix of a fine-tuned model is cut off before.
_RENAMES = [
    (r"mask_emb", "wav2vec2.masked_spec_embed"),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.(weight|bias)", r"wav2vec2.@\1.conv.\2"),
    (r"feature_extractor\.conv_layers\.(\d+)\.2(?:\.1)?\.(\w+)", r"wav2vec2.@\1.layer_norm.\2"),
    (r"layer_norm\.(\w+)", r"wav2vec2.feature_projection.layer_norm.\1"),
    (r"post_extract_proj\.(\w+)", r"wav2vec2.feature_projection.projection.\1"),
    (
        r"encoder\.pos_conv\.0\.(bias|weight_[gv]|parametrizations\.weight\.original[01])",
        r"wav2vec2.encoder.pos_conv_embed.conv.\1",
    ),
    (r"encoder\.layer_norm\.(\w+)", r"wav2vec2.encoder.layer_norm.\1"),
    (r"encoder\.layers\.(\d+)\.self_attn\.(\w+)\.(\w+)", r"wav2vec2.#\1.attention.\2.\3"),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.(\w+)", r"wav2vec2.#\1.layer_norm.\2"),
    (r"encoder\.layers\.(\d+)\.fc1\.(\w+)", r"wav2vec2.#\1.feed_forward.intermediate_dense.\2"),
    (r"encoder\.layers\.(\d+)\.fc2\.(\w+)", r"wav2vec2.#\1.feed_forward.output_dense.\2"),
    (r"encoder\.layers\.(\d+)\.final_layer_norm\.(\w+)", r"wav2vec2.#\1.final_layer_norm.\2"),
    (r"quantizer\.vars", "quantizer.codevectors"),
    (r"quantizer\.weight_proj\.(\w+)", r"quantizer.weight_proj.\1"),
    (r"project_q\.(\w+)", r"project_q.\1"),
    (r"final_proj\.(\w+)", r"project_hid.\1"),
]
_ABBREVIATIONS = {"@": "feature_extractor.conv_layers.", "#": "encoder.layers."}
_FINE_TUNED_PREFIX = "w2v_encoder."


def is_fairseq(content: Any) -> bool:
    """Whether this is a checkpoint of fairseq, as against a bare dictionary of tensors."""
    return isinstance(content, dict) and isinstance(content.get("model"), dict)


def our_name(key: str) -> str | None:
    """The name in the Hugging Face layout of a tensor of fairseq's; None if it has none."""
    key = key.removeprefix(_FINE_TUNED_PREFIX)
    if key.startswith("proj."):
        return "lm_head." + key.removeprefix("proj.")
    key = key.removeprefix("w2v_model.")
    for pattern, replacement in _RENAMES:
        match = re.fullmatch(pattern, key)
        if match:
            name = match.expand(replacement)
            for short, long in _ABBREVIATIONS.items():
                name = name.replace(short, long)
            return name
    return None


def config_of(content: Mapping[str, Any], vocab_size: int | None) -> Wav2Vec2Config:
    """The model's config by its settings; the vocabulary's size alone is not among them."""
    own, pretrained = _settings_of(content)
    # A fine-tuned model restates sizes as defaults that need not be its own.
    sizes = _trunk_sizes(pretrained or own) | _quantizer_sizes(pretrained or own)
    if vocab_size is not None:
        sizes["vocab_size"] = vocab_size
    return Wav2Vec2Config(**sizes, **_regularisation({**pretrained, **own}))


def _trunk_sizes(settings: Mapping[str, Any]) -> dict[str, Any]:
    convs = _conv_layers(str(_needed(settings, "conv_feature_layers")))
    per_layer = settings.get("extractor_mode", "default") == "layer_norm"
    return {
        "conv_dim": [dim for dim, _, _ in convs],
        "conv_kernel": [kernel for _, kernel, _ in convs],
        "conv_stride": [stride for _, _, stride in convs],
        "conv_bias": bool(settings.get("conv_bias", False)),
        "feat_extract_norm": "layer" if per_layer else "group",
        "hidden_size": int(_needed(settings, "encoder_embed_dim")),
        "num_conv_pos_embeddings": int(settings.get("conv_pos", 128)),
        "num_conv_pos_embedding_groups": int(settings.get("conv_pos_groups", 16)),
        "num_hidden_layers": int(_needed(settings, "encoder_layers")),
        "num_attention_heads": int(_needed(settings, "encoder_attention_heads")),
        "intermediate_size": int(_needed(settings, "encoder_ffn_embed_dim")),
        "do_stable_layer_norm": bool(settings.get("layer_norm_first", False)),
    }


def _quantizer_sizes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A size of 0 means: as wide as what comes before it."""
    projected = int(settings.get("final_dim") or _needed(settings, "encoder_embed_dim"))
    return {
        "num_codevector_groups": int(settings.get("latent_groups", 2)),
        "num_codevectors_per_group": int(settings.get("latent_vars", 320)),
        "codevector_dim": int(settings.get("latent_dim") or projected),
        "proj_codevector_dim": projected,
    }


def processor_of(
    content: Mapping[str, Any], dictionary: str | None, vocab_size: int | None
) -> Processor | None:
    """How audio goes in and text comes out; None where the letters are not known.

    `dictionary` is the text of the `dict.ltr.txt` beside the checkpoint. Newer checkpoints hold
    their dictionary themselves.
    """
    letters = _letters_inside(content)
    if letters is None and dictionary is not None:
        letters = letters_of(dictionary)
    if letters is None or vocab_size is None:
        return None
    if len(SPECIAL_TOKENS) + len(letters) != vocab_size:
        raise BadInputError(
            f"The fairseq dictionary has {len(letters)} letters, but the model tells"
            f" {vocab_size - len(SPECIAL_TOKENS)} apart: put the dict.ltr.txt that it was"
            " fine-tuned with beside it."
        )
    top = _plain(content.get("cfg") or content.get("args"))
    normalises = bool({**top, **_plain(top.get("task"))}.get("normalize", False))
    # fairseq writes blanks as <s> and we as <pad>: the names differ, the ids are the same.
    return Processor(Vocabulary((*SPECIAL_TOKENS, *letters)), normalises=normalises)


def letters_of(dictionary: str) -> list[str]:
    """The letters of a `dict.ltr.txt`, in order: lines of a letter and how often it was met."""
    lines = [line.split(" ") for line in dictionary.splitlines() if line.strip()]
    if any(len(line) < 2 for line in lines):
        raise BadInputError("A line of dict.ltr.txt is not a letter and a count: fetch it again.")
    return [line[0] for line in lines]


def _letters_inside(content: Mapping[str, Any]) -> list[str] | None:
    dictionary = _plain(content.get("task_state")).get("target_dictionary")
    symbols = _plain(dictionary).get("symbols")
    if not isinstance(symbols, list):
        return None
    return symbols[len(SPECIAL_TOKENS) :]


_REGULARISATION = {
    "dropout": "hidden_dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "dropout_input": "feat_proj_dropout",
    "dropout_features": "feat_quantizer_dropout",
    "final_dropout": "final_dropout",
    "encoder_layerdrop": "layerdrop",
    "layerdrop": "layerdrop",
    "apply_mask": "apply_spec_augment",
    "mask_prob": "mask_time_prob",
    "mask_length": "mask_time_length",
    "mask_channel_prob": "mask_feature_prob",
    "mask_channel_length": "mask_feature_length",
    "num_negatives": "num_negatives",
    "logit_temp": "contrastive_logits_temperature",
}


def _regularisation(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        ours: settings[theirs]
        for theirs, ours in _REGULARISATION.items()
        if isinstance(settings.get(theirs), int | float)
    }


def _settings_of(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's own settings, and those it was pretrained with if it is a fine-tuned one."""
    top = _plain(content.get("cfg") or content.get("args"))
    own = _plain(top.get("model")) or top
    pretrained = _plain(own.pop("w2v_args", None))
    pretrained = _plain(pretrained.get("model")) or pretrained
    return _without_nones(own), _without_nones(pretrained)


def _without_nones(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, Record):
        value = value.settings
        value = value.get("_content", value)  # how OmegaConf keeps its keys
    if not isinstance(value, dict):
        return {}
    return {key: _scalar(entry) for key, entry in value.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, Record) and "_val" in value.settings:
        return value.settings["_val"]
    return value


def _needed(settings: Mapping[str, Any], name: str) -> Any:
    if settings.get(name) is None:
        raise BadInputError(
            f"The fairseq checkpoint does not say its {name}: convert it where it was trained."
        )
    return settings[name]


def _conv_layers(text: str) -> list[tuple[int, int, int]]:
    """`[(512, 10, 5)] + [(512, 3, 2)] * 4` as a list; fairseq would evaluate the text as code."""

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return value(left) + value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return value(left) * value(right)
            case ast.List(elts=elements):
                return [value(element) for element in elements]
            case ast.Tuple(elts=elements):
                return tuple(value(element) for element in elements)
            case ast.Constant(value=int(number)):
                return number
        raise BadInputError(f"The fairseq setting conv_feature_layers is not a list: {text!r}.")

    try:
        return [
            (dim, kernel, stride) for dim, kernel, stride in value(ast.parse(text, mode="eval"))
        ]
    except (SyntaxError, TypeError, ValueError) as error:
        raise BadInputError(
            f"The fairseq setting conv_feature_layers cannot be read: {text!r}."
        ) from error
