"""The vocabulary: text to ids and back, and the files that transformers reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInputError
from models.vocabulary import Vocabulary

ENGLISH = Vocabulary.of_characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")


@given(st.lists(st.text("ABCXYZ'", min_size=1), max_size=6).map(" ".join))
def test_a_spelt_transcript_is_the_transcript(text):
    assert ENGLISH.spell(ENGLISH.encode(text)) == text


@given(st.lists(st.text("ABCXYZ'", min_size=1), max_size=6).map(" ".join))
def test_a_path_with_blanks_between_characters_decodes_to_the_transcript(text):
    path = [step for index in ENGLISH.encode(text) for step in (index, index, ENGLISH.blank)]
    assert ENGLISH.decode(path) == text


def test_repeats_merge_unless_a_blank_stands_between():
    a = ENGLISH.encode("A")[0]
    assert ENGLISH.decode([a, a, ENGLISH.blank, a]) == "AA"


def test_an_unknown_character_becomes_the_unknown_token_and_is_not_written():
    encoded = ENGLISH.encode("A9")
    assert encoded[1] == ENGLISH.unknown
    assert ENGLISH.decode(encoded) == "A"


def test_combining_marks_keep_their_order():
    hindi = Vocabulary.of_characters("नमस्ते")
    assert hindi.spell(hindi.encode("नमस्ते")) == "नमस्ते"


def test_saved_files_are_read_back(tmp_path):
    ENGLISH.save(tmp_path)
    assert Vocabulary.from_folder(tmp_path) == ENGLISH


def test_transformers_reads_the_files_and_decodes_alike(tmp_path):
    from transformers import Wav2Vec2CTCTokenizer

    ENGLISH.save(tmp_path)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    path = [0, 5, 5, 0, 5, 4, 4, 6, 0, 31]
    assert tokenizer.decode(path) == ENGLISH.decode(path)
    assert tokenizer("HELLO WORLD").input_ids == ENGLISH.encode("HELLO WORLD")


def test_the_pad_token_of_the_tokenizer_file_is_the_blank(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"|": 0, "A": 1, "[PAD]": 2, "[UNK]": 3}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"pad_token": {"content": "[PAD]"}, "unk_token": "[UNK]"})
    )
    vocabulary = Vocabulary.from_folder(tmp_path)
    assert (vocabulary.blank, vocabulary.unknown) == (2, 3)


def test_a_folder_without_vocabulary_is_refused_by_name(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no vocab\.json"):
        Vocabulary.from_folder(tmp_path)


def test_an_extended_alphabet_keeps_every_id_and_adds_each_new_token_once():
    longer = ENGLISH.extended(["Ö", "A", "Ä", "Ö"])
    assert longer.tokens == (*ENGLISH.tokens, "Ö", "Ä")
    assert longer.encode("CAT") == ENGLISH.encode("CAT")
    assert ENGLISH.extended("ABC") == ENGLISH
