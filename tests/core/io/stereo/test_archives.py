"""Archives and folders with several deliveries, and those that no supplier packs."""

import io
import tarfile
import zipfile

import pytest

from core.errors import BadArchive, BadRaster, Refused, SourceTooLarge
from core.io.products.stereo import opened_view, unpacked
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES
from core.simulate.stereo.geotiff import write_geotiff
from core.simulate.stereo.images import pack
from core.simulate.stereo.worldview import write_rpc_text, write_worldview


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_every_sort_of_delivery_in_one_archive(opened, tmp_path, triplet, holds, kind):
    folder = tmp_path / "all"
    write_dimap(folder / "pleiades", triplet[:1], PLEIADES, tile=64, jpeg2000=True)
    write_worldview(folder / "worldview", triplet[1], tile=64)
    (folder / "zz plain & <simple>").mkdir()
    write_rpc_text(folder / "zz plain & <simple>" / "view.TIF", triplet[2])
    views = opened([pack(folder, kind)])
    assert [view.sensor for view in views] == ["Pleiades 1A", "WorldView-3", ""]
    for view, true in zip(views, triplet, strict=True):
        holds(view, true)
        assert view.pointer == "/inputs/images/0"


def test_names_that_xml_would_take_for_markup(opened, tmp_path, pair, holds):
    volume = write_dimap(tmp_path / "a & <b> \"c\" 'd'", pair, PLEIADES, tile=64)
    for path in (volume.parent, pack(volume.parent, "zip")):
        for view, true in zip(opened([path]), pair, strict=True):
            holds(view, true)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_folder_of_archives(opened, tmp_path, triplet, holds, kind):
    folder = tmp_path / "order"
    folder.mkdir()
    for number, view in enumerate(triplet):
        made = write_dimap(tmp_path / "made", (view,), PLEIADES, tile=64, job=f"100{number}").parent
        archive = pack(made, kind)
        archive.rename(folder / archive.name)
    (folder / "readme.txt").write_text("an order")
    views = opened([folder])
    for view, true in zip(views, triplet, strict=True):
        holds(view, true)


def test_each_archive_has_its_pointer(opened, tmp_path, pair):
    folders = [
        write_dimap(tmp_path, (view,), PLEIADES, job=f"100{number}").parent
        for number, view in enumerate(pair)
    ]
    views = opened([pack(folder, "zip") for folder in folders])
    assert [view.pointer for view in views] == ["/inputs/images/0", "/inputs/images/1"]
    for folder in folders:
        next(folder.rglob("RPC_*.XML")).unlink()
    with pytest.raises(Refused) as caught:
        opened([pack(folder, "zip") for folder in folders])
    found = [(problem.pointer, problem.code) for problem in caught.value.problems]
    assert found == [("/inputs/images/0", "rpc-missing"), ("/inputs/images/1", "rpc-missing")]


def test_pictures_in_a_tar_are_not_unpacked(opened, tmp_path, pair):
    archive = pack(write_dimap(tmp_path / "made", pair, PLEIADES).parent, "tar.gz")
    opened([archive])
    written = {path.suffix for path in (tmp_path / "scratch").rglob("*") if path.is_file()}
    assert written == {".XML", ".TIF", ".GML"}


def link_in_tar(path, folder):
    with tarfile.open(path, "w") as packed:
        packed.add(folder, "order")
        member = tarfile.TarInfo("order/RPC_link.XML")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(member)


def path_upwards(path, folder):
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("../DIM_x.XML", "<Dimap_Document/>")


def archive_inside(path, folder):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr("DIM_x.XML", "<Dimap_Document/>")
    with zipfile.ZipFile(path, "w") as packed:
        # Under the name of a picture, too.
        packed.writestr("PREVIEW_x.JPG", inner.getvalue())


def half_of_it(path, folder):
    whole = pack(folder, "zip")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


def half_of_a_tar(path, folder):
    whole = pack(folder, "tar.gz")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (link_in_tar, "link or a device"),
        (path_upwards, "no plain relative path"),
        (archive_inside, "holds the archive"),
        (half_of_it, "damaged or truncated"),
        (half_of_a_tar, "damaged or truncated"),
    ],
)
def test_what_no_supplier_packs(opened, tmp_path, pair, make, words):
    folder = write_dimap(tmp_path / "made", pair, PLEIADES).parent
    path = tmp_path / "order.archive"
    make(path, folder)
    with pytest.raises(BadArchive, match=words) as caught:
        opened([path])
    assert caught.value.pointer == "/inputs/images/0"


def test_a_link_in_a_folder(opened, tmp_path, pair):
    folder = write_dimap(tmp_path / "made", pair, PLEIADES).parent
    next(folder.rglob("RPC_*.XML")).rename(tmp_path / "elsewhere.xml")
    (folder / "RPC_link.XML").symlink_to(tmp_path / "elsewhere.xml")
    with pytest.raises(BadArchive, match="which is a link"):
        opened([folder])


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_that_unpacks_to_too_much(opened, tmp_path, pair, kind):
    archive = pack(write_dimap(tmp_path / "made", pair, PLEIADES).parent, kind)
    with pytest.raises(SourceTooLarge):
        opened([archive], max_unpacked=20_000)


def test_a_large_packed_image_is_checked_when_it_is_unpacked(opened, tmp_path, pair, monkeypatch):
    folder = write_dimap(tmp_path / "made", pair[:1], PLEIADES, tile=64, jpeg2000=True).parent
    path = next(folder.rglob("*_R2C2.JP2"))
    path.write_bytes(path.read_bytes()[:-50])
    monkeypatch.setattr("core.io.products.stereo.integrity.SEEKABLE", 0)
    (view,) = opened([pack(folder, "zip")])
    with pytest.raises(BadRaster, match="truncated") as caught:
        unpacked(view, tmp_path / "unpacked")
    assert caught.value.pointer == "/inputs/images/0"


def test_an_archive_under_the_name_of_an_image(opened, tmp_path, pair, holds):
    archive = pack(write_dimap(tmp_path / "made", pair[:1], PLEIADES).parent, "zip")
    path = archive.rename(tmp_path / "image.tif")
    (view,) = opened([path])
    holds(view, pair[0])


def test_a_scratch_folder_serves_the_same_archive_again(opened, tmp_path, pair, holds):
    archive = pack(write_dimap(tmp_path / "made", pair[:1], PLEIADES, tile=64).parent, "tar")
    (first,) = opened([archive])
    (second,) = opened([archive])
    assert first == second
    holds(first, pair[0])


def test_the_same_image_in_an_archive_and_beside_it(opened, tmp_path, pair):
    folder = tmp_path / "images"
    folder.mkdir()
    path = write_geotiff(folder / "view.tif", pair[0])
    first, second = opened([pack(folder, "zip"), path])
    assert first.rpc == second.rpc
    with opened_view(first) as a, opened_view(second) as b:
        assert (a.read() == b.read()).all()
