"""A secret is read where it lies, and no error tells it."""

import pytest

from models.errors import BadInputError
from models.secrets import read_secret


def test_it_is_read_without_the_line_break_that_editors_add(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    (tmp_path / "token").write_text("s3cret\n")
    for place in ("env:TOKEN", f"file:{tmp_path}/token"):
        assert read_secret(place, "cluster.kfp.token", "the token") == "s3cret"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_one_sentence_with_the_cure(tmp_path, content):
    path = tmp_path / "token"
    if content:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"cannot be read .*; write there the token\."):
        read_secret(f"file:{path}", "cluster.kfp.token", "the token")


@pytest.mark.parametrize("value", [None, " "])
def test_a_variable_that_holds_nothing_is_one_sentence_with_the_cure(monkeypatch, value):
    monkeypatch.delenv("TOKEN", raising=False)
    if value:
        monkeypatch.setenv("TOKEN", value)
    with pytest.raises(BadInputError, match=r"token says env:TOKEN, but .* set it to the token\."):
        read_secret("env:TOKEN", "cluster.kfp.token", "the token")
