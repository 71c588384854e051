import io
import tarfile
import zipfile

import pytest

from core import errors
from core.io import archive_checks
from core.io.archives import members


def make_zip(path, entries, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def make_tar(path, entries, mode="w"):
    """Entries are names with bytes, or headers made by the caller."""
    with tarfile.open(path, mode) as file:
        for entry, data in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry)
            if data is not None:
                info.size = len(data)
            file.addfile(info, io.BytesIO(data or b""))
    return path


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def opened(path, tmp_path, **options):
    return members(path, tmp_path / "scratch", lambda _: True, pointer="/inputs/mask", **options)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "folder"])
def test_all_kinds_give_the_same_files(tmp_path, kind):
    (tmp_path / "scratch").mkdir()
    entries = [("a/x.txt", b"1234"), ("b.txt", b"56")]
    path = tmp_path / f"it.{kind}"
    if kind == "zip":
        make_zip(path, entries)
    elif kind == "folder":
        for name, data in entries:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    else:
        make_tar(path, entries, "w:" + kind.partition(".")[2])
    files = opened(path, tmp_path)
    assert files.names == ("a/x.txt", "b.txt")
    assert files.source == path
    assert files.size("a/x.txt") == 4
    assert files.read("a/x.txt", 10) == b"1234"
    with pytest.raises(errors.SourceTooLarge):
        files.read("a/x.txt", 3)


def test_a_plain_file_is_no_archive(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0")
    assert opened(path, tmp_path) is None


def test_unwanted_members_of_a_tar_are_checked_but_not_unpacked(tmp_path):
    path = make_tar(tmp_path / "a.tar", [("want.txt", b"1"), ("rest.txt", b"2")])
    files = members(path, tmp_path, lambda name: name.startswith("want"))
    assert files.names == ("want.txt",)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\nb", "a{b"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_lead_elsewhere_are_refused(tmp_path, kind, name):
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / "a", [(name, b"x")])
    with pytest.raises(errors.BadArchive, match="plain relative path") as caught:
        opened(path, tmp_path)
    assert caught.value.pointer == "/inputs/mask"
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("names", [("a.txt", "a.txt"), ("a.txt", "./a.txt"), ("a.txt", "A.TXT")])
@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_doubled_names_are_refused(tmp_path, kind, names):
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / "a", [(name, b"x") for name in names])
    with pytest.raises(errors.BadArchive, match="twice"):
        opened(path, tmp_path)


@pytest.mark.parametrize("name", ["b.zip", "b.tar", "b.tgz", "b.SAFE.tar.gz", "b.7z"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nested_archives_are_refused(tmp_path, kind, name):
    make = make_zip if kind == "zip" else make_tar
    with pytest.raises(errors.BadArchive, match="holds the archive"):
        opened(make(tmp_path / "a", [(name, b"x")]), tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        special("a", tarfile.SYMTYPE, "/etc/passwd"),
        special("a", tarfile.LNKTYPE, "b"),
        special("a", tarfile.CHRTYPE),
        special("a", tarfile.BLKTYPE),
        special("a", tarfile.FIFOTYPE),
    ],
    ids=["symlink", "hard link", "character device", "block device", "fifo"],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, entry):
    with pytest.raises(errors.BadArchive, match="link or a device"):
        opened(make_tar(tmp_path / "a.tar", [(entry, None)]), tmp_path)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    info = zipfile.ZipInfo("a")
    info.external_attr = mode << 16
    with pytest.raises(errors.BadArchive, match="link or a device"):
        opened(make_zip(tmp_path / "a.zip", [(info, b"/etc/passwd")]), tmp_path)


def test_what_a_zip_unpacks_to_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 1000)
    path = make_zip(tmp_path / "bomb.zip", [("a.txt", bytes(1_000_000))])
    with pytest.raises(errors.SourceTooLarge, match="unpacks to more"):
        opened(path, tmp_path)
    path = make_zip(tmp_path / "a.zip", [("a.txt", bytes(900))])
    assert opened(path, tmp_path).names
    with pytest.raises(errors.SourceTooLarge):
        opened(path, tmp_path, max_unpacked=899)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_what_a_tar_unpacks_to_is_limited(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 1000)
    path = make_tar(tmp_path / "bomb.tar", [("a.txt", bytes(1_000_000))], mode)
    with pytest.raises(errors.SourceTooLarge, match="unpacks to more"):
        opened(path, tmp_path)


def test_a_tar_whose_headers_are_the_bomb_is_refused(tmp_path):
    info = tarfile.TarInfo("a.txt")
    info.pax_headers = {"comment": "x" * 3_000_000}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        file.addfile(info)
    with pytest.raises(errors.BadArchive, match="unusual size"):
        opened(tmp_path / "a.tar.gz", tmp_path)


