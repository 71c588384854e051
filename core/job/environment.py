"""The environment of a process that reads users' files: an allow-list without secrets."""

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import core
from core.compute import MIB

KEPT = (
    "GDAL_DATA",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PROJ_DATA",
    "PROJ_LIB",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "VIRTUAL_ENV",
)
"""What is handed on from our own environment: where programs and tables are, nothing else."""

FIXED = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PROJ_NETWORK": "OFF",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
}
"""One thread per library, since tiles are what runs side by side.  GDAL, which parses files of
strangers, opens no address and runs no code found in them; no module is found in a folder that a
job works in.  The C library gives the memory of arrays back at once: by default it learns to keep
what is freed, which made the peak of a surface model a third higher (618 and 422 MB)."""


def child_environment(
    directory: Path, *, cache: Path | None = None, memory: int = 1536 * MIB
) -> dict[str, str]:
    """Environment of the process that runs the job in `directory`.

    Parameters
    ----------
    directory
        The job's directory; temporary files and the home folder lie in its ``scratch``.
    cache
        Folder of compiled kernels; by default the user's, see :func:`user_cache`.
    memory
        Bytes that the job may hold; GDAL's cache is capped by a part of it.
    """
    kernels = kernel_cache(user_cache()) if cache is None else cache
    scratch = str(directory / "scratch")
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return (
        kept
        | FIXED
        | {
            "GDAL_CACHEMAX": str(max(32, min(128, memory // MIB // 16))),
            "HOME": scratch,
            "NUMBA_CACHE_DIR": str(kernels),
            # PROJ_DATA would not do: pyproj passes over it, and rasterio looks nowhere else.
            "PROJ_USER_WRITABLE_DIRECTORY": str(geoid_grids()),
            "TMPDIR": scratch,
        }
    )


def user_cache() -> Path:
    """The user's folder for what can be made again, for OptiGround."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "optiground"


def geoid_grids() -> Path:
    """The folder in which PROJ finds grids that the operator has added; it need not exist."""
    named = os.environ.get("PROJ_USER_WRITABLE_DIRECTORY")
    base = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(named) if named else Path(base) / "proj"


def kernel_cache(base: Path) -> Path:
    """Folder below `base` for kernels compiled from this very code, on this very processor.

    Numba notices a change of a kernel's own file, but not of a module that it imports, so the
    folder's name holds a hash of all our sources.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(core.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    for package in ("numba", "llvmlite", "numpy"):
        digest.update(_version(package).encode())
    digest.update(f"{platform.python_version()} {_processor()}".encode())
    return base / "kernels" / digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """Model and features of the first processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
