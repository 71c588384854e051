"""The archive that is written while it is sent."""

import io
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from server.archive import CHUNK, Member, stream

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def test_members_come_back_as_they_were(tmp_path: Path) -> None:
    content = {"README.txt": b"Read me.\n", "a/b.bin": bytes(range(256)) * 20000, "empty": b""}
    members = []
    for name, data in content.items():
        file = tmp_path / name.replace("/", "_")
        file.write_bytes(data)
        members.append(Member(name, file if "/" in name else data))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(stream(members, NOON))))
    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == content
    assert archive.infolist()[0].date_time == (2026, 1, 2, 12, 0, 0)
    # Version 4.5 of the format is ZIP64.
    assert all(member.extract_version >= 45 for member in archive.infolist())


def test_the_archive_is_never_whole_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(200 << 20)
    tracemalloc.start()
    total = sum(map(len, stream([Member("large", file)], NOON)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 200 << 20
    assert peak < 8 * CHUNK
