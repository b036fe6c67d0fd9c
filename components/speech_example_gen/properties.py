"""How the data section travels in the stock ExampleGen's execution properties."""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, struct_pb2
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from components.speech_example_gen.config import DataConfig
from schemas.properties import from_json, to_json

CONFIG_KEY = "data"


def input_config(data: DataConfig, files_below_subset: str) -> example_gen_pb2.Input:
    """The file pattern of each split: what TFX fingerprints and fills spans into."""
    return example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=name, pattern=f"{pattern}/{files_below_subset}")
            for name, pattern in data.splits.items()
        ]
    )


def custom_config(data: DataConfig) -> example_gen_pb2.CustomConfig:
    """The whole section, packed."""
    settings = struct_pb2.Struct()
    settings[CONFIG_KEY] = to_json(data)
    packed = any_pb2.Any()
    packed.Pack(settings)
    return example_gen_pb2.CustomConfig(custom_config=packed)


def read_properties(exec_properties: dict[str, Any]) -> tuple[DataConfig, dict[str, str]]:
    """The data section, and the file pattern of each split with its span filled in."""
    custom = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom)
    packed = struct_pb2.Struct()
    custom.custom_config.Unpack(packed)
    inputs = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties["input_config"], inputs)
    data = from_json(DataConfig, packed[CONFIG_KEY])
    return data, {split.name: split.pattern for split in inputs.splits}
