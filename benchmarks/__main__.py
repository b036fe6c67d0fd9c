"""`python -m benchmarks [NAME …] [--json FILE]`: run benchmarks and print them side by side."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import warnings
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row
from benchmarks.suites import SUITES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(SUITES))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; known are {', '.join(SUITES)}")
    # The libraries' greetings are no figures.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore")
    rows: list[Row] = []
    for name in arguments.names or SUITES:
        suite_rows = SUITES[name]()
        rows += suite_rows
        _print(suite_rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(_document(rows), indent=1) + "\n")


def _print(rows: list[Row]) -> None:
    """A table for each task, the contenders below each other."""
    for what in dict.fromkeys(row.what for row in rows):
        contenders = [row for row in rows if row.what == what]
        peer = next(row for row in contenders if row.is_peer)
        table = Table(title=what, title_justify="left", box=None, header_style="dim")
        table.add_column("", min_width=22)
        table.add_column(peer.unit, justify="right")
        table.add_column(f"beside {peer.who}", justify="right")
        for row in contenders:
            beside = f"{row.value / peer.value:.2f} ×" if peer.value else "–"
            table.add_row(row.who, f"{row.value:.3f}", beside)
        Console().print(table)


def _document(rows: list[Row]) -> dict:
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "rows": [dataclasses.asdict(row) for row in rows],
    }


if __name__ == "__main__":
    main()
