"""Train the small checkpoint that ships in models/pretrained/tiny-en, with the product itself.

    python demo/train_checkpoint.py [--root w2v-runs/tiny-en] [--utterances 5000] [--steps 3000]

A corpus of everyday sentences (the `household` grammar, the `pretraining` speakers) goes through
the very pipeline that users run, starting from random weights; the Trainer's output is copied.
Neither the words nor the voices of the demo are in it, so the demo has something left to learn.
"""

from __future__ import annotations

import argparse
import shutil
import string
from pathlib import Path

from pipeline.synthetic import make_corpus

HERE = Path(__file__).parent


def main() -> None:
    arguments = _arguments()
    root = arguments.root.absolute()
    make_corpus(
        root / "corpus",
        utterances=arguments.utterances,
        seed=1,
        grammar="household",
        speakers="pretraining",
    )
    # Only now: the processes that speak the corpus import this file again, and TFX takes seconds.
    from pipeline.config import SHIPPED_CHECKPOINTS, load_config
    from pipeline.supervise import run_supervised

    _save_random_model(root / "random")
    config = load_config(
        str(HERE / "tiny-en.yaml"),
        root=root,
        overrides=[
            f"training.stages=[{{trains: all, steps: {arguments.steps}, "
            "learning_rate: 2.0e-3, schedule: one_cycle}]"
        ],
    )
    run_supervised(config, root, "local", root / "logs" / "training.log")
    trained = max(
        (root / "pipeline").glob("*/Trainer/model/*/Format-Serving"),
        key=lambda folder: int(folder.parent.name),
    )
    target = SHIPPED_CHECKPOINTS / "tiny-en"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained, target, ignore=shutil.ignore_patterns("history.json"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the checkpoint that the demo starts from.")
    parser.add_argument("--root", type=Path, default=Path("w2v-runs/tiny-en"))
    parser.add_argument("--utterances", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=3000)
    return parser.parse_args()


def _save_random_model(folder: Path) -> None:
    """0.8 M parameters, 3.3 MB: wav2vec2-base's shape with every dimension cut down."""
    from models.processor import Processor
    from models.vocabulary import Vocabulary
    from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC

    config = Wav2Vec2Config(
        vocab_size=32,
        # The first two convolutions see the longest signals, so they are the narrowest.
        conv_dim=(32, 32, 64, 64, 64, 64, 64),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=384,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=4,
        mask_time_prob=0.0,
    )
    vocabulary = Vocabulary.of_characters(string.ascii_uppercase + "'")
    Wav2Vec2ForCTC(config, seed=0).save_pretrained(folder)
    Processor(vocabulary).save_pretrained(folder)


if __name__ == "__main__":
    main()
