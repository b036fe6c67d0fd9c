"""The examples in the docstrings of what builds the site."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

from docs import build

MODULES = [
    found.name
    for found in walk_packages(build.__path__, f"{build.__name__}.")
    if not found.name.endswith(("__main__", "hooks"))
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    assert doctest.testmod(import_module(name)).failed == 0
