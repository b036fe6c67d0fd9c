"""Writes a release's pages from their templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from components.release_gate.report import wording
from components.release_pusher.hub import EXAMPLE_ADDRESS
from components.release_pusher.layout import FILE_FOLDERS
from components.release_pusher.pages.config import PageConfig
from components.release_pusher.pages.facts import ReleaseFacts
from components.wer_evaluator.scores import percent
from models.artifact_kinds import HubKind
from schemas.release_manifest import TrainingFigures

TEMPLATES = Path(__file__).parent / "templates"
PIPELINE_TAG = "automatic-speech-recognition"
LIBRARY = "wav2vec2-tfx"
# Where the card keeps what the release is, so that a retried push finds it there.
CARD_RELEASE_KEY = "release"


def hub_page(facts: ReleaseFacts, kind: HubKind, asset: str, page: PageConfig | None = None) -> str:
    """The documentation of a hub model in TF Hub's Markdown format; `asset` is its archive."""
    example = EXAMPLE_ADDRESS if asset.startswith(EXAMPLE_ADDRESS) else ""
    page = page or PageConfig()
    return _rendered("hub_page.md", facts, page, kind=kind, asset=asset, example=example)


def model_card(facts: ReleaseFacts, page: PageConfig | None = None, repo: str = "") -> str:
    """What a release is for, from what, how good and its limits, as the Hub's model cards are.

    `repo` is where it lies on Hugging Face; empty: in a folder of releases.
    """
    page = page or PageConfig()
    body = _rendered("model_card.md", facts, page, repo=repo)
    return f"---\n{_card_metadata(facts, page)}\n---\n\n{body}"


def release_mark(facts: ReleaseFacts) -> dict[str, str | int]:
    """What tells a release from all others, kept at each destination."""
    manifest = facts.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "content_sha256": manifest.content_sha256,
    }


def emissions(training: TrainingFigures, grams_per_kwh: float) -> float:
    """Grams of CO2 that the training's electricity stands for.

    >>> emissions(TrainingFigures(900, 6.0, 80.0, 1.0, 0.1, 2.0, "GPU", "counted"), 380)
    760.0
    """
    return training.kilowatt_hours * grams_per_kwh


def _card_metadata(facts: ReleaseFacts, page: PageConfig) -> str:
    from huggingface_hub import ModelCardData

    runtimes = [folder for folder in FILE_FOLDERS if facts.has(folder)]
    results = _results(facts, page)
    data = ModelCardData(
        language=page.language or None,
        license=page.license or None,
        library_name=LIBRARY,
        pipeline_tag=PIPELINE_TAG,
        tags=["wav2vec2", "speech", "tensorflow", *runtimes],
        datasets=list(page.datasets) or None,
        metrics=["wer"],
        model_name=facts.manifest.name if results else None,
        eval_results=results or None,
    )
    data[CARD_RELEASE_KEY] = release_mark(facts)
    training = facts.manifest.provenance.training
    if training and training.kilowatt_hours and page.grams_of_co2_per_kwh is not None:
        data["co2_eq_emissions"] = {
            "emissions": round(emissions(training, page.grams_of_co2_per_kwh), 3),
            "source": "CodeCarbon's electricity, times the grid's figure that its owner gave",
            "training_type": "fine-tuning",
            "hardware_used": training.hardware,
        }
    return data.to_yaml()


def _results(facts: ReleaseFacts, page: PageConfig) -> list[Any]:
    """The error rates as the Hub's `model-index` holds them, in percent."""
    from huggingface_hub import EvalResult

    dataset = ", ".join(page.datasets) or facts.manifest.name
    return [
        EvalResult(
            task_type=PIPELINE_TAG,
            dataset_type=page.datasets[0] if page.datasets else "custom",
            dataset_name=dataset,
            dataset_split=facts.split or None,
            metric_type="wer",
            metric_name=f"WER of {trial}, in percent",
            metric_value=round(100 * rate, 2),
        )
        for trial, rate in facts.wer.items()
    ]


def electricity(kilowatt_hours: float) -> str:
    """
    >>> electricity(0.0004321), electricity(1234.5)
    ('0.43 Wh', '1,234.5 kWh')
    """
    if kilowatt_hours < 1:
        return f"{1000 * kilowatt_hours:.2g} Wh" if kilowatt_hours else "0 Wh"
    return f"{kilowatt_hours:,.1f} kWh"


def _rendered(name: str, facts: ReleaseFacts, page: PageConfig, **more: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": percent,
        "count": wording.count,
        "duration": wording.duration,
        "megabytes": wording.megabytes,
        "markdown": wording.markdown,
        "electricity": electricity,
    }
    environment.globals |= {
        "interval": wording.interval,
        "many": wording.many,
        "emissions": emissions,
    }
    template = environment.get_template(f"{name}.jinja")
    return template.render(facts=facts, manifest=facts.manifest, main=facts.main, page=page, **more)
