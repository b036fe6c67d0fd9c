"""Reads the checkpoint, proves that every tensor has its place, and writes it as our Model."""

from __future__ import annotations

import logging
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from models import filesystem
from models.errors import BadInputError
from models.vocabulary import Vocabulary
from models.warm_start import mark_warm_start
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.assignment import CTC_HEAD
from models.wav2vec2.checkpoint import save_processor
from models.wav2vec2.checkpoint_files import open_checkpoint
from schemas import model_properties

Artifacts = dict[str, list[Artifact]]
# The same checkpoint is always imported to the same bytes, its new head too.
HEAD_SEED = 0

log = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        output = artifact_utils.get_single_instance(output_dict["model"])
        folder = path_utils.serving_model_dir(output.uri)
        path, sha256 = exec_properties["checkpoint"], exec_properties["checkpoint_sha256"]
        last_blessed = input_dict.get("last_blessed")
        if last_blessed:
            path = trained_model_of(last_blessed[0], exec_properties)
            sha256 = filesystem.sha256_of_folder(path)
            mark_warm_start(folder, path)
            log.info("warm start from the last blessed model's training: %s", path)
        output.set_int_custom_property("parameters", import_checkpoint(path, folder))
        output.set_string_custom_property(model_properties.CHECKPOINT, path)
        output.set_string_custom_property(model_properties.CHECKPOINT_SHA256, sha256)


def import_checkpoint(path: str, folder: str) -> int:
    """Write the checkpoint in our layout; gives the number of its parameters."""
    checkpoint = open_checkpoint(path)
    # A checkpoint that was only pretrained has no head yet; fine-tuning starts a new one.
    new_head = not checkpoint.holds(CTC_HEAD)
    model = Wav2Vec2ForCTC.from_pretrained(checkpoint.path, new_head=new_head, seed=HEAD_SEED)
    model.save_pretrained(folder)
    save_processor(checkpoint, folder)
    return model.count_params()


def trained_model_of(blessed: Artifact, exec_properties: dict[str, Any]) -> str:
    """The folder of the training that a blessed model came from, if this run may go on from it."""
    checkpoint = exec_properties["checkpoint"]
    trained = blessed.get_string_custom_property(model_properties.TRAINED_MODEL)
    began = blessed.get_string_custom_property(model_properties.FIRST_CHECKPOINT_SHA256)
    problem = None
    if not trained:
        problem = "it does not say which trained model it was exported from"
    elif not filesystem.exists(filesystem.join(trained, "config.json")):
        problem = f"the trained model {trained} that it was exported from is gone"
    elif began != exec_properties["checkpoint_sha256"]:
        problem = f"its training began from another checkpoint than {checkpoint} is now"
    elif exec_properties["vocabulary"] == "checkpoint" and (
        Vocabulary.from_folder(trained) != Vocabulary.from_folder(checkpoint)
    ):
        problem = f"it writes another alphabet than {checkpoint}"
    if problem:
        raise BadInputError(
            f"model.warm_start cannot go on from the last blessed model ({blessed.uri}): {problem};"
            f" run once with --set model.warm_start=false, which starts from {checkpoint}."
        )
    return trained
