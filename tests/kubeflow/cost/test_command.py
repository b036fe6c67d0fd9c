"""`w2v plan` as it is typed."""

import json

from click.testing import CliRunner

from kubeflow.commands.plan import command
from kubeflow.cost.prices import PRICES


def shown(*arguments) -> str:
    ran = CliRunner(env={"COLUMNS": "100"}).invoke(command, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    return ran.output


def test_a_plan_shows_each_device_and_all_that_it_assumes():
    text = shown("librispeech-960h")
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    for device in ("v3-8", "v5e-8", "a100"):
        assert "assumed" in rows[device]
    assert "measured" in rows["Ingest"]
    assert "assumed, not measured" in text
    assert "typed by hand" in text


def test_a_file_of_ones_own_and_devices_of_ones_choice(tmp_path):
    dear = PRICES.read_text().replace("per_hour: 4.42", "per_hour: 442.0")
    (tmp_path / "prices.yaml").write_text(dear)
    given = ("librispeech-960h", "--on", "a100", "--json")
    usual, changed = (
        json.loads(shown(*given, *more))["devices"]
        for more in ((), ("--prices", str(tmp_path / "prices.yaml")))
    )
    assert [one["device"] for one in changed] == ["a100"]
    assert changed[0]["money"]["expected"] / usual[0]["money"]["expected"] == 100
