"""Writes everything that is generated from the declarations, or tells what has drifted.

``openapi/build.py`` writes, ``openapi/build.py --check`` changes nothing and fails on a difference.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.declare import Pipeline  # noqa: E402
from core.pipelines import PIPELINES  # noqa: E402
from processes import manual, ogc, openapi  # noqa: E402
from server.problems import status_of  # noqa: E402


def generated() -> Iterator[tuple[str, str]]:
    """Each generated file: its path below the project, and its content."""
    yield "openapi/openapi.yml", _yaml(openapi.document(PIPELINES))
    yield "docs/errors.md", manual.errors(status_of)
    yield "docs/reasons.md", manual.reasons()
    for pipeline in PIPELINES.values():
        yield f"openapi/processes/{pipeline.id}.json", _json(_description(pipeline))
        yield f"docs/{pipeline.id}-parameters.md", manual.service(pipeline)


def _description(pipeline: Pipeline) -> Mapping[str, object]:
    return ogc.description(pipeline, lambda path: path)


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: Mapping[str, object]) -> str:
    head = "# Written by openapi/build.py; change the declarations instead.\n"
    # A round through JSON, so that no part that stands twice becomes an anchor.
    plain = json.loads(json.dumps(document))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return head + text


def write() -> None:
    """Write all generated files."""
    for name, content in generated():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def drift() -> list[str]:
    """Differences between what is there and what would be written, as lines to print."""
    lines: list[str] = []
    for name, content in generated():
        path = ROOT / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != content:
            lines += difflib.unified_diff(
                present.splitlines(), content.splitlines(), name, f"{name} (generated)", "", "", 1
            )
    return lines


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell what has drifted")
    if not parser.parse_args().check:
        write()
        return 0
    lines = drift()
    for line in lines[:200]:
        sys.stderr.write(f"{line}\n")
    if lines:
        sys.stderr.write("Generated files have drifted: run ./run generate.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
