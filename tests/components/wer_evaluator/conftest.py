"""One evaluation that many tests read: the random recogniser over eight utterances of noise."""

from functools import partial
from pathlib import Path

import pytest

# Half of the utterances are longer.
CONSTANT = 13_000
VARIANTS = ("unpadded", "bucketed", f"constant_{CONSTANT}", f"constant_{CONSTANT}_unmasked")


@pytest.fixture(scope="session")
def evaluation(tiny_checkpoint, speech_records, tmp_path_factory) -> str:
    """The folder of that evaluation; artifacts are the checkpoint twice, once not there."""
    import apache_beam as beam

    from components.wer_evaluator.config import EvaluationConfig
    from components.wer_evaluator.evaluate import Candidate, Material, evaluate
    from components.wer_evaluator.evaluation import ArtifactFacts
    from components.wer_evaluator.predict import read_split
    from models.beam_search import BeamSearchConfig

    folder = tmp_path_factory.mktemp("evaluation")
    config = EvaluationConfig(
        variants=VARIANTS,
        slices=(("speaker",), ("gender", "duration")),
        overlap_seconds=0.2,
        beam_search=BeamSearchConfig(width=8),
        explain_padding=CONSTANT,
        batch_seconds=4.0,
    )
    evaluate(
        partial(beam.Pipeline, runner="FnApiRunner"),
        [
            Candidate(ArtifactFacts("saved_model", "checkpoint", 1000), str(tiny_checkpoint)),
            Candidate(ArtifactFacts("gone", "checkpoint", 1000), str(Path(tiny_checkpoint) / "x")),
        ],
        Material("test", partial(read_split, records=str(speech_records)), utterances=8),
        config,
        str(folder),
    )
    return str(folder)
