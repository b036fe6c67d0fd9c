"""SpeechValidator: the stock ExampleValidator, with teeth.

The stock one only writes anomalies down; this one stops the run, so that bad data never trains.
"""

from __future__ import annotations

from tfx.components import ExampleValidator
from tfx.dsl.components.base import executor_spec

from components.speech_validator.executor import Executor


class SpeechValidator(ExampleValidator):
    """Gives `ExampleAnomalies`, all of them empty where the run goes on."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
