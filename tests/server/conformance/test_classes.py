"""What is declared is tested: each conformance class has its tests, by name."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.app import create_app
from server.settings import PACKAGED, read_settings

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
PROCESSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
COMMON = "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/"

_EXECUTIONS = "server/conformance/test_executions.py"
_EXECUTION = "server/web/test_execution.py"
_JOBS = "server/web/test_jobs.py"
_LISTS = "server/web/test_lists.py"
_PAGES = "server/web/test_pages.py"
_LINKS = "server/web/test_links.py"
_OPENAPI = "processes/test_rendering_openapi.py"
_SERVER = "server/conformance/test_server.py"
_VALIDATOR = "server/conformance/test_validator.py"
_STANDARD = "server/web/test_standard.py"
_SCHEMAS = (
    f"{_STANDARD}::test_answers_are_valid_after_the_standard",
    f"{_STANDARD}::test_answers_are_valid_after_the_openapi_document",
)
_DOCUMENT = (
    f"{_OPENAPI}::test_the_document_is_valid_openapi_3_0",
    f"{_OPENAPI}::test_no_reference_leaves_the_document_and_each_leads_somewhere",
    f"{_STANDARD}::test_paths_and_methods_are_those_of_the_openapi_document",
)
_NEGOTIATED = f"{_PAGES}::test_browsers_get_pages_and_programs_json"
_THERE_AND_BACK = f"{_LINKS}::test_a_document_leads_to_its_page_and_the_page_back"

CLASSES: dict[str, tuple[str, ...]] = {
    f"{PROCESSES}core": (
        f"{_LINKS}::test_the_landing_page_leads_to_what_the_standard_requires",
        f"{_SERVER}::test_the_conformance_classes_that_are_tested_here_are_declared",
        f"{_SERVER}::test_a_process_that_is_not_there_is_told",
        f"{_SERVER}::test_a_job_that_is_not_there_is_told",
        f"{_LISTS}::test_processes_are_listed_in_pages",
        f"{_EXECUTIONS}::test_an_input_of_each_kind_is_taken",
        f"{_EXECUTIONS}::test_each_input_is_checked",
        f"{_EXECUTIONS}::test_an_asynchronous_execution_makes_a_job",
        f"{_EXECUTIONS}::test_results_are_asked_for_in_either_form",
        f"{_EXECUTIONS}::test_a_document_has_every_output_that_was_made",
        f"{_EXECUTIONS}::test_several_raw_values_are_parts_and_files_are_links",
        f"{_EXECUTIONS}::test_raw_references_are_links_that_lead_to_the_result",
        f"{_EXECUTIONS}::test_one_raw_value_is_the_body",
        f"{_EXECUTIONS}::test_results_before_their_time_are_not_ready",
        f"{_EXECUTIONS}::test_a_synchronous_answer_leads_to_its_job",
        f"{_EXECUTION}::test_a_preference_that_was_followed_is_named",
        f"{_EXECUTION}::test_several_prefer_headers_are_read_as_one",
        f"{_JOBS}::test_a_failed_job_tells_why",
        "server/web/test_preferences.py::test_prefer_is_read_as_rfc_7240_writes_it",
    ),
    f"{PROCESSES}ogc-process-description": (
        "server/conformance/test_descriptions.py::test_a_process_is_described",
        "server/conformance/test_descriptions.py::test_each_input_and_each_output_has_its_schema",
        "processes/test_rendering_ogc.py::test_a_description_is_valid_after_the_standard",
    ),
    f"{PROCESSES}json": _SCHEMAS,
    f"{PROCESSES}html": (
        _NEGOTIATED,
        _THERE_AND_BACK,
        f"{_PAGES}::test_links_on_pages_lead_somewhere",
        f"{_PAGES}::test_the_page_of_a_process_has_all_its_parameters",
    ),
    f"{PROCESSES}oas30": (
        *_DOCUMENT,
        f"{_OPENAPI}::test_a_request_with_inputs_of_every_kind_is_valid_in_both",
        f"{_VALIDATOR}::test_each_required_property_is_missed_and_its_type_is_looked_at",
    ),
    f"{PROCESSES}job-list": (
        f"{_EXECUTIONS}::test_jobs_are_listed",
        f"{_JOBS}::test_jobs_are_listed_newest_first_in_pages",
        f"{_JOBS}::test_a_wrong_query_is_refused",
        f"{_LISTS}::test_links_between_pages_keep_every_filter",
        f"{_LISTS}::test_a_list_parameter_is_repeated_or_separated_by_commas",
        f"{_LISTS}::test_the_time_of_making_is_an_instant_or_an_interval_with_open_ends",
        f"{_LISTS}::test_durations_are_those_of_the_run_so_far_or_in_all",
    ),
    f"{PROCESSES}dismiss": (
        f"{_JOBS}::test_dismissing_twice_answers_the_same",
        f"{_JOBS}::test_dismissing_a_success_takes_its_results_away",
        "server/web/test_running.py::test_dismissing_a_running_job_ends_it",
    ),
    f"{PROCESSES}callback": (
        "server/callbacks/test_messages.py::test_a_subscriber_gets_status_and_results_signed",
        "server/callbacks/test_messages.py::test_failure_and_dismissal_are_told_once",
        "server/callbacks/test_messages.py::test_a_real_server_tells_a_real_subscriber",
    ),
    f"{COMMON}core": (f"{_LISTS}::test_a_parameter_that_would_be_ignored_is_refused",),
    f"{COMMON}landing-page": (
        f"{_LINKS}::test_the_landing_page_leads_to_what_the_standard_requires",
        f"{_SERVER}::test_the_landing_page_leads_to_everything_here",
    ),
    f"{COMMON}json": _SCHEMAS,
    f"{COMMON}html": (_NEGOTIATED, _THERE_AND_BACK),
    f"{COMMON}oas30": _DOCUMENT,
}
"""Each class that the server may declare, and tests that would fail without it."""


@cache
def functions_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def missing(names: list[str]) -> list[str]:
    """Those of some tests, named ``path below tests::function``, that do not exist."""
    found = []
    for name in names:
        path, _, function = name.partition("::")
        file = TESTS / path
        if not file.is_file() or function not in functions_of(file):
            found.append(name)
    return found


def app(tmp_path: Path, **settings: object) -> Flask:
    return create_app(read_settings(PACKAGED, {}, data=tmp_path, **settings))


def declared(made: Flask) -> set[str]:
    client: FlaskClient = made.test_client()
    return set(client.get("/conformance").json["conformsTo"])


def test_every_class_that_is_declared_has_tests(tmp_path: Path) -> None:
    assert declared(app(tmp_path)) == CLASSES.keys() - {f"{PROCESSES}callback"}
    with_callbacks = app(tmp_path, callback_secret="0123456789abcdef" * 2)
    assert declared(with_callbacks) == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_the_tests_of_a_class_exist(name: str) -> None:
    assert CLASSES[name]
    assert missing(list(CLASSES[name])) == []
    assert missing([f"{_JOBS}::test_of_nothing"]) == [f"{_JOBS}::test_of_nothing"]


def test_the_tests_that_the_documentation_names_exist() -> None:
    text = (ROOT / "docs/stock-defects.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "::" in line]
    assert len(rows) > 30
    named = re.findall(r"`([\w/]+\.py::\w+)`", text)
    assert len(named) >= len(rows)
    assert missing(named) == []
