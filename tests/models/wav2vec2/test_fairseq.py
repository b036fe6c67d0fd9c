"""Checkpoints as fairseq wrote them, pretrained and fine-tuned, in each of its three eras."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.errors import BadInputError
from models.wav2vec2 import Wav2Vec2ForCTC, Wav2Vec2ForPreTraining
from models.wav2vec2.checkpoint_files import open_checkpoint
from models.wav2vec2.fairseq import letters_of, our_name
from tests.models.wav2vec2.fairseq_files import (
    ERAS,
    LETTERS,
    instance_of,
    pretended,
    save_dictionary,
    save_fairseq,
)

PRETRAINING = {"num_codevectors_per_group": 8, "codevector_dim": 16, "proj_codevector_dim": 12}


@pytest.fixture(scope="module", params=["base", "stable"])
def fine_tuned(request, tiny_config, new_reference):
    """A recogniser of `LETTERS`, and its config."""
    config = tiny_config(request.param)
    return new_reference(config, "Wav2Vec2ForCTC"), config


@pytest.fixture(scope="module", params=["base", "stable"])
def pretrained(request, tiny_config, new_reference):
    config = tiny_config(request.param, **PRETRAINING)
    return new_reference(config, "Wav2Vec2ForPreTraining"), config


@pytest.mark.parametrize("era", sorted(ERAS))
def test_a_fine_tuned_checkpoint_gives_the_logits_it_gave(fine_tuned, waveforms, tmp_path, era):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine_tuned.pt", era)

    logits = Wav2Vec2ForCTC.from_pretrained(path)(waveforms)

    with torch.no_grad():
        expected = reference(torch.tensor(waveforms)).logits
    np.testing.assert_allclose(logits, expected, atol=2e-5)


@pytest.mark.parametrize("era", sorted(ERAS))
def test_a_pretrained_checkpoint_gives_the_frames_it_gave(pretrained, waveforms, tmp_path, era):
    reference, config = pretrained
    path = save_fairseq(reference, config, tmp_path / "pretrained.pt", era)

    contextual, quantised, _ = Wav2Vec2ForPreTraining.from_pretrained(path)(waveforms)

    with torch.no_grad():
        expected = reference(torch.tensor(waveforms))
    np.testing.assert_allclose(contextual, expected.projected_states, atol=2e-5)
    np.testing.assert_allclose(quantised, expected.projected_quantized_states, atol=2e-5)


@pytest.mark.parametrize("era", sorted(ERAS))
def test_fine_tuning_has_the_say_on_regularisation_and_pretraining_on_sizes(
    fine_tuned, tmp_path, era
):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine_tuned.pt", era)

    found = open_checkpoint(path).config

    assert found.conv_dim == config.conv_dim
    assert found.hidden_size == config.hidden_size
    assert found.vocab_size == len(LETTERS) + 4
    assert (found.hidden_dropout, found.final_dropout, found.layerdrop) == (0.0, 0.25, 0.2)
    assert (found.mask_time_prob, found.mask_feature_prob) == (0.5, 0.25)
    assert found.mask_feature_length == 6


def test_a_pretrained_checkpoint_keeps_its_own_regularisation(pretrained, tmp_path):
    reference, config = pretrained

    found = open_checkpoint(save_fairseq(reference, config, tmp_path / "pretrained.pt")).config

    assert (found.hidden_dropout, found.layerdrop, found.mask_time_prob) == (0.15, 0.05, 0.65)


def test_a_head_of_letters_can_be_put_on_a_pretrained_checkpoint(pretrained, waveforms, tmp_path):
    reference, config = pretrained
    path = save_fairseq(reference, config, tmp_path / "pretrained.pt")

    model = Wav2Vec2ForCTC.from_pretrained(path, new_head=True, vocab_size=7, seed=0)

    assert model(waveforms).shape[-1] == 7
    hidden = model.wav2vec2(waveforms)
    with torch.no_grad():
        expected = reference.wav2vec2(torch.tensor(waveforms)).last_hidden_state
    np.testing.assert_allclose(hidden, expected, atol=2e-5)


def test_without_being_asked_for_no_head_is_made_up(pretrained, tmp_path):
    reference, config = pretrained
    path = save_fairseq(reference, config, tmp_path / "pretrained.pt")

    with pytest.raises(BadInputError, match=r"lacks lm_head.*new_head=True"):
        Wav2Vec2ForCTC.from_pretrained(path)


def test_the_dictionary_beside_the_checkpoint_becomes_its_vocabulary(fine_tuned, tmp_path):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine_tuned.pt", normalize=True)
    save_dictionary(tmp_path)

    processor = open_checkpoint(path).processor

    assert processor.vocabulary.tokens == ("<pad>", "<s>", "</s>", "<unk>", *LETTERS)
    assert processor.vocabulary.decode([0, 7, 4, 9, 9, 0, 9]) == "T LL"
    assert processor.normalises


@pytest.mark.parametrize("era", sorted(ERAS))
@pytest.mark.parametrize("normalize", [False, True])
def test_whether_audio_was_normalised_is_known_in_every_era(fine_tuned, tmp_path, era, normalize):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine.pt", era, normalize=normalize)
    save_dictionary(tmp_path)

    assert open_checkpoint(path).processor.normalises is normalize


def test_the_dictionary_inside_the_checkpoint_goes_before_the_one_beside_it(fine_tuned, tmp_path):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine_tuned.pt")
    content = torch.load(path, weights_only=False)
    with pretended("fairseq.data.dictionary.Dictionary") as dictionary_class:
        symbols = ["<s>", "<pad>", "</s>", "<unk>", *reversed(LETTERS)]
        dictionary = instance_of(dictionary_class, symbols=symbols, bos_word="<s>")
        torch.save({**content, "task_state": {"target_dictionary": dictionary}}, path)
    save_dictionary(tmp_path)

    assert open_checkpoint(path).processor.vocabulary.tokens[4:] == LETTERS[::-1]


def test_a_dictionary_of_another_model_is_refused(fine_tuned, tmp_path):
    reference, config = fine_tuned
    path = save_fairseq(reference, config, tmp_path / "fine_tuned.pt")
    save_dictionary(tmp_path, "|AB")

    with pytest.raises(BadInputError, match=r"3 letters.*8 apart.*dict\.ltr\.txt"):
        open_checkpoint(path)


def test_a_dictionary_holds_the_letters_of_any_script_in_their_order():
    assert letters_of("| 9\nन 8\n् 7\nß 6 #fairseq:overwrite\n") == ["|", "न", "्", "ß"]


def test_a_file_that_is_no_dictionary_is_refused():
    with pytest.raises(BadInputError, match=r"dict\.ltr\.txt"):
        letters_of("<html>\n")


def changed(path, change) -> None:
    content = torch.load(path, weights_only=False)
    change(content)
    torch.save(content, path)


@pytest.fixture
def path(fine_tuned, tmp_path):
    return save_fairseq(*fine_tuned, tmp_path / "fine_tuned.pt")


@pytest.mark.parametrize(
    "layers",
    ["__import__('os').system('false')", "[(16, 10)]", "3", "[(16, 10, 5)", "[(16, 10, 5)] * -x"],
)
def test_the_text_that_lists_convolutions_is_not_run(path, layers):
    def set_layers(content):
        content["cfg"]["model"]["w2v_args"]["model"]["conv_feature_layers"] = layers

    changed(path, set_layers)

    with pytest.raises(BadInputError, match="conv_feature_layers"):
        open_checkpoint(path)


def test_a_checkpoint_that_does_not_say_its_sizes_is_refused_by_what_is_missing(path):
    changed(
        path, lambda content: content["cfg"]["model"]["w2v_args"]["model"].pop("encoder_layers")
    )

    with pytest.raises(BadInputError, match="encoder_layers"):
        open_checkpoint(path)


def test_a_model_of_another_kind_is_refused_by_the_name_of_a_tensor(path):
    changed(path, lambda content: content["model"].update({"decoder.embed": torch.zeros(2)}))

    with pytest.raises(BadInputError, match=r"decoder\.embed, which no Wav2Vec2 has"):
        open_checkpoint(path)


def test_a_whole_layer_that_is_missing_is_noticed(path):
    def drop_last_layer(content):
        for key in [key for key in content["model"] if "encoder.layers.2." in key]:
            del content["model"][key]

    changed(path, drop_last_layer)

    with pytest.raises(BadInputError, match=r"lacks wav2vec2\.encoder\.layers\.2\."):
        Wav2Vec2ForCTC.from_pretrained(path)


def test_bare_weights_in_a_file_are_refused_with_a_cure(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "bare.pt")

    with pytest.raises(BadInputError, match=r"bare\.pt is no fairseq checkpoint.*folder"):
        open_checkpoint(tmp_path / "bare.pt")


@pytest.mark.parametrize("key", ["encoder.pos_conv.0.0.weight", "target_glu.0.weight", "proj"])
def test_parts_that_only_other_models_have_get_no_name(key):
    assert our_name(key) is None
