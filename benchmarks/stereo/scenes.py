"""Large simulated images, drawn once and kept: a triplet, and a product that repeats a part of it.

Only times and memory are measured with them, so that pixels have four lines of sight, not sixteen.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.rpc import RPC

from benchmarks.stereo.peers import CACHE
from core.simulate.stereo.cameras import camera
from core.simulate.stereo.images import write_pixels
from core.simulate.stereo.making import GSD_M, Stereo, make_stereo
from core.simulate.stereo.rational import moved
from core.simulate.stereo.views import Pixels, View
from core.simulate.stereo.worldview import rpc_text

KEPT = CACHE / "optiground" / "stereo"

SEED = 401
SIDE_PX = 5000
"""Of the triplet's images."""

PRODUCT_PX = 40_000
"""Of the large product's images."""
PART_PX = 4096
"""Of the part of an image that they repeat."""
BLOCK_PX = 2048
"""Of their tiles, as Pleiades has them.  A tile at any multiple of it is encoded alike."""
PLACE = 4
"""The repetition, along rows and columns, in which the product's model is the part's."""


def triplet() -> Stereo:
    """Three views of a city, whose models hold for a strip as large as the product's images."""
    drawn = make_stereo("city", "triplet", shape=(SIDE_PX, SIDE_PX), seed=SEED, samples=2)
    # Its corners lie farther from the middle than half of it, and the track is turned.
    strip = PRODUCT_PX * 3 // 2
    views = []
    for view in drawn.views:
        eye = view.camera
        wide = camera(
            eye.centre, eye.attitude, eye.shape, GSD_M, drawn.scene.heights, strip_px=strip
        )
        views.append(replace(view, camera=wide))
    return Stereo(drawn.scene, tuple(views))


def pixels(view: View) -> Pixels:
    """A view's image, drawn at the first use."""
    path = KEPT / f"city-{SEED}-{SIDE_PX}-{view.look.number}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, view.image)
        part.replace(path)
    found: Pixels = np.load(path, mmap_mode="r")
    return found


def cropped(view: View, side: int) -> tuple[Pixels, RPC]:
    """The middle of a view's image, and its model."""
    first = (SIDE_PX - side) // 2
    part = np.ascontiguousarray(pixels(view)[first : first + side, first : first + side])
    return part, moved(view.camera.rpc, -first, -first)


def product(view: View) -> Path:
    """A JPEG 2000 that repeats the middle of a view, made at the first use; its model beside it."""
    path = KEPT / f"product-{SEED}-{view.time:%Y%m%dT%H%M%S}.jp2"
    part, rpc = cropped(view, PART_PX)
    model = moved(rpc, PLACE * PART_PX, PLACE * PART_PX)
    path.with_name(f"{path.stem}_RPC.TXT").write_text(rpc_text(model))
    if not path.exists():
        once = path.with_suffix(".once.jp2")
        # The last tiles are narrower, and show what comes next in the repetition.
        cells = np.r_[:PART_PX, _last(PART_PX)]
        options = {"blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "resolutions": 6}
        write_pixels(once, part[np.ix_(cells, cells)], jpeg2000=True, **options)
        whole = path.with_suffix(".part")
        _repeat(once.read_bytes(), whole)
        whole.replace(path)
        once.unlink()
    return path


def _last(period: int) -> np.ndarray:
    """The columns of the period that the last tiles of the product show."""
    first = PRODUCT_PX // BLOCK_PX * BLOCK_PX % period
    return np.arange(first, first + PRODUCT_PX % BLOCK_PX)


def _repeat(once: bytes, path: Path) -> None:
    """Write the tiles of one file again and again, each under the number of its new place."""
    start = once.index(b"\xff\x4f\xff\x51")
    parts = list(_tile_parts(once, start))
    size = struct.pack(">II", PRODUCT_PX, PRODUCT_PX)
    head = bytearray(once[: parts[0][0]])
    box = head.index(b"ihdr")
    head[box + 4 : box + 12] = size
    # Length and capabilities come first.
    head[start + 8 : start + 16] = size
    # A box of length 0 reaches to the end of the file.
    head[start - 8 : start - 4] = bytes(4)
    period, count = PART_PX // BLOCK_PX, -(-PRODUCT_PX // BLOCK_PX)
    places = [*(n % period for n in range(count - 1)), period]
    with path.open("wb") as file:
        file.write(head)
        for row, down in enumerate(places):
            for col, across in enumerate(places):
                begin, end = parts[down * (period + 1) + across]
                # The marker and its length stand before the number.
                file.write(once[begin : begin + 4] + struct.pack(">H", row * count + col))
                file.write(once[begin + 6 : end])
        file.write(b"\xff\xd9")


def _tile_parts(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each tile in a code stream, in the order of their numbers."""
    place = start + 2
    while data[place : place + 2] != b"\xff\xd9":
        marker, length = struct.unpack(">HH", data[place : place + 4])
        end = place + 2 + length
        if marker == 0xFF90:
            (size,) = struct.unpack(">I", data[place + 6 : place + 10])
            end = place + size
            yield place, end
        place = end
