"""Answers of a plugin in a stock pygeoapi: values, one file, an archive, or links."""

import base64
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pygeoapi.process.base import ProcessorExecuteError

from core.compute import MIB
from core.declare import Pipeline
from core.job import is_file

JSON = "application/json"

Answer = tuple[str, Any]
"""Media type and content, as pygeoapi wants them: bytes, a text, or a JSON value."""


def values(made: Mapping[str, Any]) -> Answer:
    """Outputs that are values, by id."""
    return JSON, dict(made)


def value(made: Mapping[str, Any], pipeline: Pipeline) -> Answer:
    """The one value that was asked for, in its own type; null if it was not made."""
    for name, content in made.items():
        output = next(output for output in pipeline.output_list if output.id == name)
        if output.binary and isinstance(content, str):
            return output.media_type, base64.b64decode(content)
        return JSON if output.binary else output.media_type, content
    return JSON, None


def one(made: Mapping[str, Any], output: Path, largest: int) -> Answer | None:
    """The one file of the output that was asked for, in its own type; None if it has several."""
    files = list(_files(made))
    if len(files) != 1:
        return None
    path = output / files[0]["path"]
    _refuse_above(largest, path.stat().st_size)
    content = path.read_bytes()
    return files[0]["type"], json.loads(content) if files[0]["type"] == JSON else content


def archive(made: Mapping[str, Any], output: Path, scratch: Path, largest: int) -> Answer:
    """All files in one zip, stored as they are, with the values beside them."""
    files = list(_files(made))
    _refuse_above(largest, sum(int(file["size"]) for file in files))
    path = scratch / "answer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as made_zip:
        for file in files:
            made_zip.write(output / file["path"], file["path"])
        plain = {name: value for name, value in made.items() if not list(_files({name: value}))}
        if plain:
            made_zip.writestr("values.json", json.dumps(plain, ensure_ascii=False, indent=2))
    return "application/zip", path.read_bytes()


def links(made: Mapping[str, Any], base: str) -> Answer:
    """The results document of OGC API - Processes 1.0: a value, link, or array of links by id."""
    document: dict[str, Any] = {}
    for name, value in made.items():
        several = [_link(file, base) for file in _files({name: value})]
        if isinstance(value, list) and several:
            document[name] = several
        else:
            document[name] = several[0] if several else value
    return JSON, document


def _link(file: Mapping[str, Any], base: str) -> dict[str, Any]:
    link = {"href": f"{base}/{quote(file['path'])}", "type": file["type"]}
    return link | ({"title": file["title"]} if file["title"] else {})


def _files(made: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for value in made.values():
        for item in value if isinstance(value, list) else [value]:
            if is_file(item):
                yield item


def _refuse_above(largest: int, size: int) -> None:
    """Keep a web worker, which holds the whole answer in memory, from being killed."""
    if size > largest:
        text = (
            f"The results are {size / MIB:.0f} MiB, more than the {largest / MIB:.0f} MiB that "
            "this server answers with; ask for one output, or have publish_url configured."
        )
        raise ProcessorExecuteError(text, user_msg=text)
