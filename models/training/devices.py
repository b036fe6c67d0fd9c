"""Where training runs: one device, several of a machine, several machines, or a TPU.

However many there are, they train on the same batches in the same order, each on its rows.

>>> strategy = make_strategy("one_device")
>>> strategy.num_replicas_in_sync, is_chief(strategy)
(1, True)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import tensorflow as tf

from models.data import Batch, BatchPlan
from models.errors import BadInputError, PreemptedError, W2vError
from models.training.config import Devices, TrainingConfig

# What names the TPU of this process, on TPU VMs and in Kubernetes.
TPU_VARIABLES = ("TPU_NAME", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS")
# Records that are damaged, or not such as the Transform graph was fitted on.
UNREADABLE = (tf.errors.InvalidArgumentError, tf.errors.DataLossError)
# What is seen of a worker that is gone: no connection, or everything called off for that reason.
LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


def make_strategy(devices: Devices) -> tf.distribute.Strategy:
    """The strategy for these devices; to be called before TensorFlow computes anything."""
    workers = workers_told()
    if devices == "auto":
        devices = _what_is_there(workers)
    if workers > 1 and devices in ("one_device", "mirrored"):
        raise BadInputError(
            f"training.devices is {devices}, but TF_CONFIG names {workers} workers, which would "
            "each train alone and overwrite the others' model; choose auto or multi_worker."
        )
    if devices == "tpu":
        return _tpu()
    if devices == "multi_worker":
        if workers < 2:
            raise BadInputError(
                "training.devices is multi_worker, but the environment variable TF_CONFIG names "
                "no cluster of several workers; set it on each of them or choose auto."
            )
        return _multi_worker()
    if devices == "mirrored":
        names = _names("GPU") or _names("CPU")
        if len(names) < 2:
            raise BadInputError(
                f"training.devices is mirrored, but TensorFlow sees only {names[0]}; choose auto "
                "or one_device, or mend the drivers that hide the other GPUs."
            )
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes: the only one, or the first of the workers."""
    return strategy.extended.should_checkpoint


def fitting(config: TrainingConfig, strategy: tf.distribute.Strategy) -> TrainingConfig:
    """The recipe as the devices need it: a TPU compiles a step for each shape it meets."""
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return replace(config, static_shapes=True)
    return config


def shared_out(
    strategy: tf.distribute.Strategy,
    plan: BatchPlan,
    batches: Callable[[BatchPlan, int], tf.data.Dataset],
) -> Callable[[int], Iterable[Batch]]:
    """The batches of a training from its n-th on, each replica with its rows of them.

    `batches` makes those of one worker's plan. A number of replicas that cannot share the plan's
    batches is refused at once.
    """
    if strategy.num_replicas_in_sync == 1:
        return lambda start: batches(plan, start)
    plan = replace(plan, replicas=strategy.num_replicas_in_sync)

    def from_batch(start: int) -> Iterable[Batch]:
        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            count = plan.replicas // context.num_input_pipelines
            first = context.input_pipeline_id * count
            return batches(replace(plan, own=range(first, first + count)), start)

        return strategy.distribute_datasets_from_function(of_worker)

    return lambda start: _InStep(from_batch, start, several_workers(strategy))


class _InStep:
    """Batches of several replicas, which stay at the same one if some of them cannot be read."""

    def __init__(
        self, from_batch: Callable[[int], Iterable[Batch]], start: int, several_workers: bool
    ) -> None:
        self._from_batch, self._next, self._several_workers = from_batch, start, several_workers
        self._batches = iter(from_batch(start))

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        self._next += 1
        try:
            return next(self._batches)
        except UNREADABLE as error:
            if self._several_workers:
                # The others have read their rows, and would wait for this worker's for ever.
                raise W2vError(
                    f"Batch {self._next} cannot be read ({error.message}), and several workers "
                    "cannot leave it out together; mend its records, or train on one worker."
                ) from error
            # Those who were to be asked after the one that failed still have their rows of it.
            self._batches = iter(self._from_batch(self._next))
            raise


def parts_of(strategy: tf.distribute.Strategy, batch: tf.Tensor) -> tf.Tensor:
    """A tensor's rows shared out evenly among this worker's replicas, zeros behind the last."""
    count = _replicas_here(strategy)
    if count == 1:
        return batch
    missing = -len(batch) % count
    filled = tf.pad(batch, [[0, missing], *[[0, 0]] * (batch.shape.rank - 1)])
    parts = tf.split(filled, count)
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group % count]
    )


def of_chief(strategy: tf.distribute.Strategy, number: float) -> float:
    """The chief's number on every worker, which wait for each other here."""
    return _summed(strategy, number if is_chief(strategy) else 0.0)


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether it is true on any worker; they wait for each other here."""
    return _summed(strategy, float(flag)) > 0


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Until every worker has come here: one that left earlier would be taken for a lost one."""
    _summed(strategy, 0.0)


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is one of several that train together."""
    return strategy.num_replicas_in_sync > _replicas_here(strategy)


def workers_told() -> int:
    """How many workers TF_CONFIG names; 0 without one."""
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
    return len(cluster.get("chief", [])) + len(cluster.get("worker", []))


def _summed(strategy: tf.distribute.Strategy, number: float) -> float:
    """The workers' numbers together."""
    if not several_workers(strategy):
        return number
    return float(_sum_over_workers(strategy)(tf.constant(number, tf.float64)))


@cache  # traced once: workers ask each other every few steps
def _sum_over_workers(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    def of_replica(number: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        first = replica.replica_id_in_sync_group % _replicas_here(strategy) == 0
        mine = tf.where(first, number, 0.0)
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, mine)

    @tf.function
    def summed(number: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(of_replica, args=(number,)))[0]

    return summed


@contextmanager
def lost_worker_told(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """What TensorFlow says of a worker that is gone, as an error that a user can act on."""
    try:
        yield
    except LOST_WORKER as error:
        if not several_workers(strategy):
            raise
        raise PreemptedError(
            "Another worker is gone; start all of them again and training goes on from its last "
            "checkpoint."
        ) from error


def _what_is_there(workers: int) -> Devices:
    if any(os.environ.get(name) for name in TPU_VARIABLES):
        return "tpu"
    if tf.config.list_physical_devices("TPU"):
        return "tpu"
    if workers > 1:
        return "multi_worker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one_device"


def _names(kind: str) -> list[str]:
    return [device.name for device in tf.config.list_logical_devices(kind)]


def _replicas_here(strategy: tf.distribute.Strategy) -> int:
    """This worker's; the default strategy has one, and knows no devices."""
    alone = strategy.num_replicas_in_sync == 1
    return 1 if alone else len(strategy.extended.worker_devices)


def _multi_worker() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:  # TensorFlow has computed something in this process before
        raise BadInputError(
            "TF_CONFIG names several workers, which TensorFlow must know of before it starts, but "
            "earlier nodes ran in this process; run the Trainer node in a process of its own "
            "on each of them, as a cluster does, or unset TF_CONFIG."
        ) from error


def _tpu() -> tf.distribute.Strategy:
    named = any(os.environ.get(name) for name in TPU_VARIABLES)
    try:
        # Without a name: the TPU of this very machine.
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(None if named else "local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise BadInputError(
            f"training.devices is tpu, but no TPU answers ({str(error).split('. ')[0]}); set "
            f"{TPU_VARIABLES[0]}, start on a TPU VM, or choose auto."
        ) from error
    return tf.distribute.TPUStrategy(resolver)
