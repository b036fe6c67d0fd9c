"""Conditions as TFX and Kubeflow write them."""

import pytest

from kubeflow.rehearsal.condition import holds
from models.errors import BadInputError

INPUTS = {
    "artifacts": {
        "blessing": {"artifacts": [{"metadata": {"blessed": 1.0, "by": "gate"}, "uri": "gs://b"}]}
    },
    "parameter_values": {"steps": 3, "name": "it's == true"},
}
BLESSED = "inputs.artifacts['blessing'].artifacts[0].metadata['blessed']"
BY = "inputs.artifacts['blessing'].artifacts[0].metadata['by']"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"({BLESSED} == 1.0)", True),
        (f"!({BLESSED} == 1.0)", False),
        (f"!({BLESSED} > 2.0) && ({BY} == 'gate')", True),
        (f"({BLESSED} < 1.0) || ({BY} != 'gate')", False),
        ("inputs.artifacts['blessing'].artifacts[0].uri == 'gs://b'", True),
        ("int(inputs.parameter_values['steps']) >= 3", True),
        ("inputs.parameter_values['name'] == 'it\\'s == true'", True),
        (f"({BY} + '!') == 'gate!'", True),
        ("'a && b' == 'a && b' && true", True),
    ],
)
def test_a_condition_is_judged_as_the_service_would(condition, expected):
    assert holds(condition, INPUTS) is expected


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("inputs.artifacts['other'].uri == 'x'", "asks for 'other'"),
        ("__import__('os')", "none that a rehearsal understands"),
        ("1 < 2 < 3", "none that a rehearsal understands"),
        (f"{BY} in ['gate']", "none that a rehearsal understands"),
        ("inputs.artifacts[", "none that a rehearsal understands"),
    ],
)
def test_what_cannot_be_judged_is_an_error_that_quotes_it(condition, told):
    with pytest.raises(BadInputError, match=told):
        holds(condition, INPUTS)
