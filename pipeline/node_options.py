"""What the stock nodes are told, apart from how they are wired."""

from __future__ import annotations

from pathlib import Path

import tensorflow_data_validation as tfdv

import schemas
from components.speech_example_gen.config import TranscriptRules
from components.transform import preprocessing
from components.tuner.tuner import FOLDER_KEY, TUNING_KEY
from models import filesystem
from models.training.node import CONFIG_KEY, TEACHER_KEY, UNFINISHED_FOLDER
from models.training.tuning import TuningConfig
from models.vocabulary import Vocabulary
from pipeline.config import RunConfig
from pipeline.provenance import Provenance
from schemas import speech_example
from schemas.properties import to_json


def schema_file() -> str:
    """The data contract that every corpus is held to."""
    return str(Path(schemas.__file__).parent / "speech_example.pbtxt")


def statistics_options() -> tfdv.StatsOptions:
    """Statistics of everything but the raw audio: a histogram of its bytes says nothing."""
    return tfdv.StatsOptions(feature_allowlist=list(speech_example.DESCRIBED_FEATURES))


def transcript_rules(config: RunConfig) -> TranscriptRules:
    """What the ingest holds transcripts to: the alphabet that the model will be able to write."""
    alphabet = config.data.alphabet
    if not alphabet and config.text.vocabulary == "checkpoint":
        alphabet = "".join(Vocabulary.from_folder(config.model.checkpoint).characters)
    return TranscriptRules(config.text.normalisation, alphabet)


def transform_config(config: RunConfig, provenance: Provenance) -> dict[str, str]:
    return {
        # Part of the cache key: the same path with another alphabet is another graph.
        "checkpoint_sha256": provenance.checkpoint_sha256,
        preprocessing.TEXT_KEY: to_json(config.text),
        preprocessing.CHECKPOINT_KEY: config.model.checkpoint,
    }


def trainer_config(config: RunConfig) -> dict[str, str]:
    teacher = config.model.teacher
    return {CONFIG_KEY: to_json(config.training)} | (
        {TEACHER_KEY: to_json(teacher)} if teacher else {}
    )


def tuner_config(config: RunConfig, tuning: TuningConfig, root: str) -> dict[str, str]:
    # Outside of the node's artifacts, which are another folder at each try.
    folder = filesystem.join(root, "Tuner", UNFINISHED_FOLDER)
    return {**trainer_config(config), TUNING_KEY: to_json(tuning), FOLDER_KEY: folder}
