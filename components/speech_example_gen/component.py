"""SpeechExampleGen: a corpus of audio and transcripts in, splits of speech examples out.

It is a stock file-based ExampleGen in all that TFX sees of it: properties, span, version and
fingerprint are TFX's own. Our driver reads several spans together and fingerprints content; where
a cluster runs the stock driver instead, one span is read.
"""

from __future__ import annotations

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import range_config_pb2

from components.speech_example_gen.config import DataConfig, TranscriptRules
from components.speech_example_gen.driver import Driver
from components.speech_example_gen.executor import Executor
from components.speech_example_gen.properties import custom_config, input_config
from components.speech_example_gen.sources import source_type


class SpeechExampleGen(FileBasedExampleGen):
    """Gives `Examples` with the splits train, dev and test; no speaker stands in two of them."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, data: DataConfig, rules: TranscriptRules) -> None:
        super().__init__(
            input_base=data.corpus,
            input_config=input_config(data, source_type(data.layout).files_below_subset),
            range_config=span_range(data),
            custom_config=custom_config(data, rules),
        )


def span_range(data: DataConfig) -> range_config_pb2.RangeConfig | None:
    """The spans as the stock driver is told them; it refuses more than one by itself."""
    if data.span_number is not None and data.last_spans == 1:
        one = range_config_pb2.StaticRange(
            start_span_number=data.span_number, end_span_number=data.span_number
        )
        return range_config_pb2.RangeConfig(static_range=one)
    if data.last_spans > 1:
        rolling = range_config_pb2.RollingRange(num_spans=data.last_spans)
        return range_config_pb2.RangeConfig(rolling_range=rolling)
    return None
