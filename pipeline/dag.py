"""The DAG: every node of the pipeline on one screen, the same for all runners."""

from __future__ import annotations

from tfx.components import StatisticsGen, Trainer, Transform, Tuner
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import Channel
from tfx.types.standard_artifacts import ExampleAnomalies, Model, ModelBlessing

from components.checkpoint_importer.component import CheckpointImporter
from components.language_model_trainer.component import LanguageModelTrainer
from components.model_exporter.component import ModelExporter
from components.release_gate.component import ReleaseGate
from components.release_pusher.component import ReleasePusher
from components.speech_example_gen.component import SpeechExampleGen
from components.speech_validator.component import SpeechValidator
from components.wer_evaluator.component import WerEvaluator
from pipeline.code_digest import bind_to_code
from pipeline.config import RunConfig
from pipeline.node_options import (
    schema_file,
    statistics_options,
    trainer_config,
    transcript_rules,
    transform_config,
    tuner_config,
)
from pipeline.provenance import Provenance

TRAIN, DEV = "train", "dev"


def create_pipeline(
    config: RunConfig, provenance: Provenance, root: str, beam_args: list[str], **runner_options
) -> Pipeline:
    """The pipeline of a config. `runner_options` are the runner's own (metadata, …)."""
    examples = SpeechExampleGen(config.data, transcript_rules(config))
    speech = examples.outputs["examples"]

    statistics = StatisticsGen(speech, stats_options=statistics_options())
    schema = ImportSchemaGen(schema_file())
    last_passed = Resolver(
        strategy_class=LatestArtifactStrategy,
        anomalies=Channel(type=ExampleAnomalies),
    ).with_id("LastPassed")
    validator = SpeechValidator(
        statistics.outputs["statistics"],
        schema.outputs["schema"],
        last_passed=last_passed.outputs["anomalies"],
        accept_drift=config.data.accept_drift,
    )

    transform = Transform(
        examples=speech,
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=[TRAIN]),
        custom_config=transform_config(config, provenance),
        # The trainer applies the graph itself: no second, larger copy of the audio on disk.
        materialize=False,
        disable_statistics=True,
    )

    last_blessed = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("LatestBlessed")
    checkpoint = CheckpointImporter(
        config.model.checkpoint,
        provenance.checkpoint_sha256,
        config.text.vocabulary,
        last_blessed=last_blessed.outputs["model"] if config.model.warm_start else None,
    )
    learning = {
        "examples": speech,
        "transform_graph": transform.outputs["transform_graph"],
        "base_model": checkpoint.outputs["model"],
        "train_args": trainer_pb2.TrainArgs(splits=[TRAIN], num_steps=config.training.total_steps),
        "eval_args": trainer_pb2.EvalArgs(splits=[DEV]),
    }
    tuners = (
        [
            Tuner(
                tuner_fn="components.tuner.tuner.tuner_fn",
                custom_config=tuner_config(config, config.tuning, root),
                **learning,
            )
        ]
        if config.tuning
        else []
    )
    trainer = Trainer(
        run_fn="models.training.run_fn",
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        custom_config=trainer_config(config),
        **learning,
    )
    for learner in (*tuners, trainer):
        learner.add_upstream_node(validator)  # bad data must stop here, not train

    exporter = ModelExporter(
        model=trainer.outputs["model"],
        transform_graph=transform.outputs["transform_graph"],
        examples=speech,
        export=config.export,
        probe_split=DEV,
        first_checkpoint_sha256=provenance.checkpoint_sha256,
    )
    exported = exporter.outputs["exported_model"]

    language_models = (
        [LanguageModelTrainer(speech, config.language_model, split=TRAIN)]
        if config.language_model
        else []
    )
    evaluator = WerEvaluator(
        examples=speech,
        model=exported,
        evaluation=config.evaluation,
        language_model=language_models[0].outputs["language_model"] if language_models else None,
    )
    # Blessed or not: its report carries the history on.
    last_judged = Resolver(
        strategy_class=LatestArtifactStrategy,
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("LastJudged")
    gate = ReleaseGate(
        evaluation=evaluator.outputs["evaluation"],
        model=exported,
        baseline_model=last_blessed.outputs["model"],
        baseline_blessing=last_blessed.outputs["model_blessing"],
        last_blessing=last_judged.outputs["model_blessing"],
        gate=config.gate,
        alerts=config.alerts,
        name=config.name,
    )

    pusher = ReleasePusher(
        model=exported,
        base_model=checkpoint.outputs["model"],
        examples=speech,
        evaluation=evaluator.outputs["evaluation"],
        report=gate.outputs["report"],
        blessing=gate.outputs["blessing"],
        release=config.release,
        alerts=config.alerts,
        name=config.name,
        config_sha256=provenance.config_sha256,
        code_version=provenance.code_version,
    )

    nodes = [
        examples,
        statistics,
        schema,
        last_passed,
        validator,
        transform,
        last_blessed,
        checkpoint,
        *tuners,
        trainer,
        exporter,
        *language_models,
        evaluator,
        last_judged,
        gate,
        pusher,
    ]
    for node in nodes:
        bind_to_code(node)
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=root,
        components=nodes,
        enable_cache=config.runner.cache,
        beam_pipeline_args=beam_args,
        **runner_options,
    )
