"""The image without Docker: its files and packages are all that a compiled spec needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from kubeflow.compile import compile_pipeline
from kubeflow.image.contents import (
    CHECKOUT,
    DOCKERFILE,
    IGNORE_FILE,
    image_environment,
    image_files,
    is_in_image,
    stage_image,
)
from models.errors import BadInputError
from pipeline.config import load_config
from tests.kubeflow.image.needs import (
    ROOMS,
    missing_files,
    missing_imports,
    missing_names,
    names_in,
)

ROOT = "gs://bucket/w2v"
# What no node runs has no place in the image.
STRANGERS = (".git", ".venv", "tests", "benchmarks", "notebooks", "demo", "w2v-runs", "uv.lock")
DOCKER = (CHECKOUT / DOCKERFILE).read_text()


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> dict:
    """A spec with every node that there is."""
    changes = [
        "model.checkpoint='{shipped}/tiny-en'",
        "data.corpus=gs://bucket/LibriSpeech",
        "tuning={trials: 2, trial_steps: 10}",
    ]
    config = load_config("librispeech-100h", root=ROOT, overrides=changes)
    to = tmp_path_factory.mktemp("compiled") / "pipeline.json"
    return compile_pipeline(config, ROOT, "vertex", to)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    return stage_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what a build sees, to be spoilt."""
    for name in image_files(CHECKOUT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def stage(checkout: Path, to: Path) -> Path:
    """The image of another checkout."""
    for name in image_files(checkout):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / name, to / name)
    return to


def ignore_also(checkout: Path, *patterns: str) -> None:
    with (checkout / IGNORE_FILE).open("a") as file:
        file.writelines(f"{pattern}\n" for pattern in patterns)


def test_the_image_holds_every_module_that_the_spec_names(spec, image):
    named = names_in(spec)
    assert {
        "kubeflow.container.node",
        "models.training.run_fn",
        "components.transform.preprocessing.preprocessing_fn",
        "components.tuner.tuner.tuner_fn",
        "components.speech_example_gen.driver.Driver",
        "components.wer_evaluator.executor.Executor",
        "components.run_reporter.executor.Executor",
    } <= named
    assert missing_names(spec, image) == []


def test_the_image_holds_what_these_modules_import_ours_and_others(spec, image):
    assert missing_imports(spec, image, image_environment()) == []


def test_the_image_holds_every_file_beside_our_code(image):
    assert missing_files(CHECKOUT, image) == []


def test_a_module_that_is_kept_from_the_build_is_named_with_who_wants_it(spec, checkout, tmp_path):
    ignore_also(checkout, "models/vocabulary.py", "components/speech_example_gen/driver.py")
    spoilt = stage(checkout, tmp_path / "image")
    assert "the spec names components.speech_example_gen.driver.Driver" in missing_names(
        spec, spoilt
    )
    faults = missing_imports(spec, spoilt, image_environment())
    assert "models.processor imports models.vocabulary" in faults


def test_a_file_that_is_kept_from_the_build_is_named(checkout, tmp_path):
    ignore_also(checkout, "**/*.md.jinja", "!**/measured.md.jinja", "schemas/*.pbtxt")
    assert missing_files(CHECKOUT, stage(checkout, tmp_path / "image")) == [
        "schemas/speech_example.pbtxt",
        "components/release_gate/report/templates/report.md.jinja",
        "components/release_pusher/pages/templates/hub_page.md.jinja",
        "components/release_pusher/pages/templates/model_card.md.jinja",
    ]


def test_a_package_that_the_lock_does_not_bring_is_named(spec, image):
    without = {name: version for name, version in image_environment().items() if name != "soxr"}
    faults = missing_imports(spec, image, without)
    assert "models.audio imports soxr" in faults
    assert all(fault.endswith("imports soxr") for fault in faults)


def test_a_room_that_the_dockerfile_forgets_is_named(spec, checkout, tmp_path):
    text = DOCKER.replace("COPY schemas /opt/wav2vec2-tfx/schemas\n", "")
    (checkout / DOCKERFILE).write_text(text)
    faults = missing_imports(spec, stage(checkout, tmp_path / "image"), image_environment())
    assert any(fault.endswith("imports schemas.properties") for fault in faults)


def test_nothing_else_is_in_the_image():
    files = image_files(CHECKOUT)
    assert not [name for name in files if name.startswith(STRANGERS) or "__pycache__" in name]
    assert {name.partition("/")[0] for name in files} == {*ROOMS, "LICENSE", "pyproject.toml"}


