"""The plan: hours and money on each device, what the rest costs, and all that it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kubeflow.cost.prices import Device, Ingest, Prices, Utilisation
from kubeflow.cost.workload import (
    StageWork,
    evaluated_variants,
    evaluation_flops,
    model_of,
    training_work,
)
from models.errors import BadInputError
from pipeline.config import RunConfig

EVALUATOR = "WerEvaluator"


@dataclass(frozen=True)
class Span:
    """A figure with what it may be at best and at worst."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> Span:
        return Span(self.low * factor, self.expected * factor, self.high * factor)


@dataclass(frozen=True)
class OnDevice:
    """The training on one device."""

    device: str
    about: str
    hours: Span
    money: Span
    spot_money: Span | None
    total: float  # with what is paid beside the training
    utilisation: Utilisation


@dataclass(frozen=True)
class Beside:
    """What is paid for besides the training."""

    what: str
    hours: float  # of machines, all together; 0 where it is not paid by the hour
    money: float
    measured: bool
    told: str  # how it was come by


@dataclass(frozen=True)
class Plan:
    """All of it; `assumptions` are sentences."""

    name: str
    currency: str
    audio_hours: float
    epochs: float
    stages: tuple[StageWork, ...]
    devices: tuple[OnDevice, ...]
    beside: tuple[Beside, ...]
    assumptions: tuple[str, ...]


def make_plan(config: RunConfig, prices: Prices, names: Sequence[str], corpus_hours: float) -> Plan:
    """What a config's run takes on each of the named devices."""
    if not corpus_hours > 0:
        raise BadInputError(f"--hours must be above 0, not {corpus_hours:g}.")
    if not names:
        raise BadInputError(f"--on names no device: choose of {', '.join(prices.devices)}.")
    model = model_of(config)
    stages = training_work(config, model.config, prices.corpus)
    trained = sum(stage.audio_hours for stage in stages if stage.steps)
    flops = sum(stage.flops for stage in stages)
    beside = _beside(config, prices, corpus_hours)
    rest = sum(one.money for one in beside)
    devices = tuple(_on(name, flops, rest, config, prices) for name in names)
    return Plan(
        name=config.name,
        currency=prices.currency,
        audio_hours=trained,
        epochs=trained / corpus_hours,
        stages=tuple(stages),
        devices=devices,
        beside=tuple(beside),
        assumptions=(
            *_assumptions(config, prices, names),
            *(_feeding(one, trained, prices) for one in devices),
        ),
    )


def _on(name: str, flops: float, rest: float, config: RunConfig, prices: Prices) -> OnDevice:
    device = prices.device(name)
    reached = device.utilisation or prices.utilisation
    at_peak = flops / (_peak(name, device, config.training.precision) * 1e12) / 3600
    hours = Span(at_peak / reached.high, at_peak / reached.expected, at_peak / reached.low)
    spot = device.spot_per_hour
    return OnDevice(
        device=name,
        about=device.about,
        hours=hours,
        money=hours.times(device.per_hour),
        spot_money=None if spot is None else hours.times(spot),
        total=hours.expected * device.per_hour + rest,
        utilisation=reached,
    )


def _peak(name: str, device: Device, precision: str) -> float:
    if precision not in device.peak_tflops:
        raise BadInputError(
            f"The price file has no peak_tflops of {name} for training.precision={precision}, only "
            f"for {', '.join(device.peak_tflops)}: choose one of these, or add it there."
        )
    return device.peak_tflops[precision]


def _beside(config: RunConfig, prices: Prices, corpus_hours: float) -> list[Beside]:
    container = prices.container
    cpus = config.cluster.needs_of(EVALUATOR).cpu or container.cpus
    flops = evaluation_flops(config, model_of(config).config, prices.corpus)
    hours = flops / (container.tflops_per_cpu * cpus * 1e12) / 3600
    trials = len(evaluated_variants(config))
    return [
        _ingest(prices.ingest, corpus_hours),
        Beside(
            "Evaluation",
            hours,
            hours * cpus * container.cpu_hour,
            True,
            f"{trials} trials over {prices.corpus.test_hours:g} h on {cpus:g} CPUs of "
            f"{1000 * container.tflops_per_cpu:g} GFLOP/s",
        ),
        Beside(
            "Other nodes",
            container.other_hours,
            container.other_hours * container.cpus * container.cpu_hour + container.run,
            False,
            f"{container.cpus:g} CPUs, and {container.run:g} for the run",
        ),
    ]


def _ingest(ingest: Ingest, corpus_hours: float) -> Beside:
    cpu_hours = (
        corpus_hours * ingest.cpu_seconds_per_audio_hour / 3600
        + ingest.workers * ingest.start_minutes / 60
    )
    gigabytes = corpus_hours * ingest.megabytes_per_audio_hour / 1000
    an_hour = ingest.cpu_hour + ingest.memory_gb_per_cpu * ingest.memory_gb_hour
    return Beside(
        "Ingest",
        cpu_hours,
        cpu_hours * an_hour + gigabytes * ingest.shuffled_gb,
        True,
        f"{ingest.cpu_seconds_per_audio_hour:g} CPU s for an hour of audio, {gigabytes:,.0f} GB "
        f"shuffled; they cost {gigabytes * ingest.stored_gb_month:,.2f} a month while kept",
    )


def _assumptions(config: RunConfig, prices: Prices, names: Sequence[str]) -> list[str]:
    corpus, model = prices.corpus, model_of(config)
    told = [
        f"Prices in {prices.currency} for {prices.region}, {prices.date}: {prices.source}.",
        f"An utterance has {corpus.mean_seconds:g} s; {100 * corpus.padding:g} % of a batch are "
        "padding (measured).",
    ]
    if not model.known:
        told.append(
            f"There is no checkpoint at {config.model.checkpoint} yet: it is taken for "
            "wav2vec2-base."
        )
    told += _utilisations(prices, names, config.training.precision)
    for name in names:
        cores, batch = prices.devices[name].cores, config.training.batch_size
        if cores > 1:
            told.append(
                f"A batch is {batch / cores:g} utterances for each of {name}'s {cores} cores; "
                "small ones reach less of the peak."
            )
    told += [
        "The backward pass costs twice the forward pass of what is trained; layer drop saves "
        "nothing, and no stage ends early.",
        "The start of a machine is free, and no work is lost to machines that are taken away.",
        "All runtimes of the evaluation are as fast as the SavedModel; beam search costs nothing.",
    ]
    return told


def _feeding(on: OnDevice, audio_hours: float, prices: Prices) -> str:
    a_second = audio_hours / (3600 * on.hours.expected)
    cpus = math.ceil(a_second / prices.corpus.read_a_second)
    return (
        f"{on.device} never waits for data: {a_second:.2g} h of audio a second are read by {cpus} "
        f"CPU{'' if cpus == 1 else 's'} of its host (measured: {prices.corpus.read_a_second:g} h "
        "each)."
    )


def _utilisations(prices: Prices, names: Sequence[str], precision: str) -> list[str]:
    """A sentence for each figure, with all devices that it is taken for."""
    devices_of: dict[Utilisation, list[str]] = {}
    for name in names:
        reached = prices.devices[name].utilisation or prices.utilisation
        devices_of.setdefault(reached, []).append(name)
    return [
        f"{100 * reached.expected:g} % ({100 * reached.low:g} to {100 * reached.high:g}) of the "
        f"peak in {precision} are reached on {', '.join(devices)} "
        f"({'measured' if reached.measured else 'assumed, not measured'}): {reached.source}."
        for reached, devices in devices_of.items()
    ]
