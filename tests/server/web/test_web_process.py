"""What the process that answers users is made of."""

import subprocess
import sys

PROGRAM = """
import sys, tempfile, pathlib
from server.app import create_app
from server.settings import PACKAGED, read_settings
data = pathlib.Path(tempfile.mkdtemp())
client = create_app(read_settings(PACKAGED, {}, data=data)).test_client()
before = set(sys.modules)
echo = {"inputs": {"stringInput": "x"}}
assert client.post("/processes/echo/execution", json=echo, headers={"Prefer": "respond-async"})
for path in ("/", "/processes", "/processes/mpic-opt", "/jobs", "/openapi", "/conformance"):
    assert client.get(path).status_code == 200, path
print(*sorted({name.split(".")[0] for name in before}))
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""

NEVER = {"numba", "llvmlite", "scipy", "sklearn", "rasterio", "laspy"}


def test_the_web_process_imports_no_heavy_numerics() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    at_start, in_the_end = (set(line.split()) for line in done.stdout.splitlines())
    assert at_start & (NEVER | {"numpy", "pyproj", "shapely", "pygeoapi"}) == set()
    assert in_the_end & NEVER == set()
    assert "pygeoapi" in in_the_end
