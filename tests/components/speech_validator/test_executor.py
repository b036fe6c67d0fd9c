"""The data contract: what passes it, and that what does not stops the run."""

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.speech_validator.executor import refuse_anomalies
from models.errors import BadInputError
from pipeline.node_options import schema_file

ROWS = pd.DataFrame(
    {
        "utterance_id": ["1-1-0", "1-1-1"],
        "speaker_id": ["1", "1"],
        "chapter_id": ["1", "1"],
        "corpus": ["librispeech"] * 2,
        "subset": ["dev-clean"] * 2,
        "language": ["en"] * 2,
        "gender": ["F", ""],
        "transcript": ["HELLO", "GOOD BYE"],
        "num_samples": [16_000, 24_000],
    }
)


def validate(rows: pd.DataFrame) -> None:
    with open(schema_file()) as file:
        schema = text_format.Parse(file.read(), schema_pb2.Schema())
    statistics = tfdv.generate_statistics_from_dataframe(rows)
    refuse_anomalies(tfdv.validate_statistics(statistics, schema), "dev")


def test_speech_examples_without_their_audio_statistics_pass():
    validate(ROWS)


@pytest.mark.parametrize(
    ("rows", "feature"),
    [
        (ROWS.assign(gender=["F", "female"]), "gender"),
        (ROWS.assign(num_samples=[16_000, 399]), "num_samples"),
        (ROWS.assign(num_samples=["a", "b"]), "num_samples"),
        (ROWS.assign(loudness=[1.0, 2.0]), "loudness"),
        (ROWS.drop(columns="transcript"), "transcript"),
    ],
)
def test_what_the_contract_does_not_allow_stops_the_run(rows, feature):
    with pytest.raises(BadInputError, match=f"The dev split .*{feature}: "):
        validate(rows)
