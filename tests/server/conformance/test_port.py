"""Whether the port is whole: every check of the suite, and the schemas that it uses."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUITE = {
    "GeneralHttp": "Http",
    "LandingPage": "LandingPageRetrieval LandingPageValidation",
    "Conformance": "ValidateConformanceOperationAndResponse",
    "ProcessList": "PlLimitDefinition PlLimitResponse PlLinks ProcessList ProcessListSuccess",
    "Process": "Process ProcessSuccess ProcessExceptionNoSuchProcess",
    "OGCProcessDescription": """
        OGCProcessDescriptionJSON OGCProcessDescriptionInputsDef OGCProcessDescriptionInputDef
        OGCProcessDescriptionInputDefinitionOfMixedType OGCProcessDescriptionOutputsDef
        OGCProcessDescriptionOutputDef OGCProcessDescriptionOutputDefinitionOfMixedType""",
    "JobList": "JobList JobListSuccess",
    "Jobs": """
        JobCreationAutoExecutionMode JobCreationDefaultExecutionMode JobCreationDefaultOutputs
        JobCreationInputArray JobCreationInputInlineBbox JobCreationInputInlineBinary
        JobCreationInputInlineMixed JobCreationInputInlineObject JobCreationInputInline
        JobCreationInputRef JobCreationInputValidation JobCreationInputs JobCreationOp
        JobCreationRequest JobCreationSuccessAsync JobCreationSyncDocument
        JobCreationSyncRawMixedMulti JobCreationSyncRawRef JobCreationSyncRawValueMulti
        JobCreationSyncRawValueOne JobExceptionNoSuchJob JobOp JobResultsNoSuchJob
        JobResultsExceptionResultsNotReady JobResultsFailed JobResults JobResultsAsyncDocument
        JobResultsAsyncRawMixedMulti JobResultsAsyncRawRef JobResultsAsyncRawValueMulti
        JobResultsAsyncRawValueOne JobResultsSync JobSuccess""",
}
"""The checks of OGC's suite for OGC API - Processes 1.0 (its version 1.3), class by class."""


def test_each_of_the_54_checks_has_its_test_here() -> None:
    names = {f"{group}.test{name}" for group, tests in SUITE.items() for name in tests.split()}
    assert len(names) == 54
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert set(re.findall(r"\b\w+\.test[A-Z]\w+\b", sources)) == names


@pytest.mark.shared
def test_the_standards_schemas_judge_too(judge: Any, standard: Callable[..., list[str]]) -> None:
    assert judge.standard is standard
    assert standard("statusInfo", {"jobID": "1", "type": "process", "status": "done"})
    assert standard("processList", {"processes": []})


@pytest.mark.shared
def test_the_known_slips_of_the_standards_schemas_are_corrected(
    standard: Callable[..., list[str]], uncorrected: Callable[[str], dict[str, Any]]
) -> None:
    subscriber = {"successUri": "https://example.org/done"}
    assert standard("subscriber", subscriber) == []
    assert "successUrl" in uncorrected("subscriber.yaml")["required"]
    request = {"inputs": {"a": "text", "b": 1}, "subscriber": subscriber, "response": "document"}
    assert standard("execute", request) == []
    assert standard("execute", {**copy.deepcopy(request), "response": "both"})
    assert "response" not in uncorrected("execute.yaml")["properties"]
