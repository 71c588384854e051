"""``optiground run --job DIR`` for the service of the tests."""

import json
import sys
from pathlib import Path

from core.job import run

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    request = directory / "job.json"
    request.write_text(
        json.dumps(json.loads(request.read_text()) | {"pipeline": "misbehaving:DEED"})
    )
    sys.exit(run(directory))
