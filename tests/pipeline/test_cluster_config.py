"""The cluster's settings are checked when a config is read, not when the cluster refuses them."""

import pytest

from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig, NodeNeeds
from pipeline.config import load_config


def test_a_nodes_needs_are_filled_up_with_those_of_every_node():
    cluster = ClusterConfig(
        nodes={
            "default": NodeNeeds(cpu=4, memory_gb=16, retries=2),
            "Trainer": NodeNeeds(memory_gb=64, retries=0),
        }
    )
    assert cluster.needs_of("Trainer") == NodeNeeds(cpu=4, memory_gb=64, retries=0)
    assert cluster.needs_of("Transform") == NodeNeeds(cpu=4, memory_gb=16, retries=2)


def test_a_node_selector_is_read_from_a_config():
    setting = "cluster.nodes.Trainer.node_selector={cloud.google.com/gke-accelerator: nvidia-l4}"
    needs = load_config("demo", overrides=[setting]).cluster.needs_of("Trainer")
    assert needs.node_selector == {"cloud.google.com/gke-accelerator": "nvidia-l4"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("cluster.nodes.Trainer.cpus=3", r"unknown key cluster\.nodes\.Trainer\.cpus"),
        ("cluster.nodes.Trainer.cpu=0", "cpu must be above 0, not 0"),
        ("cluster.nodes.Trainer.accelerators=2", "of what accelerator names"),
        ("cluster.labels.Team=speech", "Team: speech must be lower-case"),
        ("cluster.schedule.cron=0 3 * *", "must have five fields"),
        ("cluster.schedule={cron: 0 3 * * 1, timezone: Berlin}", "a name such as Europe/Berlin"),
        ("cluster.schedule={cron: 0 3 * * 1, max_concurrent: 0}", "must be at least 1"),
        ("cluster.schedule={cron: 0 3 * * 1, start: soon}", "start is 'soon', but must be as 2026"),
        ("cluster.training={machine: cloud-tpu, accelerators: 8}", "belong together"),
        ("cluster.training={machine: cloud-tpu, workers: 0}", "workers must be at least 1"),
        ("cluster.training={machine: cloud-tpu, hours: 0}", "hours must be above 0"),
        ("cluster.kfp.token=abc", "a token is no part of a config"),
        ("cluster.secrets.2ND=file:gs://b/it", "'2ND' cannot be the name of a variable"),
        ("cluster.secrets.HOOK=https://hooks.example.org/T0/B0", "the value itself is a secret"),
        ("cluster.secrets.HOOK=kubernetes:hooks.example.org", "kubernetes:SECRET/KEY"),
        ("alerts.webhook=https://hooks.example.org/T0/B0", "the address itself is a secret"),
    ],
)
def test_a_setting_that_no_cluster_takes_is_refused_in_one_sentence(setting, said):
    with pytest.raises(BadInputError, match=said) as refusal:
        load_config("demo", overrides=[setting])
    assert "hooks.example.org" not in str(refusal.value)
