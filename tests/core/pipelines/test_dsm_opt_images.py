"""Images of a DSM-OPT request as a set, and the pairs that are made of them."""

import math
import shutil

import pytest

from core.errors import Inconsistent, NoOverlap, OutOfRange, TooLarge
from core.pipelines.dsm_opt.images import Image
from core.pipelines.dsm_opt.overlap import overlap
from core.pipelines.dsm_opt.pairing import (
    ImagePair,
    candidates_of,
    pair_warnings,
    pairs_of,
)


@pytest.fixture
def pairs(opened, stereo):
    """The pairs of a request."""

    def made(*images, **inputs):
        return pairs_of(stereo(*images, **inputs)[0], opened(*images))

    return made


def keys(pairs):
    return [pair.key for pair in pairs]


def test_images_come_in_the_order_of_their_times_whatever_the_request_says(opened, plain_triplet):
    first, second, third = plain_triplet
    found = opened(third, first, second)
    assert [image.name for image in found] == [path.stem for path in plain_triplet]
    assert [image.number for image in found] == [1, 2, 3]


def test_images_without_a_time_come_last_as_they_were_given(opened, changed, plain_triplet):
    first, second, third = plain_triplet
    undated = [changed(path, name) for path, name in ((third, "zebra"), (first, "ant"))]
    assert [image.name for image in opened(*undated, second)] == [second.stem, "zebra", "ant"]


def test_each_image_tells_the_reference_that_it_came_by(opened, plain_pair):
    found = opened(*reversed(plain_pair))
    assert [image.href for image in found] == [path.as_uri() for path in plain_pair]


def test_images_of_one_name_are_told_apart(opened, changed, plain_pair, tmp_path):
    folders = []
    for number, path in enumerate(plain_pair):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        shutil.copy(path, folders[-1] / "image.tif")
    assert [image.name for image in opened(*folders)] == ["image", "image_2"]


def test_the_name_for_files_has_no_sign_that_an_address_does_not_bear(opened, changed, plain_pair):
    odd = changed(plain_pair[0], "Ort (März), links")
    assert opened(odd, plain_pair[1])[1].key == "Ort_M_rz_links"


def test_one_image_makes_no_pair(opened, plain_pair):
    with pytest.raises(Inconsistent, match="one image makes no pair"):
        opened(plain_pair[0])


def test_an_image_given_twice_is_told(opened, plain_pair, tmp_path):
    again = tmp_path / "copy.tif"
    shutil.copy(plain_pair[0], again)
    with pytest.raises(Inconsistent, match="are the same image: it was given twice"):
        opened(plain_pair[0], again)


def test_the_model_of_the_other_image_is_told_from_an_image_given_twice(
    opened, changed, plain_pair
):
    wrong = changed(plain_pair[1], "second", model=plain_pair[0])
    with pytest.raises(Inconsistent, match="have the same RPC") as refused:
        opened(plain_pair[0], wrong)
    assert refused.value.pointer == "/inputs/images/1"


def test_more_than_six_images_are_too_many(opened, changed, plain_pair):
    more = [changed(plain_pair[1], f"image{n}", model={"line_off": 60.0 + n}) for n in range(6)]
    with pytest.raises(TooLarge, match="There are 7 images") as refused:
        opened(plain_pair[0], *more)
    assert refused.value.allowed == "2 to 6 images"


def test_an_image_of_other_ground_is_named_with_the_likely_reason(opened, changed, plain_triplet):
    away = changed(plain_triplet[1], "uncropped", model={"line_off": 5000.0})
    with pytest.raises(NoOverlap) as refused:
        opened(plain_triplet[0], away, plain_triplet[2])
    assert "uncropped shows no ground that any other image shows" in refused.value.message
    assert "Is it the RPC of the uncropped image" in refused.value.message


def test_crops_of_high_ground_overlap_though_they_do_not_at_sea_level(opened, shared_data):
    folder = shared_data / "stereo" / "s2p_pair_reunion"
    first, second = opened(folder / "img_01.tif", folder / "img_02.tif")
    found = overlap(first.view, second.view)
    assert found.share > 0.9
    assert found.height > 2000


