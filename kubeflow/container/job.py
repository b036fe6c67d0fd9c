"""What runs in the machines of a custom job: an executor, told its work in words of its command.

`python -m kubeflow.container.job` takes the flags of TFX's own `tfx.scripts.run_executor`, which
tells an error as a traceback and its kind not at all.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from kubeflow.container.ending import run_to_the_end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the executor; 0, or the exit code of what went wrong."""
    words = list(sys.argv if arguments is None else [__name__, *arguments])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    return run_to_the_end(lambda: run_executor(words))


def run_executor(words: list[str]) -> None:
    """Run what the words name, the first of them being the program's name."""
    from tfx.scripts import run_executor as tfx_entry

    tfx_entry.main(tfx_entry.parse_flags(words))


if __name__ == "__main__":
    sys.exit(main())
