"""Validates as the stock executor does, then refuses a split that breaks the data contract."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator import executor as stock
from tfx.types import Artifact, artifact_utils

from models import filesystem
from models.errors import BadInputError

Artifacts = dict[str, list[Artifact]]


class Executor(stock.Executor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        anomalies = artifact_utils.get_single_instance(output_dict["anomalies"])
        for split in artifact_utils.decode_split_names(anomalies.split_names):
            folder = artifact_utils.get_split_uri([anomalies], split)
            content = filesystem.read_bytes(filesystem.join(folder, stock.DEFAULT_FILE_NAME))
            refuse_anomalies(anomalies_pb2.Anomalies.FromString(content), split)


def refuse_anomalies(anomalies: anomalies_pb2.Anomalies, split: str) -> None:
    """Raise one sentence that names every feature which is not as the schema says."""
    found = [f"{name}: {info.description}" for name, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.HasField("dataset_anomaly_info"):
        found.append(anomalies.dataset_anomaly_info.description)
    if found:
        raise BadInputError(
            f"The {split} split is not what schemas/speech_example.pbtxt allows: "
            f"{' '.join(found)} Mend the corpus, or the schema if it is too narrow."
        )
