"""The pages say what was measured, in the form that their catalogues read."""

import dataclasses
import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from components.release_pusher.pages.config import LICENSE, PageConfig
from components.release_pusher.pages.facts import read_facts
from components.release_pusher.pages.writing import hub_page, model_card
from tests.components.release_pusher.pages.release_on_disk import write_release

ASSET = "https://example.org/hub/phone-recogniser/1.tar.gz"
PAGE = PageConfig("speech-lab", "apache-2.0", "en", ("librispeech",))
# TF Hub's grammar: a handle, a description, then nothing but metadata up to the first heading.
HANDLE = re.compile(r"# Module (?P<publisher>[a-z\d-]+)/(?P<name>[\w.-]+)/(?P<version>\d+)")
METADATA = re.compile(r"<!--(?P<key>[\w\s-]+):(?P<value>.+)-->")
REQUIRED = {"asset-path", "fine-tunable", "format", "task"}
OPTIONAL = {"dataset", "language", "license", "network-architecture"}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return read_facts(str(write_release(tmp_path_factory.mktemp("releases") / "1")))


def metadata_of(page: str) -> dict[str, str]:
    """The metadata as TF Hub's parser takes it, which allows nothing between."""
    lines = page.split("\n")
    assert HANDLE.fullmatch(lines[0])
    assert not lines[1]
    assert lines[2] and not lines[2].startswith("<!--")
    assert not lines[3]
    found = {}
    for line in lines[4 : lines.index("## Overview")]:
        if line:
            key, value = METADATA.fullmatch(line).groups()
            found[key.strip()] = value.strip()
    return found


@pytest.mark.parametrize(
    ("kind", "task"), [("recogniser", "audio-stt"), ("encoder", "audio-embedding")]
)
def test_a_hub_page_has_the_head_that_the_catalogue_parses(facts, kind, task):
    page = hub_page(facts, kind, ASSET, PAGE)
    assert page.splitlines()[0] == f"# Module speech-lab/phone-{kind}/1"
    found = metadata_of(page)
    assert REQUIRED <= found.keys() <= REQUIRED | OPTIONAL
    assert found["asset-path"] == ASSET
    assert found["task"] == task
    assert (found["format"], found["fine-tunable"]) == ("saved_model_2", "true")
    assert (found["language"], found["license"]) == ("en", "apache-2.0")


def test_a_page_says_what_its_run_was_told_beside_its_config(facts):
    assert "its run told" not in model_card(facts, repo="lab/phone")
    provenance = replace(facts.manifest.provenance, runtime_parameters={"steps_1": 4000})
    told = replace(facts, manifest=replace(facts.manifest, provenance=provenance))
    page = model_card(told, repo="lab/phone")
    assert re.search(rf"config SHA-256 `{'d' * 64}`, its run told steps.?_1 = 4000\.\n", page)


def test_what_nobody_said_is_left_out(facts):
    found = metadata_of(hub_page(facts, "encoder", ASSET))
    assert not {"language", "license", "dataset"} & found.keys()
    assert "license" not in ModelCard(model_card(facts, repo="lab/phone")).data.to_dict()


def test_both_pages_tell_each_measured_rate_with_its_interval(facts):
    for page in (hub_page(facts, "recogniser", ASSET), model_card(facts, repo="lab/phone")):
        assert "| saved_model/unpadded | 2.00 % | 1.25–3.75 % |" in page
        assert "| tflite_int8/static | 8.00 % | 1.25–3.75 % |" in page
        assert "84 utterances, 2.2 minutes, 4 speakers" in page
        assert "speaker:302 is heard worse: 5.00 %" in page
        assert "forerunner" not in page


def test_both_pages_tell_of_what_it_was_made_and_which_slices_it_hears_how_well(facts):
    for page in (hub_page(facts, "recogniser", ASSET), model_card(facts)):
        assert "| train | 584 | 0.26 | 14 | 1 |" in page
        assert "| gender:M | 2.50 % | 1.25–3.75 % | 400 |" in page
        assert "900 steps over 6.2 hours of audio" in page
        assert "the dev split's WER went from 101.25 % to 14.58 %" in page


