"""A rehearsed process finds what the image holds, though this machine has more."""

import subprocess
import sys
from pathlib import Path

import pytest

import kubeflow
from kubeflow.rehearsal.environment import Image, prepare_image

CHECKOUT = Path(kubeflow.__file__).parents[1]


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    return prepare_image(tmp_path_factory.mktemp("rehearsal") / "image", code=None)


def python(image: Image, tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = image.environment(tmp_path / "scratch", {})
    return subprocess.run(
        ["python", "-c", code],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("tests.kubeflow.test_compile", "tests.kubeflow"),  # of the checkout, not of the image
        ("benchmarks", "benchmarks"),
        ("pytest", "pytest"),  # of the developers' packages
        ("transformers", "transformers"),
        ("torch", "torch"),
    ],
)
def test_what_is_not_in_the_image_cannot_be_imported(image, tmp_path, module, missing):
    done = python(image, tmp_path, f"import {module}")
    assert done.returncode == 1
    assert f"ModuleNotFoundError: No module named '{missing}'" in done.stderr


def test_our_code_comes_from_the_images_files_alone(image, tmp_path):
    done = python(image, tmp_path, "import models.errors, sys; print(models.errors.__file__)")
    assert done.stdout.strip() == str(image.code / "models" / "errors.py")
    # The checkout answers for nothing, though it is installed here.
    listed = python(image, tmp_path / "again", "import sys; print(sys.path, sys.meta_path)")
    assert f"'{CHECKOUT}'" not in listed.stdout and "__editable__" not in listed.stdout


def test_a_file_that_is_taken_from_the_image_is_missing(tmp_path):
    image = prepare_image(tmp_path / "image", code=None)
    (image.code / "models" / "errors.py").unlink()
    done = python(image, tmp_path, "import models.errors")
    assert "No module named 'models.errors'" in done.stderr


def test_the_images_packages_are_there_with_their_versions(image, tmp_path):
    code = "import numpy, importlib.metadata as m; print(m.version('numpy'), m.version('tfx'))"
    assert python(image, tmp_path, code).returncode == 0


def test_our_own_distribution_is_not_installed_there(image, tmp_path):
    done = python(image, tmp_path, "import importlib.metadata as m; m.version('wav2vec2_tfx')")
    assert "PackageNotFoundError" in done.stderr


def test_a_process_that_it_starts_is_no_freer(image, tmp_path):
    code = f"import subprocess, sys; subprocess.run(['{sys.executable}', '-c', 'import pytest'])"
    assert "No module named 'pytest'" in python(image, tmp_path, code).stderr
