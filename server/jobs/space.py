"""Free space on the server's disk, and a reserve so that records can be written on a full one."""

import os
import shutil
from pathlib import Path

_RESERVE = 8 << 20


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written below `folder`, whose parents need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


class Reserve:
    """A file of zeros that is given up when the disk is full, and made again when it is not.

    Parameters
    ----------
    path
        The file, on the disk of the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Make the file where there is ample room for it."""
        if self._path.exists() or free_bytes(self._path.parent) < 4 * _RESERVE:
            return
        with self._path.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, _RESERVE)

    def give_up(self) -> None:
        """Remove the file if there is hardly any room left."""
        if free_bytes(self._path.parent) < _RESERVE:
            self._path.unlink(missing_ok=True)
