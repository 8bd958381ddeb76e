"""``make bench``: measure every row, or those named, and write ``results/bench/<row>.json``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from estimators import ROWS as ESTIMATORS
from forecast import ROWS as FORECAST
from foreign import ROWS as FOREIGN
from intervals import ROWS as INTERVALS
from language import ROWS as LANGUAGE
from laws import ROWS as LAWS
from selection import ROWS as SELECTION
from spine import ROWS as SPINE
from tradeoff import ROWS as TRADEOFF
from vision import ROWS as VISION

from ttscale.collecting.environment import describe_device, versions
from ttscale.records.files import write_json

ROWS = SPINE | VISION | SELECTION | LANGUAGE | ESTIMATORS | LAWS | FORECAST | INTERVALS | FOREIGN | TRADEOFF
RESULTS = Path(__file__).parent.parent.parent / "results" / "bench"


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    for name in names or ROWS:
        row = ROWS[name]()
        ratio = row["ratio"]["median"] if isinstance(row["ratio"], dict) else row["ratio"]
        if ratio is None:
            print(f"{name}: not measured here ({row['setting']})", flush=True)
            continue
        write_json(
            RESULTS / f"{name}.json",
            {
                "row": name, "what": ROWS[name].__doc__, **row,
                "command": f"make bench ROWS={name}", "device": describe_device(torch.device("cpu")),
                "cores": os.cpu_count(), "versions": versions(),
            },
        )  # fmt: skip
        verdict = "" if isinstance(row["limit"], dict) or ratio <= row["limit"] else "  OVER ITS LIMIT"
        print(f"{name}: ratio {ratio:.3f}, limit {row['limit']}  ({row['setting']}){verdict}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
