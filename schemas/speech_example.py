"""The speech example: what one utterance looks like in every TFRecord of this pipeline.

Audio is 16 kHz mono PCM16, little endian: it decodes with pure TF ops (so tf.data service and
TPU hosts can read it) and takes two bytes a sample.
"""

from __future__ import annotations

SAMPLE_RATE = 16_000
AUDIO_ENCODING = "pcm_s16le"

UTTERANCE_ID = "utterance_id"
SPEAKER_ID = "speaker_id"
CHAPTER_ID = "chapter_id"
CORPUS = "corpus"
SUBSET = "subset"
LANGUAGE = "language"
GENDER = "gender"  # "F", "M" or empty where the corpus does not say
TRANSCRIPT = "transcript"
AUDIO = "audio_pcm16"
NUM_SAMPLES = "num_samples"

BYTES_FEATURES = (
    UTTERANCE_ID,
    SPEAKER_ID,
    CHAPTER_ID,
    CORPUS,
    SUBSET,
    LANGUAGE,
    GENDER,
    TRANSCRIPT,
    AUDIO,
)
INT_FEATURES = (NUM_SAMPLES,)

# What statistics and drift checks look at: everything but the raw audio bytes.
DESCRIBED_FEATURES = tuple(name for name in BYTES_FEATURES + INT_FEATURES if name != AUDIO)
