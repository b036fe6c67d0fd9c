"""Conversion accounts for every tensor: it reports where each went, or refuses it by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from models.errors import BadInputError
from models.processor import Processor
from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.conversion import convert
from tests.models.wav2vec2.fairseq_files import LETTERS, save_dictionary, save_fairseq

CLASSES = ["Wav2Vec2ForCTC", "Wav2Vec2ForPreTraining", "Wav2Vec2Model"]
MASK = "wav2vec2.masked_spec_embed"
HEAD = "lm_head.weight"


@pytest.fixture(scope="module")
def references(tiny_config, new_reference):
    """One model of transformers per class, of the style that brings most kinds of tensors."""
    config = tiny_config("stable", num_codevectors_per_group=8, codevector_dim=16)
    return {name: new_reference(config, name) for name in CLASSES}


@pytest.fixture
def checkpoint(references, tmp_path) -> Path:
    """A recogniser as transformers saves it."""
    folder = tmp_path / "checkpoint"
    references["Wav2Vec2ForCTC"].save_pretrained(folder)
    return folder


def change_weights(folder: Path, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_was_converted_loads_in_transformers_whole_and_equal(references, tmp_path, class_name):
    reference = references[class_name]
    reference.save_pretrained(tmp_path / "checkpoint")

    report = convert(tmp_path / "checkpoint", tmp_path / "converted")

    again, info = getattr(transformers, class_name).from_pretrained(
        tmp_path / "converted", output_loading_info=True
    )
    state = reference.state_dict()
    assert report.architecture == class_name
    assert not any(info.values())
    assert {key: tensor.tolist() for key, tensor in again.state_dict().items()} == {
        key: tensor.tolist() for key, tensor in state.items()
    }


def test_there_and_back_the_logits_stay_equal_to_the_last_bit(references, checkpoint, tmp_path):
    reference = references["Wav2Vec2ForCTC"]
    waveforms = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))

    convert(checkpoint, tmp_path / "converted")

    again = transformers.Wav2Vec2ForCTC.from_pretrained(tmp_path / "converted").eval()
    with torch.no_grad():
        assert torch.equal(again(waveforms).logits, reference(waveforms).logits)


def test_the_report_maps_each_tensor_of_the_file_to_a_variable(references, checkpoint, tmp_path):
    state = references["Wav2Vec2ForCTC"].state_dict()

    report = convert(checkpoint, tmp_path / "converted")

    assert {one.source: one.shape for one in report.mapped} == {
        key: tuple(tensor.shape) for key, tensor in state.items()
    }
    assert len({one.variable for one in report.mapped}) == len(state)
    assert report.parameters == sum(tensor.numel() for tensor in state.values())
    assert (report.left_out, report.initialised) == ((), ())


def test_the_report_is_read_by_machines_and_by_people(checkpoint, tmp_path):
    report = convert(checkpoint, tmp_path / "converted")

    content = json.loads(report.to_json())
    assert content["architecture"] == "Wav2Vec2ForCTC"
    assert {"source": HEAD, "key": HEAD, "shape": [12, 32]}.items() <= next(
        one for one in content["mapped"] if one["source"] == HEAD
    ).items()
    assert "12×32  lm_head.weight → lm_head.weight" in str(report)
    assert f"{len(content['mapped'])} tensors mapped, 0 left out" in str(report)


@pytest.mark.parametrize(
    "key",
    [
        HEAD,
        "wav2vec2.encoder.layers.1.attention.q_proj.bias",
        "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    ],
)
def test_a_missing_tensor_is_refused_by_name(checkpoint, tmp_path, key):
    change_weights(checkpoint, lambda state: state.pop(key))

    with pytest.raises(BadInputError, match=rf"lacks {key}\."):
        convert(checkpoint, tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


def test_an_extra_tensor_is_refused_by_name(checkpoint, tmp_path):
    change_weights(checkpoint, lambda state: state.update(projector=torch.zeros(2)))

    with pytest.raises(BadInputError, match=r"holds the unknown projector\."):
        convert(checkpoint, tmp_path / "converted")


def test_an_ill_shaped_tensor_is_refused_by_name_and_shape(checkpoint, tmp_path):
    change_weights(checkpoint, lambda state: state.update({HEAD: torch.zeros(13, 32)}))

    with pytest.raises(BadInputError, match=r"lm_head\.weight \(\[13, 32\] instead of \[12, 32\]"):
        convert(checkpoint, tmp_path / "converted")


def test_a_kernel_with_its_axes_reversed_is_refused_though_it_has_as_many_numbers(
    checkpoint, tmp_path
):
    key = "wav2vec2.feature_extractor.conv_layers.0.conv.weight"
    change_weights(checkpoint, lambda state: state.update({key: torch.zeros(10, 1, 16)}))

    with pytest.raises(BadInputError, match=r"\[10, 1, 16\] instead of \[16, 1, 10\]"):
        convert(checkpoint, tmp_path / "converted")


def test_all_complaints_come_at_once_and_a_long_list_is_cut(checkpoint, tmp_path):
    def spoil(state):
        for key in [key for key in state if "layers.1." in key or key == MASK]:
            del state[key]
        state["classifier.weight"] = torch.zeros(2)

    change_weights(checkpoint, spoil)

    with pytest.raises(BadInputError, match=r"lacks .* and \d+ more; holds the unknown classifier"):
        convert(checkpoint, tmp_path / "converted")


def test_a_recogniser_without_the_mask_vector_is_converted_and_the_report_says_so(
    references, checkpoint, tmp_path
):
    change_weights(checkpoint, lambda state: state.pop(MASK))

    report = convert(checkpoint, tmp_path / "converted")

    assert report.initialised == (MASK,)
    _, info = transformers.Wav2Vec2ForCTC.from_pretrained(
        tmp_path / "converted", output_loading_info=True
    )
    assert not any(info.values())


def test_a_mask_vector_that_the_settings_have_no_use_for_is_left_out_and_said_so(
    checkpoint, tmp_path
):
    change_config(checkpoint, mask_time_prob=0.0)

    report = convert(checkpoint, tmp_path / "converted")

    assert report.left_out == (MASK,)


def test_the_vocabulary_travels_with_the_weights(checkpoint, tmp_path):
    processor = Processor(Vocabulary.of_characters("ABCDEFG"), normalises=False)
    processor.save_pretrained(checkpoint)

    report = convert(checkpoint, tmp_path / "converted")

    assert Processor.from_pretrained(tmp_path / "converted") == processor
    assert report.vocabulary == processor.vocabulary.tokens


@pytest.fixture
def fairseq_folder(references, tiny_config, tmp_path) -> Path:
    """A fine-tuned checkpoint of fairseq, `small.pt`, and its dictionary."""
    save_fairseq(references["Wav2Vec2ForCTC"], tiny_config("stable"), tmp_path / "small.pt")
    save_dictionary(tmp_path)
    return tmp_path


def test_a_fairseq_recogniser_becomes_a_folder_that_transformers_runs(
    references, fairseq_folder, tmp_path
):
    reference = references["Wav2Vec2ForCTC"]
    waveforms = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))

    report = convert(fairseq_folder / "small.pt", tmp_path / "converted")

    again, info = transformers.Wav2Vec2ForCTC.from_pretrained(
        tmp_path / "converted", output_loading_info=True
    )
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(tmp_path / "converted")
    assert not any(info.values())
    with torch.no_grad():
        assert torch.equal(again.eval()(waveforms).logits, reference(waveforms).logits)
    assert tokenizer.decode([0, 7, 4, 9, 9, 0, 9]) == "T LL"
    assert report.vocabulary[4:] == LETTERS


def test_a_pretrained_fairseq_model_has_no_vocabulary_and_the_report_says_so(
    references, tiny_config, tmp_path
):
    config = tiny_config("stable", num_codevectors_per_group=8, codevector_dim=16)
    save_fairseq(references["Wav2Vec2ForPreTraining"], config, tmp_path / "pretrained.pt")

    report = convert(tmp_path / "pretrained.pt", tmp_path / "converted")

    assert report.architecture == "Wav2Vec2ForPreTraining"
    assert "No vocabulary came with it" in str(report)
    assert not (tmp_path / "converted" / "vocab.json").exists()


def test_the_command_converts_what_from_pretrained_then_reads(
    references, fairseq_folder, waveforms
):
    from pipeline.commands.convert import command

    source, to = fairseq_folder / "small.pt", fairseq_folder / "converted"

    result = CliRunner().invoke(command, [str(source), "--to", str(to), "--json"])

    assert result.exit_code == 0, result.output
    mapped = {one["key"] for one in json.loads(result.output)["mapped"]}
    assert mapped == set(references["Wav2Vec2ForCTC"].state_dict())
    logits = Wav2Vec2ForCTC.from_pretrained(to)(waveforms)
    np.testing.assert_array_equal(logits, Wav2Vec2ForCTC.from_pretrained(source)(waveforms))
