"""Runs a benchmark by name, keeps its results, and prints its table."""

import importlib
import sys
from pathlib import Path

from benchmarks.result import keep

HERE = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.parent.name for path in HERE.glob("*/cases.py"))


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in names():
        print(f"./run bench NAME [PART...], where NAME is one of: {', '.join(names())}")
        return 0 if not arguments else 2
    name, *parts = arguments
    cases = importlib.import_module(f"benchmarks.{name}.cases")
    table = importlib.import_module(f"benchmarks.{name}.table")
    results = []
    for result in cases.run(*parts):
        keep(result)
        results.append(result)
        print(f"{result.case} done", file=sys.stderr)
    print(table.text(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
