"""Uploaded files: a plain POST takes one, requests then refer to it by its id."""

import re
import shutil
from datetime import timedelta

from flask import Blueprint, Response, request

from server import access
from server.answers import as_json, as_page, is_page_wanted, require_space, without_body
from server.documents import upload_info
from server.errors import NoSuchUpload, ServerBusy
from server.jobs.models import Upload
from server.links import absolute, representations
from server.services import services, user
from server.uploads import Limits, receive

blueprint = Blueprint("uploads", __name__)

_ID = re.compile(r"[0-9a-f-]{36}")


@blueprint.post("/uploads")
def take() -> Response:
    """Take a file."""
    access.require(user(), "submit")
    require_space()
    settings = services().settings
    limits = Limits(
        settings.upload_limit,
        settings.free_space_min,
        timedelta(days=settings.upload_retention_days),
    )
    with services().waiting.place("upload") as place:
        if not place:
            raise ServerBusy("Too many files are being sent; please try again in a moment.")
        upload = receive(request, settings.uploads_folder, limits, user().name)
    try:
        services().store.add_upload(upload)
    except BaseException:
        shutil.rmtree(upload.path.parent, ignore_errors=True)
        raise
    return as_json(
        upload_info(upload), 201, headers={"Location": absolute(f"/uploads/{upload.id}")}
    )


@blueprint.get("/uploads")
def upload_list() -> Response:
    """The files of the user."""
    access.require(user(), "list")
    found = services().store.list_uploads(user().sees)
    if is_page_wanted():
        return as_page("uploads.html", uploads=found)
    document = {
        "uploads": [upload_info(upload) for upload in found],
        "links": representations("/uploads", "Uploaded files"),
    }
    return as_json(document)


@blueprint.get("/uploads/<upload_id>")
def upload(upload_id: str) -> Response:
    """What is known of an uploaded file."""
    return as_json(upload_info(_find(upload_id)))


@blueprint.delete("/uploads/<upload_id>")
def remove(upload_id: str) -> Response:
    """Remove an uploaded file, unless a job that has not ended needs it."""
    path = services().store.delete_upload(_find(upload_id).id)
    if path is not None:
        shutil.rmtree(path.parent, ignore_errors=True)
    return without_body()


def _find(upload_id: str) -> Upload:
    access.require(user(), "list")
    found = services().store.get_upload(upload_id) if _ID.fullmatch(upload_id) else None
    if found is None or not access.may(user(), "read", found):
        raise NoSuchUpload(f"There is no uploaded file {upload_id[:100]!r}.")
    return found
