"""The package: what a wheel holds, and what Beam ships to remote workers.

Names, versions and dependencies are in pyproject.toml.
"""

from setuptools import find_packages, setup

ROOMS = ("pipeline", "components", "models", "schemas", "kubeflow")

setup(
    packages=find_packages(include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")]),
    package_data={
        "pipeline": ["configs/*.yaml"],
        "components": ["**/*.jinja"],
        "schemas": ["*.pbtxt", "*.json"],
        "models": ["pretrained/*/*", "export/snippets/*"],
        "kubeflow": ["cost/*.yaml", "image/*"],
    },
)
