"""The files around a network: how audio goes in and how text comes out."""

import json

import pytest

from models.errors import BadInputError
from models.processor import Processor, copy_processor_files
from models.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of_characters("ABC'")


def write_settings(folder, text: str) -> None:
    VOCABULARY.save(folder)
    (folder / "preprocessor_config.json").write_text(text)


@pytest.mark.parametrize("normalises", [True, False])
def test_what_is_saved_is_read_back(tmp_path, normalises):
    processor = Processor(VOCABULARY, normalises=normalises)
    processor.save_pretrained(tmp_path)
    assert Processor.from_pretrained(tmp_path) == processor


def test_transformers_reads_the_saved_files_and_means_the_same(tmp_path):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

    Processor(VOCABULARY).save_pretrained(tmp_path)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    assert (extractor.sampling_rate, extractor.do_normalize) == (16_000, True)
    assert extractor.return_attention_mask
    assert tokenizer("CAB A'B").input_ids == VOCABULARY.encode("CAB A'B")


def test_a_checkpoint_without_settings_is_read_as_the_reference_would(tmp_path):
    VOCABULARY.save(tmp_path)
    assert Processor.from_pretrained(tmp_path) == Processor(VOCABULARY, 16_000, normalises=True)


def test_another_sample_rate_is_refused_with_both_rates(tmp_path):
    write_settings(tmp_path, json.dumps({"sampling_rate": 8000}))
    with pytest.raises(BadInputError, match="asks for 8000 Hz audio; this pipeline carries 16000"):
        Processor.from_pretrained(tmp_path)


def test_a_checkpoint_without_vocabulary_is_refused_unless_one_is_given(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no vocab\.json"):
        Processor.from_pretrained(tmp_path)
    assert Processor.from_pretrained(tmp_path, vocabulary=VOCABULARY).vocabulary == VOCABULARY


@pytest.mark.parametrize("text", ["", "{", "version https://git-lfs.github.com/spec/v1", "[]"])
@pytest.mark.parametrize(
    "name", ["preprocessor_config.json", "vocab.json", "tokenizer_config.json"]
)
def test_a_file_that_is_no_json_object_is_refused_by_name(tmp_path, name, text):
    Processor(VOCABULARY).save_pretrained(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError, match=rf"{name} .*fetch the file again"):
        Processor.from_pretrained(tmp_path)


def test_files_are_copied_byte_for_byte_and_only_those_that_are_there(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    write_settings(source, '{"do_normalize":   false, "note": "as found"}')
    (source / "tokenizer_config.json").unlink()
    (source / "pytorch_model.bin").write_bytes(b"weights")
    copy_processor_files(source, target)
    assert sorted(path.name for path in target.iterdir()) == [
        "preprocessor_config.json",
        "vocab.json",
    ]
    for path in target.iterdir():
        assert path.read_bytes() == (source / path.name).read_bytes()
