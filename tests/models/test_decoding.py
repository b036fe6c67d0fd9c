"""Greedy decoding in the graph equals decoding in Python."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding import greedy_text
from models.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of_characters("ABC'")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.integers(0, len(VOCABULARY.tokens) - 1), min_size=1, max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_graph_and_python_agree_on_every_path(paths):
    frames = max(map(len, paths))
    # Beyond its length a row holds another character, which must not be read.
    padded = np.array([path + [5] * (frames - len(path)) for path in paths])
    logits = np.eye(len(VOCABULARY.tokens), dtype=np.float32)[padded]
    lengths = np.array([len(path) for path in paths], np.int32)
    texts = greedy_text(logits, lengths, VOCABULARY).numpy()
    assert [text.decode() for text in texts] == [VOCABULARY.decode(path) for path in paths]
