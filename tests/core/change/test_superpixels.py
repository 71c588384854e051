import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.change import superpixels
from core.change.superpixels import TURNS, UNIT, extent, halo, patches
from core.tiling import tiles

ANCHOR = (-3021, 1234)


def image(
    seed: int = 1, shape: tuple[int, int] = (60, 64)
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    field = [ndimage.gaussian_filter(rng.normal(size=shape), 3) * 10 for _ in range(3)]
    field = np.stack(field, axis=-1) + rng.normal(0, 0.3, (*shape, 3))
    known = ndimage.gaussian_filter(rng.normal(size=shape), 4) > -0.08
    return np.rint(UNIT * field).astype(np.int16), known


def slow_owners(
    pixels: NDArray[np.int16], known: NDArray[np.bool_], anchor: tuple[int, int], cell: int
) -> NDArray[np.int64]:
    """Number of the seed of each pixel, by dictionaries of seeds over absolute coordinates."""
    side = round(cell * 5**0.5)
    places = {
        (i, j): (2 * (j + anchor[1]) + i + anchor[0], 2 * (i + anchor[0]) - j - anchor[1])
        for i, j in zip(*np.nonzero(known), strict=True)
    }
    owner = {at: (u // side, v // side) for at, (u, v) in places.items()}
    for _ in range(TURNS):
        members: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for at, seed in owner.items():
            members.setdefault(seed, []).append(at)
        means = {
            seed: [
                np.mean([places[at] for at in inside], axis=0),
                np.mean([pixels[at] for at in inside], axis=0),
            ]
            for seed, inside in members.items()
        }
        for at, (u, v) in places.items():
            down, right = u % side, v % side
            rows = (u // side, u // side + (-1 if 2 * down < side else 1))
            cols = (v // side, v // side + (-1 if 2 * right < side else 1))
            costs = {
                (r, c): ((means[r, c][0] - (u, v)) ** 2).sum() / side**2
                + ((means[r, c][1] - pixels[at]) ** 2).mean() / UNIT**2
                for r in rows
                for c in cols
                if (r, c) in means
            }
            owner[at] = min(costs, key=costs.__getitem__)
    names = {seed: k for k, seed in enumerate(sorted(set(owner.values())))}
    out = np.full(known.shape, -1)
    for at, seed in owner.items():
        out[at] = names[seed]
    return out


def test_patches_are_the_parts_of_the_seeds_of_the_plain_definition() -> None:
    pixels, known = image()
    owners = slow_owners(pixels, known, ANCHOR, 5)
    expected = np.full(known.shape, -1)
    for seed in range(owners.max() + 1):
        parts, count = ndimage.label(owners == seed)
        for part in range(1, count + 1):
            expected[parts == part] = np.flatnonzero(parts == part)[0]
    found = patches(pixels, known, ANCHOR, 5)
    first = np.full(found.max() + 1, found.size)
    np.minimum.at(first, found[known], np.flatnonzero(known))
    # Float32 and float64 may decide a tie otherwise, and that turns others.
    assert (first[found] != expected)[known].mean() < 0.01
    assert ((found < 0) == ~known).all()


def test_patches_are_numbered_by_their_first_pixels() -> None:
    pixels, known = image(2)
    found = patches(pixels, known, ANCHOR, 4)
    numbers, first = np.unique(found[known], return_index=True)
    assert (numbers == np.arange(found.max() + 1)).all()
    assert (np.diff(first) > 0).all()


def test_a_patch_is_joined_and_no_larger_than_its_extent() -> None:
    pixels, known = image(3)
    for cell in (3, 4, 7):
        found = patches(pixels, known, ANCHOR, cell)
        for number, box in enumerate(ndimage.find_objects(found + 1)):
            assert ndimage.label(found[box] == number)[1] == 1
            assert max(found[box].shape) <= extent(cell)


def test_on_level_ground_patches_are_the_cells_and_cover_their_area() -> None:
    known = np.ones((300, 300), bool)
    found = patches(np.zeros((300, 300, 1), np.int16), known, ANCHOR, 8)
    inner = np.unique(found[20:-20, 20:-20])
    sizes = np.bincount(found.ravel())[inner]
    assert abs(np.median(sizes) - 18**2 / 5) <= 1
    assert np.quantile(sizes, 0.1) > 0.8 * np.median(sizes)


def test_borders_follow_an_edge_of_the_image() -> None:
    pixels = np.zeros((80, 80, 2), np.int16)
    row, col = np.mgrid[:80, :80]
    bright = np.hypot(row - 41, col - 37) < 19
    pixels[bright] = 4 * UNIT
    found = patches(pixels, np.ones((80, 80), bool), ANCHOR, 5)
    mixed = [n for n in range(found.max() + 1) if 0 < bright[found == n].mean() < 1]
    assert not mixed


def test_tiles_of_any_size_give_the_patches_of_the_whole() -> None:
    pixels, known = image(4, (330, 345))
    cell = 4
    full = patches(pixels, known, ANCHOR, cell)
    for side in (90, 256):
        for tile in tiles(known.shape, side, halo(cell) + extent(cell)):
            corner = (ANCHOR[0] + tile.padded.row, ANCHOR[1] + tile.padded.col)
            cut = tile.padded.slices
            part = patches(pixels[cut], known[cut], corner, cell)[tile.core_in_padded]
            whole = full[tile.core.slices]
            pairs = np.unique(np.stack([part.ravel(), whole.ravel()]), axis=1)
            assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def test_nothing_known_has_no_patches() -> None:
    found = patches(np.zeros((5, 6, 2), np.int16), np.zeros((5, 6), bool), (0, 0), 4)
    assert (found == -1).all()


def test_the_halo_is_what_the_turns_look_at() -> None:
    assert halo(4) == superpixels.TURNS * extent(4) == 48
