"""What each node is given: machine, retries, cache and time, as `cluster.nodes` says.

TFX drops all of it on the way, apart from one switch for every cache.
"""

from __future__ import annotations

from kubeflow.spec.layout import Spec
from pipeline.cluster_config import NodeNeeds

TIME_LIMIT = "--time_limit"
FIRST_WAIT, LONGEST_WAIT = "60s", "3600s"


def give_needs(task: Spec, container: Spec, needs: NodeNeeds) -> None:
    """Write down what one node needs."""
    resources = resources_of(needs)
    if resources:
        container["resources"] = resources
    if needs.retries:
        task["retryPolicy"] = {
            "maxRetryCount": needs.retries,
            "backoffDuration": FIRST_WAIT,
            "backoffFactor": 2.0,
            "backoffMaxDuration": LONGEST_WAIT,
        }
    if needs.cache is not None:
        task["cachingOptions"] = {"enableCache": True} if needs.cache else {}
    if needs.hours is not None:
        container["args"] += [TIME_LIMIT, f"{needs.hours:g}"]


def resources_of(needs: NodeNeeds) -> Spec:
    """CPU, memory and accelerator, by the field's first name and by its present one.

    >>> resources_of(NodeNeeds(cpu=4))
    {'cpuLimit': 4.0, 'resourceCpuLimit': '4'}
    """
    resources: Spec = {}
    if needs.cpu is not None:
        resources |= {"cpuLimit": float(needs.cpu), "resourceCpuLimit": f"{needs.cpu:g}"}
    if needs.memory_gb is not None:
        resources |= {
            "memoryLimit": float(needs.memory_gb),
            "resourceMemoryLimit": f"{needs.memory_gb:g}G",
        }
    if needs.accelerator:
        count = str(needs.accelerators or 1)
        resources["accelerator"] = {
            "type": needs.accelerator,
            "count": count,
            "resourceType": needs.accelerator,
            "resourceCount": count,
        }
    return resources
