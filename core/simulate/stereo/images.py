"""Files of pixels: tiles of a delivery, pictures to look at, archives."""

import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from core.simulate.stereo.sensor import BITS
from core.simulate.stereo.views import Pixels


def write_pixels(path: Path, pixels: Pixels, *, jpeg2000: bool = False, **options: object) -> Path:
    """Write pixels that lie nowhere: a TIFF, or a lossless JPEG 2000 of 12 bits."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile: dict[str, object] = {
        "driver": "GTiff",
        "height": bands.shape[1],
        "width": bands.shape[2],
        "count": bands.shape[0],
        "dtype": "uint16",
    }
    if jpeg2000:
        profile |= {
            "driver": "JP2OpenJPEG",
            "quality": "100",
            "reversible": "yes",
            "ycc420": "no",
            "nbits": str(BITS),
        }
    profile |= options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(bands)
    return path


def tiles(
    folder: Path,
    name: str,
    pixels: Pixels,
    size: int,
    *,
    jpeg2000: bool = False,
    **options: object,
) -> list[list[Path]]:
    """Write an image as files R1C1, R1C2, … of `size` rows and columns; the last are smaller.

    `options` are those of GDAL's driver.
    """
    suffix = ".JP2" if jpeg2000 else ".TIF"
    return [
        [
            write_pixels(
                folder / f"{name}_R{i + 1}C{j + 1}{suffix}",
                np.ascontiguousarray(pixels[..., row : row + size, col : col + size]),
                jpeg2000=jpeg2000,
                **options,
            )
            for j, col in enumerate(range(0, pixels.shape[-1], size))
        ]
        for i, row in enumerate(range(0, pixels.shape[-2], size))
    ]


def picture(path: Path, pixels: Pixels, longest: int) -> Path:
    """Write an 8-bit picture of at most so many rows and columns, stretched."""
    shown = np.moveaxis(pixels[:3], 0, -1) if pixels.ndim == 3 else pixels
    low, high = np.percentile(shown, (1, 98))
    stretched = np.clip((shown - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(stretched)
    image.thumbnail((longest, longest))
    image.save(path)
    return path


def pack(folder: Path, kind: Literal["zip", "tar", "tar.gz"] = "zip") -> Path:
    """Pack a delivery's folder, itself included, into an archive beside it."""
    archive = folder.with_name(f"{folder.name}.{kind}")
    members = [folder, *sorted(folder.rglob("*"))]
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for member in members:
                packed.write(member, member.relative_to(folder.parent))
        return archive
    with tarfile.open(archive, "w:gz" if kind == "tar.gz" else "w") as packed:
        for member in members:
            packed.add(member, member.relative_to(folder.parent), recursive=False)
    return archive
