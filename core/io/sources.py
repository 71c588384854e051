"""From a reference in a request to a file on this machine: the only opener of users' references."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from core.declare import Source, SourcePolicy, source_refusal
from core.errors import DiskFull
from core.io.download import NO_SPACE, Download, refused, unreachable
from core.io.redaction import redact, redacted

__all__ = ["Sources", "redact", "redacted"]

_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Sources:
    """Opens references as far as a policy allows.

    Parameters
    ----------
    policy
        What may be read, and how much of it.
    files
        Local paths of uploads and of outputs of earlier jobs, by their reference.
    folder
        Where downloads go; made when it is needed.
    budget
        Bytes of all downloads together where one only looks at them; None: the policy's limits
        are enough.
    """

    policy: SourcePolicy
    files: Mapping[str, str]
    folder: Path
    budget: int | None = None

    def fetch(self, source: Source, pointer: str) -> Path:
        """The local file or folder that a reference stands for.

        What was fetched once is not fetched again.

        Raises
        ------
        SourceRefused
            The policy does not allow it.
        SourceUnreachable
            It does not exist, did not answer in time or answered with an error.
        SourceTooLarge
            It has more bytes than allowed.
        """
        href = source.href
        if reason := source_refusal(href, self.policy):
            raise refused(href, pointer, reason)
        scheme = href.partition(":")[0].lower()
        if scheme in ("http", "https"):
            return self._downloaded(href, pointer)
        if scheme == "file":
            return self._local(href, pointer)
        if href not in self.files or not Path(self.files[href]).exists():
            raise unreachable(href, pointer, "it does not exist, or no longer")
        return Path(self.files[href])

    def redact(self, href: str) -> str:
        """As :func:`redact`."""
        return redact(href)

    def redacted(self, document: Any) -> Any:
        """As :func:`redacted`."""
        return redacted(document)

    def _local(self, href: str, pointer: str) -> Path:
        """A file or folder below a root, wherever links lead."""
        try:
            path = Path(unquote(urlsplit(href).path)).resolve()
            there = path.is_file() or path.is_dir()
        except (OSError, ValueError) as error:
            # Names too long, loops of links.
            raise unreachable(href, pointer, "there is no such file") from error
        roots = (Path(root).resolve() for root in self.policy.roots)
        if not any(path.is_relative_to(root) for root in roots):
            reason = "the file is not below a folder that this server reads from."
            raise refused(href, pointer, reason)
        if not there:
            raise unreachable(href, pointer, "there is no such file")
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise unreachable(href, pointer, "this server has no permission to read it")
        return path

    def _downloaded(self, href: str, pointer: str) -> Path:
        folder = self.folder / hashlib.sha256(href.encode()).hexdigest()[:16]
        if folder.is_dir() and (done := list(folder.iterdir())):
            return done[0]
        left = self._left()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _file_name(href)
        # Not in the folder, where it would look like what was fetched.
        partial = folder.with_name(folder.name + ".part")
        try:
            with partial.open("wb") as file:
                Download(href, pointer, self.policy, left).into(file)
            partial.replace(path)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise DiskFull("There was no space left for a download.") from error
            raise
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _left(self) -> int | None:
        """Bytes that may still be downloaded; None: no matter how many."""
        if self.budget is None:
            return None
        spent = sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
        return max(self.budget - spent, 0)


def _file_name(href: str) -> str:
    """The last part of the address, which may hold the product's name or the date."""
    last = unquote(urlsplit(href).path).rstrip("/").rpartition("/")[2]
    return _NAME.sub("_", last).strip("._")[-120:] or "download"