def test_a_zip_that_lies_about_a_size_gives_no_more_than_it_says(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.txt", bytes(100_000))])
    data = path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(errors.BadArchive, match="damaged"):
        opened(path, tmp_path).read("a.txt", 1_000_000)


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    data = bytes(range(256)) * 40
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", data)
        first = file.infolist()[0]
        for number in range(20):
            double = zipfile.ZipInfo(f"b{number}.txt")
            double.header_offset = first.header_offset
            double.CRC, double.file_size = first.CRC, first.file_size
            double.compress_size = first.compress_size
            file.filelist.append(double)
            file.NameToInfo[double.filename] = double
    with pytest.raises(errors.BadArchive):
        opened(path, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, kind, share):
    entries = [(f"{n}.txt", bytes(f"{n}" * 3000, "ascii")) for n in range(50)]
    path = tmp_path / f"a.{kind}"
    make_zip(path, entries) if kind == "zip" else make_tar(path, entries, "w:gz")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(errors.BadArchive):
        opened(path, tmp_path)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.txt", b"x")])
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(errors.BadArchive, match="encrypted"):
        opened(path, tmp_path)


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "MAX_MEMBERS", 5)
    entries = [(f"{n}.txt", b"x") for n in range(6)]
    for path in (make_zip(tmp_path / "a.zip", entries), make_tar(tmp_path / "a.tar", entries)):
        with pytest.raises(errors.BadArchive, match="more than 5 files"):
            opened(path, tmp_path)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("A", "a/b/c"), ("d/a/b", "D/a")])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path, kind, names):
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / "a", [(name, b"x") for name in names])
    with pytest.raises(errors.BadArchive, match=r"is a file|as a file and as a folder"):
        opened(path, tmp_path)


@pytest.mark.parametrize("name", ["n" * 300, "ä" * 130, "d/" * 21 + "x", ("e" * 200 + "/") * 3])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_no_file_system_takes_are_refused(tmp_path, kind, name):
    make = make_zip if kind == "zip" else make_tar
    with pytest.raises(errors.BadArchive, match="too long") as caught:
        opened(make(tmp_path / "a", [(name, b"x")]), tmp_path)
    assert len(caught.value.message) < 250


def test_a_name_that_no_text_can_hold_is_refused(tmp_path):
    with pytest.raises(errors.BadArchive, match="plain relative path"):
        opened(make_tar(tmp_path / "a.tar", [("q\udcff.xml", b"x")]), tmp_path)


@pytest.mark.parametrize("inner", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nested_archives_are_known_by_their_bytes(tmp_path, kind, inner):
    small = tmp_path / "inner"
    entries = [("a.txt", b"x")]
    if inner == "zip":
        make_zip(small, entries)
    else:
        make_tar(small, entries, "w:" + inner.partition(".")[2])
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / "a", [("inner.dat", small.read_bytes())])
    with pytest.raises(errors.BadArchive, match=r"holds the archive 'inner\.dat'"):
        members(path, tmp_path / "scratch", lambda _: False)


@pytest.mark.parametrize(
    "headers",
    [
        {"size": "-100"},
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 11},
    ],
    ids=["negative size", "sparse map", "sparse size"],
)
def test_malformed_headers_of_a_tar_are_refused(tmp_path, headers):
    info = tarfile.TarInfo("x")
    info.size, info.pax_headers = 1, headers
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as file:
        file.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(errors.BadArchive):
        opened(tmp_path / "a.tar", tmp_path)


def test_a_negative_size_in_a_tar_is_refused(tmp_path):
    path = make_tar(tmp_path / "a.tar", [("a", b"x")])
    raw = bytearray(path.read_bytes())
    raw[124:136] = b"\xff" * 12
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * ord(" ") + sum(raw[156:512]))
    path.write_bytes(raw)
    with pytest.raises(errors.BadArchive, match="negative size"):
        opened(path, tmp_path)


def test_a_long_chain_of_headers_in_a_tar_is_refused(tmp_path):
    link = tarfile.TarInfo("x")
    link.type, link.size = tarfile.GNUTYPE_LONGNAME, 1
    chain = (link.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")) * 600
    (tmp_path / "a.tar").write_bytes(chain)
    with pytest.raises(errors.BadArchive, match="damaged"):
        opened(tmp_path / "a.tar", tmp_path)


def test_a_zip_whose_directory_lies_before_its_begin_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.txt", b"x")])
    raw = path.read_bytes()
    end = raw.index(b"PK\5\6")
    path.write_bytes(raw[: end + 16] + b"\xf0\xff\xff\xff" + raw[end + 20 :])
    with pytest.raises(errors.BadArchive, match="damaged"):
        opened(path, tmp_path)


def test_what_is_no_archive_inside_passes(tmp_path):
    entries = [("a.txt", b"PK is no zip"), ("empty.txt", b""), ("b/c.jp2", b"II")]
    for make in (make_zip, make_tar):
        assert len(opened(make(tmp_path / "a", entries), tmp_path).names) == 3
