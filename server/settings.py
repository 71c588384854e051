"""The settings of a server: one frozen model, read once.

They come from the section ``optiground:`` of pygeoapi's configuration file; an environment variable
``OPTIGROUND_<NAME>`` goes before the file.  The file is ``OPTIGROUND_CONFIG``, else
``pygeoapi-config.yml`` in the working directory, else the one that is part of this package.
"""

import difflib
import ipaddress
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from core.declare import SourcePolicy

PREFIX = "OPTIGROUND_"
NOT_SETTINGS = frozenset({"config", "python", "shared", "attempt"})
"""Further variables of this prefix: of this module, of ``./run``, of the tests, and of a job."""
MIB = 1 << 20
GIB = 1 << 30
PACKAGED = Path(__file__).with_name("pygeoapi-config.yml")


def _from_text(value: object) -> object:
    """Lists and objects come from the environment as JSON, lists of words also with commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        return json.loads(text)
    return tuple(part.strip() for part in text.split(",") if part.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_from_text)]


class Settings(BaseModel):
    """Everything that the operator of a server may set."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    data: Path = Path("data")
    """Folder of the store, the jobs and the uploads.  Relative ones start at the configuration
    file's folder (at the working directory, with the configuration of the package)."""
    database: str = ""
    """SQLAlchemy URL of the store; empty for SQLite in `data`."""
    host: str = "127.0.0.1"
    """Address to listen on.  Anything but loopback needs `api_keys`."""
    port: int = Field(default=5000, ge=1, le=65535)
    """Port to listen on."""
    public_url: str = ""
    """The address under which users reach the server; empty for the address it listens on."""
    allowed_hosts: Names = ("localhost", "127.0.0.1", "[::1]")
    """Names that the Host header of a request may have; the name in `public_url` always may."""
    api_keys: Annotated[dict[str, str], BeforeValidator(_from_text)] = Field(default={}, repr=False)
    """Who may use the server: the name of the user by the SHA-256 (hex) of each key.  Empty: no
    keys are asked for, and the server listens on loopback only."""
    operators: Names = ()
    """Users of `api_keys` who reach the jobs and uploads of everyone, and ``/metrics``."""
    trusted_proxies: Names = ()
    """Addresses or networks of proxies whose ``X-Forwarded-For`` tells the client, for the log."""
    log_format: Literal["text", "json"] = "text"
    """Lines of the server's log: for people, or JSON objects for programs."""
    log_file: Path | None = None
    """File of the server's log; none for the standard error.  Relative ones start at `data`."""
    log_limit: int = Field(default=64 * MIB, ge=64 << 10)
    """Bytes of `log_file` and of the older one beside it, together."""
    web_workers: int = Field(default=2, ge=1)
    """Processes that answer requests."""
    web_threads: int = Field(default=8, ge=2)
    """Requests that one such process answers at the same time."""
    body_limit: int = Field(default=4 * MIB, ge=1024)
    """Bytes of a request document."""
    upload_limit: int = Field(default=8 * GIB, ge=1024)
    """Bytes of one uploaded file."""
    running_limit: int = Field(default=2, ge=1)
    """Jobs that run at the same time, on all hosts together."""
    host_running_limit: int = Field(default=2, ge=1)
    """Jobs that run at the same time on one host."""
    user_running_limit: int = Field(default=2, ge=1)
    """Jobs of one user that run at the same time."""
    queue_limit: int = Field(default=2000, ge=1)
    """Jobs that wait; further ones are refused."""
    user_queue_limit: int = Field(default=1000, ge=1)
    """Jobs of one user that wait."""
    user_callback_limit: int = Field(default=1000, ge=1)
    """Events that subscribers of one user's jobs are still to be told; then no more subscribe."""
    job_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Tiles that one job works on at the same time."""
    job_memory: int = Field(default=1536 * MIB, ge=256 * MIB)
    """Bytes that one job plans its tiles for."""
    job_executor: Literal["threads", "spawn", "dask"] = "threads"
    """What carries a job's tiles."""
    job_scheduler: str = ""
    """Address of the Dask scheduler, for `job_executor: dask`."""
    wall_limit_s: float | None = Field(default=None, gt=0)
    """Seconds after which any job is ended; empty for what its process declares."""
    memory_limit: int | None = Field(default=None, gt=0)
    """Bytes of memory at which any job is ended; empty for what its process declares."""
    disk_limit: int | None = Field(default=None, gt=0)
    """Bytes on disk at which any job is ended; empty for what its process declares."""
    process_limit: int | None = Field(default=None, gt=0)
    """Number of processes at which any job is ended; empty for what its process declares."""
    heartbeat_timeout_s: float = Field(default=30.0, gt=0)
    """Seconds of silence after which a job's worker counts as lost."""
    host_timeout_s: float = Field(default=900.0, gt=0)
    """Seconds of silence after which a whole host, and the jobs on it, count as lost."""
    poll_s: float = Field(default=0.05, gt=0)
    """Seconds between two looks of the dispatcher at the store."""
    on_stop: Literal["leave", "requeue"] = "leave"
    """What a dispatcher that is asked to stop does with its running jobs: leave them running for
    the next dispatcher to adopt, or end them and put them back into the queue."""
    free_space_min: int = Field(default=1 * GIB, ge=0)
    """Bytes that stay free on the disk of `data`: below, submissions and uploads are refused."""
    retention_days: float = Field(default=30.0, gt=0)
    """Days that results are kept after the end of a job."""
    record_days: float = Field(default=365.0, gt=0)
    """Days that the record of a job is kept after its end, and not less than its results."""
    idempotency_hours: float = Field(default=24.0, gt=0)
    """Hours during which a request with the same ``Idempotency-Key`` gives the same job."""
    callback_secret: str = Field(default="", pattern=r"^$|^.{16,}$", repr=False)
    """Signs what is sent to subscribers of jobs, 16 characters at least; empty: none are taken."""
    upload_retention_days: float = Field(default=7.0, gt=0)
    """Days that an uploaded file is kept."""
    numba_cache: Path = Path("numba")
    """Folder of the compiled kernels; relative ones start at `data`."""
    policy: Annotated[SourcePolicy, BeforeValidator(_from_text)] = SourcePolicy()
    """What references in requests may point to."""
    configuration: Mapping[str, Any] = Field(default={}, repr=False)
    """The whole configuration document, for pygeoapi."""

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for network in given:
            ipaddress.ip_network(network, strict=False)
        return given

    @model_validator(mode="after")
    def _check_operators(self) -> Self:
        unknown = sorted(set(self.operators) - set(self.api_keys.values()))
        if unknown:
            raise ValueError(f"operators names {unknown[0]!r}, to whom none of api_keys belongs")
        return self

    @property
    def database_url(self) -> str:
        """The store's SQLAlchemy URL."""
        return self.database or f"sqlite:///{self.data / 'optiground.sqlite'}"

    @property
    def jobs_folder(self) -> Path:
        """Where the jobs' directories are."""
        return self.data / "jobs"

    @property
    def uploads_folder(self) -> Path:
        """Where uploaded files are."""
        return self.data / "uploads"

    @property
    def inspections_folder(self) -> Path:
        """Where files lie that are fetched only to be looked at."""
        return self.data / "inspections"

    @property
    def base_url(self) -> str:
        """The configured public URL, else the bound address; without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def job_compute(self, memory_limit: int | None = None) -> dict[str, Any]:
        """What a job may use of the machine, as ``core.job.JobRequest.compute``."""
        memory = self.job_memory if memory_limit is None else min(self.job_memory, memory_limit)
        return {
            "workers": self.job_workers,
            "memory": memory,
            "executor": self.job_executor,
            "scheduler": self.job_scheduler,
        }

    def public_link(self, path: str) -> str | None:
        """An address for records; None without a configured public URL.

        Records outlive the address that the server listens on just now.
        """
        return f"{self.base_url}{path}" if self.public_url else None


def configuration_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file that is in force."""
    named = environ.get(f"{PREFIX}CONFIG")
    if named:
        return Path(named).absolute()
    local = Path("pygeoapi-config.yml").absolute()
    return local if local.is_file() else PACKAGED