def test_a_pair_has_the_geometry_that_was_simulated(pairs, plain_pair):
    (pair,) = pairs(*plain_pair)
    assert pair.base_to_height == pytest.approx(0.26, abs=0.01)
    # Two sights that lean equally to both sides.
    angle = 2 * math.degrees(math.atan(pair.base_to_height / 2))
    assert pair.convergence_deg == pytest.approx(angle, abs=0.1)
    assert pair.days == pytest.approx(24 / 86400, rel=0.1)
    assert (pair.first, pair.second) == (0, 1)


@pytest.mark.parametrize(
    ("site", "wanted"),
    [
        ("s2p_pair_reunion", {"1-2": (15.0, 0.265)}),
        ("s2p_triplet_marseille", {"1-2": (6.5, 0.114), "1-3": (12.9, 0.226), "2-3": (6.4, 0.112)}),
    ],
)
def test_real_pairs_have_the_angles_and_ratios_that_are_known_of_them(
    pairs, shared_data, site, wanted
):
    found = pairs(*sorted((shared_data / "stereo" / site).glob("img_*.tif")))
    assert keys(found) == list(wanted)
    for pair in found:
        angle, ratio = wanted[pair.key]
        assert pair.convergence_deg == pytest.approx(angle, abs=0.1)
        assert pair.base_to_height == pytest.approx(ratio, abs=0.002)
        assert pair.days is None


def test_of_three_images_all_pairs_are_matched(pairs, plain_triplet):
    assert keys(pairs(*plain_triplet)) == ["1-2", "1-3", "2-3"]


def test_pairs_that_are_asked_for_are_those_that_are_matched(pairs, plain_triplet):
    assert keys(pairs(*plain_triplet, pairs=["3-2", "1-2"])) == ["1-2", "2-3"]


def test_a_pair_of_an_image_that_is_not_there_is_refused(pairs, plain_pair):
    with pytest.raises(OutOfRange, match="names image 3; there are 2") as refused:
        pairs(*plain_pair, pairs=["1-2", "2-3"])
    assert refused.value.pointer == "/inputs/pairs/1"


def test_two_images_from_one_direction_are_refused(pairs, changed, plain_pair):
    beside = changed(plain_pair[0], "beside", model={"line_off": 60.5})
    with pytest.raises(OutOfRange, match=r"convergence angle is 0\.00 degrees"):
        pairs(plain_pair[0], beside)


def test_in_a_set_a_pair_from_one_direction_is_only_left_out(
    pairs, opened, stereo, changed, plain_pair
):
    beside = changed(plain_pair[0], "beside", model={"line_off": 60.5})
    assert keys(pairs(*plain_pair, beside)) == ["1-2", "2-3"]
    problems = {c.pair.key: c.problem for c in candidates_of(opened(*plain_pair, beside))}
    assert [key for key, problem in problems.items() if problem is not None] == ["1-3"]
    with pytest.raises(OutOfRange, match="same direction") as refused:
        pairs(*plain_pair, beside, pairs=["1-3"])
    assert refused.value.pointer == "/inputs/pairs/0"


@pytest.fixture
def six(changed, plain_triplet):
    """Two triplets of one place, half a year apart."""
    later = [
        changed(path, f"20241218T10420{n}", model={"samp_off": 60.0 + n})
        for n, path in enumerate(plain_triplet)
    ]
    return (*plain_triplet, *later)


def test_of_more_images_each_is_in_a_pair_and_none_in_more_than_two(pairs, six):
    found = pairs(*six)
    counts = [sum(end in (p.first, p.second) for p in found) for end in range(6)]
    assert min(counts) >= 1
    assert max(counts) <= 2


def test_of_more_images_pairs_of_one_day_and_a_good_angle_come_first(pairs, six):
    apart = [pair for pair in pairs(*six) if pair.days > 100]
    together = [pair for pair in pairs(*six) if pair.days < 1]
    assert len(together) > len(apart)
    assert "1-3" in keys(together)


def test_of_more_images_the_pairs_join_all_of_them(pairs, six):
    joined = {0}
    found = pairs(*six)
    for _ in found:
        joined |= {e for p in found for e in (p.first, p.second) if {p.first, p.second} & joined}
    assert joined == set(range(6))


def test_a_very_wide_pair_is_warned_of(opened, plain_pair):
    images: tuple[Image, ...] = opened(*plain_pair)
    assert pair_warnings(ImagePair(0, 1, 44.0, 0.8, None), images) == ()
    (note,) = pair_warnings(ImagePair(0, 1, 52.0, 1.0, None), images)
    assert "52 degrees apart" in note
