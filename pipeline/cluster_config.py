"""What only a cluster needs to know: machines, accounts, the schedule; checked at the door."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field

# Google's rule for labels, which Kubernetes' rule contains.
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
# The node whose settings are those of every node that is not named.
EVERY_NODE = "default"
CRON_FIELDS = 5
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KUBERNETES = "kubernetes:"
KUBERNETES_SECRET = re.compile(r"[a-z0-9][a-z0-9.-]*/[\w.-]+")


@dataclass(frozen=True)
class NodeNeeds:
    """What one node is given; what is left out is as for `default`, or as the cluster likes."""

    cpu: float | None = None  # cores, as a limit
    memory_gb: float | None = None  # of 10⁹ bytes, as a limit
    accelerator: str | None = None  # as the cluster names it, such as NVIDIA_L4 or nvidia.com/gpu
    accelerators: int | None = None  # how many of it; 1 unless said
    # How often a failed try is made again, after a minute at first and then ever longer.
    retries: int | None = None
    # After so many hours a try is ended and counts as failed.
    hours: float | None = None
    cache: bool | None = None  # whether an earlier result of the same inputs is taken instead
    # Labels of the Kubernetes nodes that it may run on, as for a pool of TPUs; Vertex has none.
    node_selector: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for name in ("cpu", "memory_gb", "hours", "accelerators"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"cluster.nodes: {name} must be above 0, not {value}")
        if self.retries is not None and self.retries < 0:
            raise ValueError(f"cluster.nodes: retries must be 0 or more, not {self.retries}")
        if self.accelerators and not self.accelerator:
            raise ValueError("cluster.nodes: accelerators is a number of what accelerator names")


@dataclass(frozen=True)
class TrainingJob:
    """Where the Trainer runs if not in its node's container: a custom job of Vertex AI.

    A v3-8 is `machine: cloud-tpu, accelerator: TPU_V3, accelerators: 8`; a v5e slice of 8 chips is
    `machine: ct5lp-hightpu-8t, tpu_topology: 2x4`, both with the `image` of VARIANT=tpu; a GPU
    machine is `machine: a2-highgpu-1g, accelerator: NVIDIA_TESLA_A100, accelerators: 1`.
    """

    machine: str  # the machine type, as Vertex AI names it
    accelerator: str = ""  # its kind, as Vertex AI names it; empty: none, or the machine's own
    accelerators: int = 0  # how many on each machine
    tpu_topology: str = ""  # of a TPU slice, such as 2x4
    # Machines that train together.
    workers: int = 1
    # Cheaper machines that may be taken away; training goes on from its last checkpoint.
    spot: bool = False
    hours: float = 168  # after so many the job is ended
    # The image variant of these machines; empty: the pipeline's own image.
    image: str = ""

    def __post_init__(self) -> None:
        if bool(self.accelerator) != bool(self.accelerators):
            raise ValueError(
                "cluster.training: accelerator and accelerators belong together: which, and how "
                "many of it"
            )
        if self.workers < 1:
            raise ValueError(f"cluster.training.workers must be at least 1, not {self.workers}")
        if self.hours <= 0:
            raise ValueError(f"cluster.training.hours must be above 0, not {self.hours}")


@dataclass(frozen=True)
class ScheduleConfig:
    """When the pipeline runs by itself."""

    cron: str  # minute, hour, day of month, month, day of week
    timezone: str = "UTC"  # of `cron`, such as Europe/Berlin
    max_concurrent: int = 1  # runs at once, at most
    # Whether runs that were missed, as while the schedule was paused, are made up for.
    catch_up: bool = False
    start: str = ""  # ISO 8601; empty: at once
    end: str = ""  # ISO 8601; empty: never

    def __post_init__(self) -> None:
        if len(self.cron.split()) != CRON_FIELDS:
            raise ValueError(
                f"cluster.schedule.cron is {self.cron!r}, but must have five fields: minute, hour, "
                "day of month, month, day of week"
            )
        if self.timezone not in zoneinfo.available_timezones():
            raise ValueError(
                f"cluster.schedule.timezone is {self.timezone!r}, but must be a name such as "
                "Europe/Berlin"
            )
        if self.max_concurrent < 1:
            raise ValueError(
                f"cluster.schedule.max_concurrent must be at least 1, not {self.max_concurrent}"
            )
        for name in ("start", "end"):
            _check_time(f"cluster.schedule.{name}", getattr(self, name))


@dataclass(frozen=True)
class KfpConfig:
    """A Kubeflow Pipelines service of one's own."""

    host: str = ""  # such as https://kfp.example.org/pipeline
    namespace: str = ""  # the profile's, where the service has several users; else empty
    experiment: str = "Default"  # under which runs are listed; made where it is missing
    # Where the bearer token lies: env:NAME or file:PATH. Never the token itself.
    token: str = ""

    def __post_init__(self) -> None:
        if self.token and not self.token.startswith(("env:", "file:")):
            raise ValueError(
                "cluster.kfp.token must be env:NAME or file:PATH: a token is no part of a config"
            )


