"""The price file: what comes with the package, and mistakes in an edited one."""

import json

import pytest
import yaml

from kubeflow.cost.prices import PRICES, read_prices
from models.errors import BadInputError


def test_the_file_of_the_package_is_valid_and_says_what_nobody_measured():
    prices = read_prices()
    assert set(prices.devices) >= {"v3-8", "v5e-8", "a100"}
    assert not prices.utilisation.measured
    assert prices.devices["cpu-2"].utilisation.measured
    assert prices.devices["v3-8"].peak_tflops["mixed_bfloat16"] == 420
    assert prices.devices["v5e-8"].peak_tflops["mixed_bfloat16"] == 8 * 197
    assert prices.devices["a100"].peak_tflops["mixed_bfloat16"] == 312


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("devices", "a100", "per_hour"), -1, "devices: per_hour must be 0 or more"),
        (("devices", "a100", "per_hour"), "4", "but: input should be a valid number"),
        (("devices", "a100", "price"), 4, "unknown key devices.a100.price"),
        (("devices", "a100", "peak_tflops"), {}, "peak_tflops must name a figure above 0"),
        (("utilisation", "low"), 0.6, "low, expected and high must rise"),
        (("corpus", "padding"), 1.0, "padding must be a part below 1"),
        (("corpus", "mean_seconds"), 0, "mean_seconds must be above 0"),
        (("container", "cpus"), 0, "cpus must be above 0"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, place, value, sentence):
    settings = yaml.safe_load(PRICES.read_text())
    section = settings
    for name in place[:-1]:
        section = section[name]
    section[place[-1]] = value
    file = tmp_path / "prices.yaml"
    file.write_text(json.dumps(settings, default=str))
    with pytest.raises(BadInputError, match=sentence) as refused:
        read_prices(file)
    assert str(refused.value).startswith(str(file))


def test_a_file_that_is_not_there_says_where_to_copy_one_from(tmp_path):
    with pytest.raises(BadInputError, match=r"There is no price file .*; copy .* and edit it"):
        read_prices(tmp_path / "prices.yaml")
