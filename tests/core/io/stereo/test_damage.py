"""Metadata damaged at random: a reason in words, or an image; never anything else."""

import re

import numpy as np
import pytest

from core.errors import InputError
from core.io.products.stereo import View, open_views
from core.simulate.stereo.bundle import panchromatic, pansharpened
from core.simulate.stereo.dimap import write_dimap
from core.simulate.stereo.dimap_forms import PLEIADES, PLEIADES_NEO
from core.simulate.stereo.worldview import write_worldview

ODD = (b"", b"-1", b"nan", b"1e999", b"9" * 5000, b"\xc2\xb2", b"\0", b"../", b"<", b'"', b";")

METADATA = (".XML", ".TIL", ".IMD", ".RPB", ".GML")
PIXELS = (".TIF", ".JP2")


def dimap(folder, views):
    write_dimap(folder, views[:1], PLEIADES, tile=64, jpeg2000=True)
    write_dimap(folder, views[1:], PLEIADES_NEO, job="2", kinds=(panchromatic, pansharpened))


def worldview(folder, views):
    for part, view in enumerate(views, start=1):
        write_worldview(folder, view, part=part, tile=64)


def damaged(data: bytes, lot: np.random.Generator) -> bytes:
    """Numbers and words exchanged, a piece left out, or the end cut off."""
    where = int(lot.integers(len(data)))
    length = int(lot.choice([1, 4, 20, 200]))
    kind = lot.integers(3)
    if kind == 0:
        return data[:where]
    if kind == 1:
        return data[:where] + data[where + length :]
    return data[:where] + ODD[int(lot.integers(len(ODD)))] + data[where + length :]


def problem(tmp_path):
    """What is wrong with the order; None where its images were opened."""
    try:
        views = open_views(
            [tmp_path / "order"], scratch=tmp_path / "scratch", pointers=["/inputs/images/0"]
        )
    except InputError as error:
        return error
    assert all(isinstance(view, View) for view in views)
    return None


@pytest.mark.parametrize("make", [dimap, worldview])
@pytest.mark.parametrize("endings", [METADATA, PIXELS])
@pytest.mark.parametrize("seed", range(3))
def test_a_file_damaged_at_random(tmp_path, pair, make, endings, seed):
    lot = np.random.default_rng(seed)
    make(tmp_path / "order", pair)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in endings)
    found = []
    for _ in range(40):
        path = files[int(lot.integers(len(files)))]
        data = path.read_bytes()
        path.write_bytes(damaged(data, lot))
        found.append(problem(tmp_path))
        path.write_bytes(data)
    refused = [error for error in found if error is not None]
    assert 0 < len(refused) < 40
    assert all(error.problem().message for error in refused)
    assert not any(str(tmp_path) in str(error) for error in refused)


@pytest.mark.parametrize("make", [dimap, worldview])
def test_a_number_exchanged(tmp_path, pair, make):
    make(tmp_path / "order", pair)
    lot = np.random.default_rng(7)
    found = []
    for path in sorted(path for path in tmp_path.rglob("*") if path.suffix in METADATA):
        data = path.read_bytes()
        numbers = list(re.finditer(rb'(?<=[>"\s(])[-+0-9.eE]+(?=[<",;\s)])', data))
        for number in lot.permutation(len(numbers))[:12]:
            start, end = numbers[int(number)].span()
            path.write_bytes(data[:start] + ODD[int(lot.integers(6))] + data[end:])
            found.append(problem(tmp_path))
        path.write_bytes(data)
    assert None in found
    assert any(error is not None for error in found)
