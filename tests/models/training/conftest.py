"""What tests of training share."""

import logging

import pytest
import tensorflow as tf


@pytest.fixture
def untraced():
    """To trace a step takes a hundred times as long as to take it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(autouse=True)
def warnings_are_heard(caplog):
    """Whatever the tests before have done to the process's loggers."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("models") and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
    with caplog.at_level(logging.INFO, logger="models"):
        yield