@dataclass(frozen=True)
class ClusterConfig:
    """The cluster's side of a pipeline."""

    # Of Google Cloud, for Vertex AI and Dataflow.
    project: str = ""
    region: str = "us-central1"  # of Google Cloud: where Vertex AI and Dataflow run
    service_account: str = ""  # as whom the nodes run; empty: the cluster's own choice
    # The VPC of Vertex AI and Dataflow: projects/NUMBER/global/networks/NAME.
    network: str = ""
    encryption_key: str = ""  # of Cloud KMS, by its full name
    # On runs, jobs and pods, such as who pays for them.
    labels: Mapping[str, str] = field(default_factory=dict)
    # What each node is given, by its name; `default` is for all that are not named.
    nodes: Mapping[str, NodeNeeds] = field(default_factory=dict)
    training: TrainingJob | None = None  # where the Trainer runs if not in its node's container
    schedule: ScheduleConfig | None = None  # when the pipeline runs by itself
    kfp: KfpConfig = field(default_factory=KfpConfig)  # a Kubeflow Pipelines service of one's own
    # Variables of the nodes' containers, by where their values lie: kubernetes:SECRET/KEY for
    # Kubeflow, secret:projects/P/secrets/S/versions/V of Google Secret Manager, or file:gs://….
    secrets: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.labels.items():
            if not (LABEL.fullmatch(name) and LABEL_VALUE.fullmatch(value)):
                raise ValueError(
                    f"cluster.labels: {name}: {value} must be lower-case letters, digits, - and _ "
                    "(at most 63), the name beginning with a letter"
                )
        for name, place in self.secrets.items():
            _check_secret(name, place)

    def needs_of(self, node: str) -> NodeNeeds:
        """What the node is given, `default` filling in what its own settings leave out."""
        own, every = self.nodes.get(node, NodeNeeds()), self.nodes.get(EVERY_NODE, NodeNeeds())
        return NodeNeeds(
            **{
                name: value if value is not None else getattr(every, name)
                for name, value in vars(own).items()
            }
        )


def _check_secret(name: str, place: str) -> None:
    """The value itself may have been written there: no error repeats it."""
    if not VARIABLE.fullmatch(name):
        raise ValueError(f"cluster.secrets: {name!r} cannot be the name of a variable")
    kubernetes = place.removeprefix(KUBERNETES)
    known = place.startswith(("secret:", "file:"))
    if not known and (kubernetes == place or not KUBERNETES_SECRET.fullmatch(kubernetes)):
        raise ValueError(
            f"cluster.secrets.{name} must say where the value lies (kubernetes:SECRET/KEY, "
            "secret:projects/P/secrets/S/versions/V or file:gs://…): the value itself is a secret"
        )


def _check_time(key: str, text: str) -> None:
    if not text:
        return
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{key} is {text!r}, but must be as 2026-01-31T06:00:00+00:00") from error
