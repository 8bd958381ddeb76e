"""L(N, D) on the 240 training runs that Besiroglu et al. (2024) read off a figure of Hoffmann et al. (2022).

Takes the file ``svg_extracted_data.csv`` of their repository, which is not kept here, and prints the fit as JSON.
"""

import csv
import json
import sys

import ttscale as tts
from ttscale.collecting.environment import versions

with open(sys.argv[1]) as file:
    rows = [(float(row["loss"]), float(row["Model Size"]), float(row["Training FLOP"])) for row in csv.DictReader(file)]
loss, sizes, flops = zip(*sorted(rows)[:-5], strict=True)  # as they do, without the five highest losses
tokens = [c / (6 * n) for c, n in zip(flops, sizes, strict=True)]
fit = tts.fit_surface(sizes, tokens, loss, law="chinchilla", delta=1e-3, n_boot=500, seed=0)
split = fit.optimum(5.88e23)
found = {
    "points": len(loss), "objective": fit.objective, "status": fit.status, "gradient_norm": fit.gradient_norm,
    "params": {name: one.as_dict() for name, one in fit.params.items()}, "level": fit.level,
    "tokens_per_parameter_at_5.88e23": split.d_per_n.as_dict(), "backtest_rmse": fit.backtest_rmse,
    "seed": 0, "device": "cpu", "versions": versions(),
}  # fmt: skip
print(json.dumps(found, indent=1))
