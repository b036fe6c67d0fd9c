"""What a run on this machine is made of, known without importing TFX."""

from __future__ import annotations

METADATA_FILE = "metadata.sqlite"
# In the place of a server's address: where a cluster is rehearsed, a file stands for its server.
FILE_ADDRESS = "sqlite:"
LOGS_FOLDER = "logs"
# The last node that looks at the corpus alone, and not yet at the model; and the last of all.
LAST_OF_INGEST, LAST_NODE = "SpeechValidator", "ReleasePusher"
# Beside the report of `w2v evaluate`: what of the corpus could not be read.
QUARANTINED_FILE = "quarantined.jsonl"


def beam_args(workers: int) -> list[str]:
    """Options of a local Beam. The runner is named because the default one downloads a binary."""
    mode = "in_memory" if workers == 1 else "multi_processing"
    return [
        "--runner=FnApiRunner",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={workers}",
    ]