def test_a_card_says_what_electricity_was_spent_on_what_and_how_that_is_known(facts):
    told = "took 0.42 Wh on 2 threads of AMD EPYC, as CodeCarbon found it: processors estimated"
    assert told in model_card(facts)
    for unknown in (None, nothing_counted(facts)):
        assert "was not counted" in model_card(with_training(facts, unknown))


def test_what_it_emitted_is_told_where_the_grid_is_known(facts):
    assert "CO2" not in model_card(facts)
    assert ModelCard(model_card(facts)).data.get("co2_eq_emissions") is None
    page = PageConfig(grams_of_co2_per_kwh=380)
    card = model_card(facts, page)
    assert "At 380 g of CO2 a kWh these are 0.16 g." in card
    told = ModelCard(card).data.get("co2_eq_emissions")
    assert told["emissions"] == 0.16
    assert told["hardware_used"] == "2 threads of AMD EPYC"
    for unknown in (None, nothing_counted(facts)):
        assert "co2_eq_emissions" not in model_card(with_training(facts, unknown), page)


def test_a_card_without_a_licence_says_what_to_do(facts):
    assert "None was named: ask whoever published it" in model_card(facts)
    assert "## Licence\n\napache-2.0." in model_card(facts, PAGE)


def nothing_counted(facts):
    return dataclasses.replace(facts.manifest.provenance.training, kilowatt_hours=0.0)


def with_training(facts, training):
    provenance = dataclasses.replace(facts.manifest.provenance, training=training)
    manifest = dataclasses.replace(facts.manifest, provenance=provenance)
    return dataclasses.replace(facts, manifest=manifest)


def test_no_page_tells_where_things_lay_on_this_machine(facts):
    for page in (hub_page(facts, "recogniser", ASSET), model_card(facts, repo="lab/phone")):
        assert "tiny-en" in page
        assert "somebody" not in page


def test_a_model_card_holds_the_hubs_metadata(facts):
    card = ModelCard(model_card(facts, PAGE, "lab/phone"))
    assert card.data.license == "apache-2.0"
    assert card.data.language == "en"
    assert card.data.pipeline_tag == "automatic-speech-recognition"
    assert card.data.datasets == ["librispeech"]
    assert {"tensorflow", "tflite", "onnx"} <= set(card.data.tags)
    assert card.data.get("release") == {
        "name": "phone",
        "version": 1,
        "content_sha256": facts.manifest.content_sha256,
    }
    rates = {one.metric_name: one.metric_value for one in card.data.eval_results}
    assert rates == {
        "WER of saved_model/unpadded, in percent": 2.0,
        "WER of tflite_int8/static, in percent": 8.0,
    }


def test_the_tables_are_tables(facts):
    for page in (hub_page(facts, "recogniser", ASSET), model_card(facts, repo="lab/phone")):
        html = MarkdownIt("commonmark").enable("table").render(page)
        assert html.count("<table>") == page.count("|--:|\n") > 0
        assert "|--" not in html


@settings(max_examples=15, deadline=None)
@given(st.from_regex(LICENSE, fullmatch=True))
def test_any_licence_stands_in_both_heads(facts, licence):
    config = PageConfig(license=licence)
    assert metadata_of(hub_page(facts, "encoder", ASSET, config)).get("license", "") == licence
    card = ModelCard(model_card(facts, config, "lab/phone"))
    assert card.data.to_dict().get("license", "") == licence


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("publisher", "Speech Lab", "release.page.publisher: 'Speech Lab' must be lower-case"),
        ("grams_of_co2_per_kwh", -1.0, "release.page.grams_of_co2_per_kwh: -1.0 must be a number"),
        ("language", "English", "release.page.language: 'English' must be an ISO 639 code"),
        ("license", "mine -->", "release.page.license: 'mine -->' must be an identifier"),
        ("datasets", ("libri speech",), "release.page.datasets: 'libri speech' must be"),
    ],
)
def test_what_would_break_a_page_is_refused(field, value, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        PageConfig(**{field: value})
