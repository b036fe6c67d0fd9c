"""SpeechExampleGen: a corpus of audio and transcripts in, splits of speech examples out.

It is a stock file-based ExampleGen in all but what it reads: spans, versions and the fingerprint
that decides whether the cache still holds are TFX's own.
"""

from __future__ import annotations

from google.protobuf import any_pb2, struct_pb2
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.speech_example_gen.config import DataConfig
from components.speech_example_gen.executor import CONFIG_KEY, Executor
from components.speech_example_gen.sources import source_type
from schemas.properties import to_json


class SpeechExampleGen(FileBasedExampleGen):
    """Gives `Examples` with the splits train, dev and test; no speaker stands in two of them."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, data: DataConfig) -> None:
        below = source_type(data.layout).files_below_subset
        settings = struct_pb2.Struct()
        settings[CONFIG_KEY] = to_json(data)
        packed = any_pb2.Any()
        packed.Pack(settings)
        super().__init__(
            input_base=data.corpus,
            input_config=example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=name, pattern=f"{pattern}/{below}")
                    for name, pattern in data.splits.items()
                ]
            ),
            custom_config=example_gen_pb2.CustomConfig(custom_config=packed),
        )
