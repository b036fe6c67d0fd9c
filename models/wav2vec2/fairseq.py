"""Reading checkpoints as fairseq trained them: their names of tensors, their settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from models.errors import BadInputError
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.torch_file import Record

# their name ← → ours, tried in order; `{}` of a fine-tuned model's prefix is cut off before.
_RENAMES = [
    (r"mask_emb", "wav2vec2.masked_spec_embed"),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.(weight|bias)", r"wav2vec2.@\1.conv.\2"),
    (r"feature_extractor\.conv_layers\.(\d+)\.2(?:\.1)?\.(\w+)", r"wav2vec2.@\1.layer_norm.\2"),
    (r"layer_norm\.(\w+)", r"wav2vec2.feature_projection.layer_norm.\1"),
    (r"post_extract_proj\.(\w+)", r"wav2vec2.feature_projection.projection.\1"),
    (r"encoder\.pos_conv\.0\.(.+)", r"wav2vec2.encoder.pos_conv_embed.conv.\1"),
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


def config_of(content: Mapping[str, Any], shape: Mapping[str, tuple[int, ...]]) -> Wav2Vec2Config:
    """The model's config: sizes from its tensors, what these don't tell from its settings.

    `shape` is that of each tensor, by our names.
    """
    settings = _settings_of(content)
    convs = _conv_layers(str(_needed(settings, "conv_feature_layers")))
    first_norm = "wav2vec2.feature_extractor.conv_layers.1.layer_norm.weight"
    positional = shape.get("wav2vec2.encoder.pos_conv_embed.conv.weight_v", (0, 0, 0))
    prefix = "wav2vec2.encoder.layers."
    layers = {name.removeprefix(prefix).split(".")[0] for name in shape if name.startswith(prefix)}
    found: dict[str, Any] = {
        "conv_dim": [dim for dim, _, _ in convs],
        "conv_kernel": [kernel for _, kernel, _ in convs],
        "conv_stride": [stride for _, _, stride in convs],
        "conv_bias": "wav2vec2.feature_extractor.conv_layers.0.conv.bias" in shape,
        "feat_extract_norm": "layer" if first_norm in shape else "group",
        "hidden_size": positional[0],
        "num_conv_pos_embeddings": positional[2],
        "num_conv_pos_embedding_groups": positional[0] // max(positional[1], 1),
        "num_hidden_layers": len(layers),
        "num_attention_heads": int(_needed(settings, "encoder_attention_heads")),
        "intermediate_size": int(_needed(settings, "encoder_ffn_embed_dim")),
        "do_stable_layer_norm": bool(settings.get("layer_norm_first", False)),
    }
    if "lm_head.weight" in shape:
        found["vocab_size"] = shape["lm_head.weight"][0]
    if "quantizer.codevectors" in shape:
        groups = int(_needed(settings, "latent_groups"))
        found["num_codevector_groups"] = groups
        found["num_codevectors_per_group"] = shape["quantizer.codevectors"][1] // groups
        found["codevector_dim"] = shape["quantizer.codevectors"][2] * groups
        found["proj_codevector_dim"] = shape["project_hid.weight"][0]
    return Wav2Vec2Config(**found, **_regularisation(settings))


_REGULARISATION = {
    "dropout": "hidden_dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "dropout_input": "feat_proj_dropout",
    "dropout_features": "feat_quantizer_dropout",
    "final_dropout": "final_dropout",
    "encoder_layerdrop": "layerdrop",
    "layerdrop": "layerdrop",
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


def _settings_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The model's settings; those of a fine-tuned model override those it was pretrained with."""
    top = _plain(content.get("cfg") or content.get("args"))
    model = _plain(top.get("model")) or top
    pretrained = _plain(model.get("w2v_args"))
    pretrained = _plain(pretrained.get("model")) or pretrained
    # A fine-tuned model says nothing of its own about sizes, and what it says must be no default.
    own = {key: value for key, value in model.items() if value is not None and key != "w2v_args"}
    return {**pretrained, **own} if pretrained else own


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
