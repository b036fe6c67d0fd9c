"""The file of `w2v compile`, as whoever hands it on or runs it opens it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import yaml

from models.errors import BadInputError

Target = Literal["vertex", "kfp"]
# In C where PyYAML was built so: ten times faster.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_documents(path: Path) -> tuple[Target, list[dict[str, Any]]]:
    """Vertex AI's PipelineJob, or the bare PipelineSpec and what only Kubernetes is told."""
    if not path.is_file():
        raise BadInputError(f"There is no file {path}; `w2v compile` writes one.")
    try:
        text = path.read_text(encoding="utf-8")
        # YAML's own loader takes JSON too, but a hundred times slower.
        read = [json.loads(text)] if text.startswith("{") else list(yaml.load_all(text, LOADER))
    except (OSError, ValueError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise BadInputError(
            f"{path} cannot be read as a compiled pipeline ({told}); make it with `w2v compile`."
        ) from error
    first = read[0] if read and isinstance(read[0], dict) else {}
    if "pipelineInfo" in first.get("pipelineSpec", {}):
        return "vertex", read
    if "pipelineInfo" in first:
        return "kfp", read
    raise BadInputError(f"{path} is no compiled pipeline; make it with `w2v compile`.")
