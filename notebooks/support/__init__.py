"""What the notebooks share: a quiet TensorFlow, the data that they run on, and their figures."""

from __future__ import annotations

import logging
import os
import warnings

# Before TensorFlow is imported: its C++ side reads this once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
logging.disable(logging.WARNING)  # what goes wrong is raised
warnings.filterwarnings("ignore")
