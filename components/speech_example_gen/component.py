"""SpeechExampleGen: a corpus of audio and transcripts in, splits of speech examples out.

It is a stock file-based ExampleGen in all but what it reads: spans, versions and the fingerprint
that decides whether the cache still holds are TFX's own.
"""

from __future__ import annotations

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec

from components.speech_example_gen.config import DataConfig
from components.speech_example_gen.executor import Executor
from components.speech_example_gen.properties import custom_config, input_config
from components.speech_example_gen.sources import source_type


class SpeechExampleGen(FileBasedExampleGen):
    """Gives `Examples` with the splits train, dev and test; no speaker stands in two of them."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, data: DataConfig) -> None:
        super().__init__(
            input_base=data.corpus,
            input_config=input_config(data, source_type(data.layout).files_below_subset),
            custom_config=custom_config(data),
        )
