"""A blessing as the stock Evaluator gives it, so that stock resolvers and pushers understand."""

from __future__ import annotations

from tfx.components.evaluator import constants
from tfx.dsl.io import fileio
from tfx.types import Artifact

from components.release_gate.judgement import EVALUATION_KEY, REPORT_KEY
from models import filesystem


def bless(blessing: Artifact, blessed: bool, model: Artifact, evaluation: str, report: str) -> None:
    """Write down whether the model is let out, and what it was judged on."""
    fileio.makedirs(blessing.uri)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    filesystem.write_text(filesystem.join(blessing.uri, name), "")
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(EVALUATION_KEY, evaluation)
    blessing.set_string_custom_property(REPORT_KEY, report)