def test_what_a_build_cannot_find_is_named(checkout):
    (checkout / "LICENSE").unlink()
    with pytest.raises(BadInputError, match=r"copies LICENSE, which is not in .*checkout"):
        image_files(checkout)


@pytest.fixture
def installed(checkout) -> Path:
    """The package as a wheel installs it: its folders alone, among others."""
    for name in ("LICENSE", "pyproject.toml"):
        (checkout / name).unlink()
    (checkout / "tensorflow").mkdir()
    (checkout / "tensorflow" / "saved_model.pb").touch()
    return checkout


def test_installed_it_is_known_which_folders_the_image_has(installed):
    assert is_in_image(f"{installed}/models/../models/pretrained/tiny-en", installed)
    assert not is_in_image(installed / "tensorflow", installed)
    assert not is_in_image(installed / "models/pretrained/of-mine", installed)
    assert not is_in_image("/data/checkpoint", installed)


@pytest.mark.slow
def test_installed_the_shipped_checkpoint_is_compiled_as_in_a_checkout(installed, tmp_path):
    to = tmp_path / "away" / "pipeline.json"
    to.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "compile", "demo", "--root", ROOT, "--to", str(to)],
        cwd=to.parent,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "/opt/wav2vec2-tfx/models/pretrained/tiny-en" in to.read_text()
    assert str(installed) not in to.read_text()


def test_installed_it_is_said_that_only_a_checkout_knows_the_images_packages(installed):
    with pytest.raises(BadInputError, match=r"uv\.lock, which is not in .* in a checkout"):
        image_environment(root=installed)


def test_in_its_folder_alone_the_entry_point_finds_its_code_from_anywhere(image, tmp_path):
    code = "import pipeline.cli, kubeflow.image.contents as c; print(c.CHECKOUT)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(image)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(image), done.stderr


def test_the_environment_is_what_uv_would_install(tmp_path):
    export = tmp_path / "requirements.txt"
    options = [
        "--frozen",
        "--no-dev",
        "--no-emit-project",
        "--no-hashes",
        "--no-annotate",
        "--quiet",
    ]
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "export", *options, "--output-file", export], cwd=CHECKOUT, check=True)
    python = re.search(r"ARG BASE=python:([\d.]+)", DOCKER)[1]
    machine = default_environment() | {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
    }
    wanted = [Requirement(line) for line in export.read_text().splitlines() if line[:1] not in "#"]
    assert image_environment() == {
        each.name: str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(machine)
    }


def test_the_image_has_no_torch_and_no_tests_in_any_variant():
    for variant in ("cpu", "cuda", "tpu"):
        assert not {"torch", "transformers", "pytest", "ruff"} & image_environment(variant).keys()


def test_a_variant_has_the_same_tensorflow_for_its_machines():
    cpu, cuda, tpu = map(image_environment, ("cpu", "cuda", "tpu"))
    assert cuda["nvidia-cudnn-cu12"].startswith("8.9")
    assert cpu.items() <= cuda.items()
    assert tpu["tensorflow-tpu"] == cpu["tensorflow"] == cuda["tensorflow"]
    assert "tensorflow" not in tpu


def test_beams_launcher_is_of_the_locked_beam_and_of_the_images_python():
    beam = re.search(r"^ARG BEAM=apache/beam_python([\d.]+)_sdk:([\d.]+)$", DOCKER, re.MULTILINE)
    base = re.search(r"^ARG BASE=python:(\d+\.\d+)", DOCKER, re.MULTILINE)
    assert beam.groups() == (base[1], image_environment()["apache-beam"])


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["--id=1-1", "--provision_endpoint=localhost:8"], "boot"),
        (["--worker_pool"], "boot"),
        (["--logging_endpoint=localhost:8", "--id=1"], "boot"),
        (["run", "demo", "--json"], "python -m pipeline.cli"),
        (["--version"], "python -m pipeline.cli"),
        ([], "python -m pipeline.cli"),
    ],
)
def test_the_entry_point_starts_beams_worker_or_a_command(arguments, program, image, tmp_path):
    for name in ("boot", "python"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*"\n')
        (tmp_path / name).chmod(0o755)
    script = (image / "kubeflow/image/entrypoint.sh").read_text()
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("/opt/apache/beam/boot", "boot"), "sh", *arguments],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == " ".join([program, *arguments])
