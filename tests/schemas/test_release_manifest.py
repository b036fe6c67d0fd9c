"""What a release's manifest says, also one from before there were rollbacks."""

import dataclasses
import json

from pydantic import TypeAdapter

from schemas.release_manifest import Provenance, PublishedFile, ReleaseManifest

MANIFEST = ReleaseManifest(
    name="demo",
    version=3,
    created="2026-11-21T12:25:28+00:00",
    content_sha256="a" * 64,
    files=(PublishedFile("saved_model.pb", 5, "b" * 64),),
    wer={"saved_model/unpadded": 0.0166},
    provenance=Provenance("tiny", "c" * 64, "d" * 64, "e" * 64, 0, "1.0"),
)


def read(values):
    return TypeAdapter(ReleaseManifest).validate_json(json.dumps(values))


def test_what_is_written_is_read_back():
    rollback = dataclasses.replace(
        MANIFEST, version=4, restores=1, rolled_back_from=3, rejected_sha256="f" * 64
    )
    for manifest in (MANIFEST, rollback):
        assert read(dataclasses.asdict(manifest)) == manifest


def test_a_manifest_without_the_fields_of_a_rollback_is_an_ordinary_release():
    values = dataclasses.asdict(MANIFEST)
    for name in ("restores", "rolled_back_from", "rejected_sha256"):
        del values[name]
    assert read(values) == MANIFEST
    assert (MANIFEST.restores, MANIFEST.rolled_back_from) == (None, None)


def test_what_its_run_was_told_is_read_back_as_it_was_told():
    told = {"steps_1": 4000, "max_wer_unpadded": 1.0, "span": "2026-01-31"}
    provenance = dataclasses.replace(MANIFEST.provenance, runtime_parameters=told)
    manifest = read(dataclasses.asdict(dataclasses.replace(MANIFEST, provenance=provenance)))
    again = manifest.provenance.runtime_parameters
    assert {name: (value, type(value)) for name, value in again.items()} == {
        name: (value, type(value)) for name, value in told.items()
    }
    assert manifest.provenance.runtime_parameters_text == (
        "max_wer_unpadded = 1.0, span = 2026-01-31, steps_1 = 4000"
    )


def test_a_manifest_from_before_that_was_written_down_is_of_a_run_that_was_told_nothing():
    values = dataclasses.asdict(MANIFEST)
    del values["provenance"]["runtime_parameters"]
    assert read(values) == MANIFEST
    assert MANIFEST.provenance.runtime_parameters_text == ""


def test_the_origin_is_where_the_files_were_first_published():
    assert MANIFEST.origin == 3
    assert dataclasses.replace(MANIFEST, restores=1).origin == 1
