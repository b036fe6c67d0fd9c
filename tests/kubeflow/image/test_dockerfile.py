"""The Dockerfile as its linter reads it."""

import subprocess
import sys
from pathlib import Path

from kubeflow.image.contents import CHECKOUT, DOCKERFILE

HADOLINT = Path(sys.executable).with_name("hadolint")


def findings(dockerfile: str) -> list[str]:
    """What hadolint says of a Dockerfile, by its rules' names."""
    done = subprocess.run(
        [HADOLINT, "--no-color", "-"], input=dockerfile, capture_output=True, text=True
    )
    assert not done.stderr, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_the_linter_has_nothing_to_say():
    assert findings((CHECKOUT / DOCKERFILE).read_text()) == []


def test_a_version_that_is_not_pinned_and_a_root_user_would_be_found():
    text = (CHECKOUT / DOCKERFILE).read_text()
    spoilt = text.replace("uv==0.13.8", "uv").replace("USER 1000", "USER root")
    assert {"DL3013", "DL3002"} <= set(findings(spoilt))
