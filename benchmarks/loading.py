"""Run as a process of its own: load a checkpoint, print the memory this took in parts of its size.

python -m benchmarks.loading ours|transformers FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    who, folder = sys.argv[1:]
    load = {"ours": _ours, "transformers": _transformers}[who]()
    before = _memory("VmRSS")
    model = load(folder)
    peak = _memory("VmHWM")
    size = Path(folder, "model.safetensors").stat().st_size
    print((peak - before) / size)
    del model


def _ours() -> Callable[[str], object]:
    import keras

    from models.wav2vec2 import Wav2Vec2ForCTC

    keras.ops.matmul(keras.ops.ones((8, 8)), keras.ops.ones((8, 8)))  # TensorFlow's own start
    return Wav2Vec2ForCTC.from_pretrained


def _transformers() -> Callable[[str], object]:
    import torch
    import transformers

    torch.ones((8, 8)) @ torch.ones((8, 8))

    def load(folder: str) -> object:
        model = transformers.Wav2Vec2ForCTC.from_pretrained(folder)
        # The file is only mapped until somebody reads it; a model that is used reads all of it.
        sum(float(parameter.sum()) for parameter in model.parameters())
        return model

    return load


def _memory(name: str) -> int:
    """Bytes from the kernel's own account; `getrusage` would count the parent's peak as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    main()
