"""A summary dict as `summarize` writes it, made by formula: four sizes, three seeds, sixteen views."""

from __future__ import annotations

import math
from typing import Any

SIZES = {
    "resnet8-w4": (4.9e3, 3.3e5, 1.19e12, 0.874),
    "resnet8-w8": (1.94e4, 1.26e6, 4.5e12, 0.901),
    "resnet8-w16": (7.7e4, 4.9e6, 1.76e13, 0.9185),
    "resnet8-w28": (2.35e5, 1.48e7, 5.3e13, 0.9272),
}
SEEDS = (0, 1, 2)
N_VIEWS = 16
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>$\\frac{a$ \x1b[31m\u202e%{text} & \"'"
CEILING = {"tta": 0.011, "ensemble": 0.017, "product": 0.021}


def interval(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def _curve(
    name: str,
    label: str,
    kind: str,
    size: str | None,
    members: list[str],
    units: list[float],
    start: float,
    top: int,
    rise: float,
) -> dict[str, Any]:
    """Draw k costs ``units[(k - 1) % len(units)]``."""
    budgets = list(range(1, top + 1))
    dip = [0.0 if k == 1 or kind == "ensemble" else 0.004 * math.exp(-k / 2) for k in budgets]
    accuracy = [start + rise * (1 - k**-0.9) - d for k, d in zip(budgets, dip, strict=True)]
    half = [1.96 * math.sqrt(a * (1 - a) / 10_000) for a in accuracy]
    flops = [sum(units[i % len(units)] for i in range(k)) for k in budgets]
    gains: list[dict[str, float | None]] = [{"value": None, "low": None, "high": None}]
    for f, a in zip(flops[1:], accuracy[1:], strict=True):
        extra = (f - flops[0]) / 1e9
        gains.append({key: 100 * g / extra for key, g in interval(a - start, 0.0025).items()})
    return {
        "id": name,
        "label": label,
        "kind": kind,
        "size": size,
        "members": members,
        "vote": "mean",
        "budgets": budgets,
        "multiplier": [f / flops[0] for f in flops],
        "flops": flops,
        "flops_worst": flops,
        "accuracy": accuracy,
        "low": [a - h for a, h in zip(accuracy, half, strict=True)],
        "high": [a + h for a, h in zip(accuracy, half, strict=True)],
        "gain_per_gflop": gains,
    }


def _fits(curve: dict[str, Any]) -> list[dict[str, Any]]:
    unit, flops = ("multiplier" if curve["size"] is None else "draws"), curve["flops"]
    xs, flops = [*curve["budgets"], 2 * curve["budgets"][-1]], [*flops, 2.0 * flops[-1]]
    top = curve["accuracy"][-1] + 0.0015
    power = {"k": xs, "flops": flops, "accuracy": [top - (top - curve["accuracy"][0]) * x**-0.8 for x in xs]}
    flat = {"k": xs, "flops": flops, "accuracy": [sum(curve["accuracy"]) / len(curve["budgets"])] * len(xs)}
    for line in (power, flat):
        line["low"], line["high"] = ([a - 0.004 for a in line["accuracy"]], [a + 0.004 for a in line["accuracy"]])
    return [
        {
            "curve": curve["id"],
            "law": "power_floor",
            "formula": "A − B·k^−c",
            "unit": unit,
            "params": {
                "A": interval(top, 0.005),
                "B": interval(top - curve["accuracy"][0], 0.003),
                "c": {"value": 0.8, "low": 0.49, "high": None},
            },
            "status": "at_bound" if curve["kind"] == "ensemble" else "converged",
            "r2": 0.981,
            "rmse": 0.0007,
            "backtest_rmse": 0.0021,
            "backtest_gain_rmse": 0.0009,
            "chosen": True,
            "line": power,
        },
        {
            "curve": curve["id"],
            "law": "constant",
            "formula": "A",
            "unit": unit,
            "params": {"A": interval(flat["accuracy"][0], 0.004)},
            "status": "converged",
            "r2": None,
            "rmse": 0.0041,
            "backtest_rmse": 0.0063,
            "backtest_gain_rmse": 0.0058,
            "chosen": False,
            "line": flat,
        },
    ]


def example_summary() -> dict[str, Any]:
    """Everything `summarize` gives for a four-size zoo of three seeds."""
    members, curves, ladder = [], [], []
    for size, (n_params, flops, train_flops, accuracy) in SIZES.items():
        names = [f"{size}-s{seed}" for seed in SEEDS]
        for seed, name in zip(SEEDS, names, strict=True):
            at = accuracy + 0.0015 * (seed - 1)
            members.append(
                {
                    "name": name,
                    "size": size,
                    "seed": seed,
                    "n_params": int(n_params),
                    "flops": flops,
                    "flops_source": "counter",
                    "train_flops": train_flops,
                    "accuracy": at,
                    "low": at - 0.0056,
                    "high": at + 0.0056,
                    "uncounted": {},
                }
            )
            if size == "resnet8-w4":
                curves.append(
                    _curve(f"tta/{name}", f"TTA of {name}", "tta", size, [name], [flops], at, N_VIEWS, CEILING["tta"])
                )
        for kind, top in (("tta", N_VIEWS), ("ensemble", len(SEEDS)), ("product", N_VIEWS * len(SEEDS))):
            rise = CEILING[kind] * (1.6 - accuracy) / 0.7
            curves.append(
                _curve(f"{kind}/{size}", f"{kind} of {size}", kind, size, names, [flops], accuracy, top, rise)
            )
        ladder.append(
            {
                "size": size,
                "n_seeds": 3,
                "n_params": int(n_params),
                "flops": flops,
                "train_flops": train_flops,
                "accuracy": accuracy,
                "low": accuracy - 0.0051,
                "high": accuracy + 0.0051,
            }
        )
    everyone = [member["name"] for member in members]
    units = [member["flops"] for member in members]
    curves.append(
        _curve("ensemble/all", "ensemble of all members", "ensemble", None, everyone, units, 0.8735, 12, 0.066)
    )
    curves.append(
        _curve("product/all", "ensemble with TTA of all members", "product", None, everyone, units, 0.8735, 192, 0.0705)
    )
    members[3]["uncounted"] = {"aten::upsample_bicubic2d": 2}
    front: list[dict[str, Any]] = []
    everything = [
        {"curve": curve["id"], "k": k, "flops": f, "accuracy": a, "low": low, "high": high}
        for curve in curves
        if len(curve["members"]) > 1
        for k, f, a, low, high in zip(
            *(curve[key] for key in ("budgets", "flops", "accuracy", "low", "high")), strict=True
        )
    ]
    for point in sorted(everything, key=lambda p: (p["flops"], -p["accuracy"])):
        if not front or point["accuracy"] > front[-1]["accuracy"]:
            front.append(point)
    fitted = [curve for curve in curves if len(curve["members"]) > 1]
    return {
        "schema_version": 1,
        "kind": "ttscale-summary",
        "conventions": {
            "flops": "1 multiply-add = 2 FLOPs, measured on the real module; a draw's cost counts once.",
            "ties": "Tied best answers share the credit; a deployed decision breaks ties by the item's keyed uniform.",
            "intervals": "95% percentile bootstrap over items, 1,000 resamples shared by all curves.",
            "multiplier": "FLOPs divided by those of one plain decision of the curve's reference member.",
        },
        "run": {
            "dataset": "fashion-mnist/test",
            "n_items": 10_000,
            "n_classes": 10,
            "seed": 0,
            "analysis_seed": 0,
            "n_boot": 1000,
            "level": 0.95,
            "device": "cpu, x86_64, 2 threads",
            "versions": {"ttscale": "0.1.0", "torch": "2.15.0", "numpy": "2.4.0"},
            "command": "ttscale demo models=zoo:* draws=demo",
            "skipped_items": 0,
            "members": members,
            "variants": ["identity", "hflip", *(f"shift{i}" for i in range(14))],
        },
        "curves": curves,
        "fits": [fit for curve in fitted for fit in _fits(curve)],
        "tradeoff": {
            "ladder": ladder,
            "verdicts": [
                {
                    "at_flops": ladder[i]["flops"],
                    "big": ladder[i]["size"],
                    "small": ladder[i - 1]["size"],
                    "strategy": f"ensemble/{ladder[i - 1]['size']}",
                    "k": 3,
                    "difference": interval(d, 0.004),
                    "detectable": 0.0057,
                    "winner": winner,
                    "text": text,
                }
                for i, d, winner, text in (
                    (
                        1,
                        -0.0112,
                        "big",
                        "At 1.26 MFLOPs, one view of resnet8-w8 beats the best of the smaller sizes by 1.1 points.",
                    ),
                    (
                        2,
                        -0.0035,
                        "too close to call",
                        "At 4.9 MFLOPs, resnet8-w16 and the best of the smaller sizes are too close to call.",
                    ),
                    (
                        3,
                        0.0042,
                        "small",
                        "At 14.8 MFLOPs, three seeds of resnet8-w16 beat one resnet8-w28 by 0.4 points.",
                    ),
                )
            ],
            "exchange": [
                {
                    "small": "resnet8-w8",
                    "big": "resnet8-w16",
                    "curve": "product/resnet8-w8",
                    "train_ratio": 3.91,
                    "test_ratio": 5.2,
                    "rate": {"value": 1.21, "low": 0.91, "high": None},
                    "ten_x_training_equals": 16.2,
                    "crosses": True,
                    "share_crossing": 0.93,
                    "gap": interval(0.0031, 0.004),
                    "text": "resnet8-w8 reaches resnet8-w16 at 5.2 times its test FLOPs.",
                },
                {
                    "small": "resnet8-w4",
                    "big": "resnet8-w28",
                    "curve": "product/resnet8-w4",
                    "train_ratio": None,
                    "test_ratio": None,
                    "rate": {"value": None, "low": None, "high": None},
                    "ten_x_training_equals": None,
                    "crosses": False,
                    "share_crossing": 0.0,
                    "gap": interval(-0.031, 0.006),
                    "text": "resnet8-w4 never reaches resnet8-w28: it stays 3.1 points below.",
                },
            ],
        },
        "pareto": front,
        "plan": {
            "schema_version": 1,
            "strategy": "product/resnet8-w16",
            "kind": "product",
            "vote": "mean",
            "draws": [[f"resnet8-w16-s{seed}", view] for view in ("identity", "hflip") for seed in SEEDS],
            "k": 6,
            "members": [
                {"name": f"resnet8-w16-s{seed}", "spec": f"zoo:resnet8-w16-s{seed}", "fingerprint": "ab12"}
                for seed in SEEDS
            ],
            "seed": 0,
            "target": {"min_accuracy": 0.93},
            "confidence": 0.95,
            "reference_member": "resnet8-w16-s0",
            "n_candidates": 541,
            "chosen_on": {"n_items": 4987, "accuracy": 0.9367, "low": 0.9302, "high": 0.9431, "lower_bound": 0.9311},
            "scored_on": {"n_items": 5013, "accuracy": 0.9349, "low": 0.9281, "high": 0.9415, "lower_bound": 0.9292},
            "optimism": 0.0018,
            "flops": 2.94e7,
            "flops_worst": 2.94e7,
            "multiplier": 6.0,
            "ties": "keyed",
        },
        "plan_error": None,
        "headline": [
            "10,000 items, 12 members of 4 sizes, 16 views each.",
            "One view of resnet8-w28 is right on 92.7% of the items (92.2 to 93.2).",
            "The most accurate strategy, 48 draws of resnet8-w28, reaches 94.7% at 48 times that compute.",
            "For resnet8-w4, sixteen views add 1.0 points (0.7 to 1.3) at 16 times the compute.",
            "Three seeds voting together beat sixteen views of one seed, at a fifth of the compute.",
            "At 14.8 MFLOPs an item, three resnet8-w16 beat one resnet8-w28 by 0.4 points.",
            "At 1.26 MFLOPs an item, one resnet8-w8 beats every smaller strategy by 1.1 points.",
            "resnet8-w8 matches resnet8-w16 at 5.2 times its test compute: 10 × training equals 16 × test.",
            "A − B·k^−c is the chosen law for 14 of 14 curves.",
            "Cheapest for 93.0%: 6 draws of resnet8-w16 at 29.4 MFLOPs, 93.5% on the items it was not chosen on.",
        ],
    }


def hostile_summary() -> dict[str, Any]:
    """The example with markup, mathtext and control characters wherever data or models give a string."""
    summary = example_summary()
    nasty = NASTY
    summary["run"]["dataset"] = nasty
    summary["run"]["command"] = nasty
    summary["run"]["versions"][nasty] = nasty
    summary["run"]["members"][0]["name"] = nasty
    summary["run"]["members"][0]["uncounted"] = {nasty: 3}
    summary["headline"][0] = nasty
    summary["conventions"]["flops"] = nasty
    for rows, key in (
        (summary["curves"], "size"),
        (summary["tradeoff"]["ladder"], "size"),
        (summary["run"]["members"], "size"),
    ):
        for row in rows:
            if row[key] == "resnet8-w4":
                row[key] = nasty
    for curve in summary["curves"]:
        curve["label"] = nasty
    summary["tradeoff"]["verdicts"][0]["text"] = nasty
    summary["tradeoff"]["exchange"][0]["text"] = nasty
    summary["fits"][0]["formula"] = nasty
    summary["fits"][0]["status"] = nasty
    summary["plan"]["draws"][0][1] = nasty
    summary["plan_error"] = nasty
    return summary


def lone_summary() -> dict[str, Any]:
    """One member, one view: nothing can be compared, fitted, traded or planned."""
    summary = example_summary()
    member = {
        **summary["run"]["members"][0],
        "size": None,
        "seed": None,
        "train_flops": None,
        "n_params": 0,
        "flops": None,
    }
    curve = summary["curves"][0]
    short = {key: value[:1] if isinstance(value, list) else value for key, value in curve.items()}
    missing = {"value": None, "low": None, "high": None}
    return {
        **summary,
        "run": {
            **summary["run"],
            "members": [member],
            "variants": ["identity"],
            "command": None,
            "skipped_items": 3,
            "device": "",
        },
        "curves": [{**short, "size": None, "members": [member["name"]], "gain_per_gflop": [missing]}],
        "fits": [],
        "tradeoff": {
            "ladder": [
                {
                    "size": member["name"],
                    "n_seeds": 1,
                    "n_params": None,
                    "flops": member["flops"],
                    "train_flops": None,
                    "accuracy": member["accuracy"],
                    "low": member["low"],
                    "high": member["high"],
                }
            ],
            "verdicts": [],
            "exchange": [],
            "note": "One size only: there is nothing to compare.",
        },
        "pareto": [],
        "plan": None,
        "plan_error": "min_accuracy: expected at most 0.874, got 0.99.",
        "headline": ["One member, one view: 87.3% (86.7 to 87.8)."],
    }
