"""Reads the corpus of every split with Beam and writes sharded speech examples."""

from __future__ import annotations

from typing import Any

from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils

from components.speech_example_gen.findings import read_findings, refuse_bad_splits
from components.speech_example_gen.ingest import SplitPlan, ingest_split, list_files
from components.speech_example_gen.properties import read_properties
from components.speech_example_gen.sources import source_type
from models import filesystem

Artifacts = dict[str, list[Artifact]]
FINDINGS_FOLDER = "findings"


class Executor(base_beam_executor.BaseBeamExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        data, patterns = read_properties(exec_properties)
        examples.split_names = artifact_utils.encode_split_names(sorted(patterns))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        source = source_type(data.layout)(data.corpus)
        findings = filesystem.join(examples.uri, FINDINGS_FOLDER)
        plans = [
            SplitPlan(
                name=name,
                source=source,
                files=list_files(filesystem.join(data.corpus, pattern)),
                records=artifact_utils.get_split_uri([examples], name),
                findings=findings,
                shard_megabytes=data.shard_megabytes,
            )
            for name, pattern in patterns.items()
        ]
        with self._make_beam_pipeline() as pipeline:
            for plan in plans:
                ingest_split(pipeline, plan)
        splits = [read_findings(plan) for plan in plans]
        refuse_bad_splits(splits, data.max_quarantined_fraction, findings)
        for split in splits:
            examples.set_int_custom_property(f"{split.name}_utterances", split.utterances)
            examples.set_int_custom_property(f"{split.name}_quarantined", len(split.quarantined))
