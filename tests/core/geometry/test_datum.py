import json
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import CRS

from core.errors import UnknownDatum
from core.geometry.datum import HeightDatum
from core.job import child_environment

DEBIANS_EGM96 = Path("/usr/share/proj/egm96_15.gtx")

FRANCE = (5.4, 43.2, 5.5, 43.3)
REUNION = (55.6, -21.3, 55.7, -21.2)

SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from core.errors import OptiGroundError
from core.geometry.datum import HeightDatum
answers = []
for name, bounds, lon, lat, height in json.load(sys.stdin):
    try:
        datum = HeightDatum(name, tuple(bounds))
        with ThreadPoolExecutor(4) as threads:
            same = list(threads.map(lambda _: datum.above(lon, lat, height), range(40)))
        above = datum.above(lon, lat, height)
        assert len({part.tobytes() for part in [above, *same]}) == 1
        back = datum.ellipsoidal(lon, lat, above)
        answers.append([above.tolist(), back.tolist(), datum.transformation])
    except OptiGroundError as error:
        answers.append([error.code, error.message])
print(json.dumps(answers))
"""

Asked = tuple[str, tuple[float, ...], Any, Any, Any]
Ask = Callable[..., list[list[Any]]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Heights as a job computes them whose operator has these grids, and no others."""
    home = tmp_path / "home"
    grids = home / ".local" / "share" / "proj"
    grids.mkdir(parents=True)
    for name in ("PROJ_USER_WRITABLE_DIRECTORY", "XDG_DATA_HOME", "PROJ_DATA", "PROJ_LIB"):
        monkeypatch.delenv(name, raising=False)

    def asked(questions: list[Asked], *files: Path) -> list[list[Any]]:
        for file in files:
            shutil.copy(file, grids)
        with monkeypatch.context() as operator:
            operator.setenv("HOME", str(home))
            environment = child_environment(tmp_path / "job")
        environment["PYTHONPATH"] = str(Path(__file__).parents[3])
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(questions),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers: list[list[Any]] = json.loads(done.stdout)
        return answers

    return asked


def plane_geoid(path: Path) -> Path:
    """A grid over southern France, in NOAA's format: 40 m at 5 E 43 N, 2 m per degree to the east
    and 3 m per degree to the north."""
    lat, lon = np.meshgrid(np.arange(42.0, 45.1), np.arange(4.0, 7.1), indexing="ij")
    undulation = 40 + 2 * (lon - 5) + 3 * (lat - 43)
    head = struct.pack(">4d2i", 42.0, 4.0, 1.0, 1.0, *lat.shape)
    path.write_bytes(head + undulation.astype(">f4").tobytes())
    return path


@pytest.mark.skipif(
    not DEBIANS_EGM96.exists(), reason="no egm96_15.gtx here (Debian: apt-get install proj-data)"
)
def test_egm96_lies_where_it_is_known_to_lie(ask: Ask) -> None:
    marseille, reunion = ask(
        [
            ("egm96", FRANCE, [5.44, 5.45], 43.26, [100.0, None]),
            ("EPSG:5773", REUNION, 55.65, -21.23, 2339.0),
        ],
        DEBIANS_EGM96,
    )
    assert 100 - marseille[0][0] == pytest.approx(49.3, abs=0.5)
    assert np.isnan(marseille[0][1])
    assert 2339 - reunion[0] == pytest.approx(2.3, abs=0.5)
    assert marseille[1][0] == pytest.approx(100, abs=1e-6)
    assert reunion[1] == pytest.approx(2339, abs=1e-6)
    assert marseille[2] == reunion[2] == "WGS 84 to EGM96 height (1)"


def test_a_geoid_above_the_ellipsoid_makes_heights_smaller(ask: Ask, tmp_path: Path) -> None:
    lon, lat = [5.0, 5.25, 6.5], [43.0, 43.5, 44.75]
    (inside,) = ask(
        [("egm2008", (4, 42, 7, 45), lon, lat, 1000.0)], plane_geoid(tmp_path / "egm08_25.gtx")
    )
    undulation = 40 + 2 * (np.array(lon) - 5) + 3 * (np.array(lat) - 43)
    np.testing.assert_allclose(inside[0], 1000 - undulation, atol=1e-4)
    np.testing.assert_allclose(inside[1], 1000, atol=1e-6)


def test_points_beyond_the_grid_have_no_height(ask: Ask, tmp_path: Path) -> None:
    (found,) = ask(
        [("egm2008", (4, 42, 7, 45), [5.0, 12.0], 43.5, 100.0)],
        plane_geoid(tmp_path / "egm08_25.gtx"),
    )
    assert np.isfinite(found[0]).tolist() == [True, False]
    assert np.isfinite(found[1]).tolist() == [True, False]


def test_a_missing_grid_is_named_with_the_place_to_put_it(ask: Ask) -> None:
    answers = ask(
        [
            (name, FRANCE, 5.44, 43.26, 100.0)
            for name in ("egm96", "egm2008", "EPSG:5720", "EPSG:5798", "EPSG:2154+5720")
        ]
    )
    files = ("us_nga_egm96_15.tif", "us_nga_egm08_25.tif", "fr_ign_", "DIRACC.DAT", "fr_ign_")
    for answer, file in zip(answers, files, strict=True):
        code, message = answer
        assert code == "grid-missing"
        assert file in message
        assert "~/.local/share/proj" in message
        # Only what is published where pyproj looks can be fetched.
        assert ("pyproj sync" in message) == (file != "DIRACC.DAT")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sea level", "no vertical reference system"),
        ("EPSG:32631", "no vertical reference system"),
        ("EPSG:4326", "no vertical reference system"),
        ("EPSG:4978", "no vertical reference system"),
        ("EPSG:5776", "No transformation"),
    ],
)
def test_what_is_no_height_datum_here_is_refused(name: str, words: str) -> None:
    with pytest.raises(UnknownDatum, match=words):
        HeightDatum(name, FRANCE)


@pytest.mark.parametrize("name", ["ellipsoid", "EPSG:4979"])
def test_heights_above_the_ellipsoid_stay_as_they_are(name: str) -> None:
    datum = HeightDatum(name, FRANCE)
    heights = np.array([[1.0, np.nan], [3.0, 4.0]])
    found = datum.above(5.44, 43.26, heights)
    np.testing.assert_array_equal(found, heights)
    assert found is not heights
    np.testing.assert_array_equal(datum.ellipsoidal(5.44, 43.26, heights), heights)
    assert datum.words == "the WGS 84 ellipsoid"
    assert datum.transformation == ""
    assert pickle.loads(pickle.dumps(datum)) == datum
    system = CRS.from_wkt(datum.compound("EPSG:32631"))
    assert len(system.axis_info) == 3
    assert system.to_2d() == CRS("EPSG:32631")


def test_a_reference_system_with_its_geoid_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    # Naming needs no grid: only the check at the beginning does, and that is another test's.
    monkeypatch.setattr("core.geometry.datum._operation", lambda *_: None)
    datum = HeightDatum("egm96", FRANCE)
    system = CRS.from_wkt(datum.compound("EPSG:32631"))
    assert system.is_compound
    assert [part.to_epsg() for part in system.sub_crs_list] == [32631, 5773]
    assert datum.words == "EGM96 height"