def read_settings(
    file: Path | None = None, environ: Mapping[str, str] = os.environ, **overrides: object
) -> Settings:
    """The settings from `file`, the environment and `overrides`, the later going before.

    Raises
    ------
    ValueError
        A setting is unknown, in the file or in the environment, or has a value that is not allowed.
    """
    file = file or configuration_file(environ)
    _refuse_unknown(environ)
    document = _document(file)
    bind = (document.get("server") or {}).get("bind") or {}
    values: dict[str, object] = {name: bind[name] for name in ("host", "port") if name in bind}
    values.update(document.get("optiground") or {})
    for name in Settings.model_fields:
        text = environ.get(PREFIX + name.upper())
        if text is not None:
            values[name] = text
    values.update(overrides)
    return _with_absolute_paths(Settings(**values, configuration=document), file)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{file} is no mapping")
    return document


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    names = (set(Settings.model_fields) - {"configuration"}) | NOT_SETTINGS
    known = sorted(PREFIX + name.upper() for name in names)
    for name in sorted(set(environ) - set(known)):
        if name.startswith(PREFIX):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name} in the environment is no setting{hint}")


def _with_absolute_paths(settings: Settings, file: Path) -> Settings:
    base = Path.cwd() if file == PACKAGED else file.absolute().parent
    data = base / settings.data
    update = {"data": data, "numba_cache": data / settings.numba_cache}
    if settings.log_file is not None:
        update["log_file"] = data / settings.log_file
    return settings.model_copy(update=update)


@cache
def current_settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()
