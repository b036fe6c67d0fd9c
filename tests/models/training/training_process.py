"""A process that trains: on so many virtual devices, or as one of the workers of TF_CONFIG.

`python training_process.py JOB.json`, where the job holds the Trainer node's arguments and, under
`replicas`, the numbers of devices to train on one after the other.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import tensorflow as tf
from pydantic import TypeAdapter

from models.training import loop
from models.training.assembly import Material, train
from models.training.config import TrainingConfig
from models.training.node import CONFIG_KEY, train_node


def history_on(replicas: int, arguments: SimpleNamespace) -> dict:
    """Fine-tune on so many of the virtual devices."""
    config = TypeAdapter(TrainingConfig).validate_json(arguments.custom_config[CONFIG_KEY])
    names = [device.name for device in tf.config.list_logical_devices("CPU")][:replicas]
    strategy = (
        tf.distribute.MirroredStrategy(names) if replicas > 1 else tf.distribute.get_strategy()
    )
    material = Material(
        arguments.train_files,
        arguments.eval_files,
        arguments.transform_output,
        arguments.base_model,
    )
    with tempfile.TemporaryDirectory() as folder:
        return train(material, config, strategy, folder).history.as_json()


def main(job: dict) -> None:
    logging.basicConfig(level=logging.INFO)
    loop.REPORT_EVERY = 1
    arguments = SimpleNamespace(**job["arguments"])
    if "replicas" not in job:
        train_node(arguments)
        return
    most = [tf.config.LogicalDeviceConfiguration()] * max(job["replicas"])
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], most)
    histories = [history_on(count, arguments) for count in job["replicas"]]
    Path(job["results"]).write_text(json.dumps(histories))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
