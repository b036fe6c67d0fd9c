"""The section `alerts`."""

import pytest

from components.run_reporter.config import AlertsConfig


@pytest.mark.parametrize("place", ["", "env:NAME", "file:/etc/webhook", "secret:projects/p"])
def test_a_webhook_is_named_by_the_place_of_its_address(place):
    assert AlertsConfig(webhook=place).webhook == place


def test_an_address_in_the_config_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="must say where the address lies") as refused:
        AlertsConfig(webhook="https://hooks.example.org/T0SECRET")
    assert "T0SECRET" not in str(refused.value)
