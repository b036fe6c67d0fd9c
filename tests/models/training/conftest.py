"""What tests of training share."""

import pytest
import tensorflow as tf


@pytest.fixture
def untraced():
    """To trace a step takes a hundred times as long as to take it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
