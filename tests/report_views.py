"""A summary of images with all that views, policies, rivals and shifts add, made by formula from the example's."""

from __future__ import annotations

import math
from typing import Any

from report_example import SIZES, example_summary, interval

N_ITEMS, N_CLASSES = 10_000, 10
NONE = {"value": None, "low": None, "high": None}
LOSS = {"clean": 0.0, "gaussian_noise 3": 0.14, "gaussian_noise 5": 0.31, "jpeg_compression 3": 0.03, "prior 20": 0.0}
KINDS = {"tta": 0.004, "ensemble": 0.012, "product": 0.014}
LEARNED = {"policy": 0.0021, "weights": 0.0012, "class_weights": -0.0006}
DIFFICULTY = (
    ("all others right", "difficulty", 7000),
    ("fewer than half wrong", "difficulty", 1600),
    ("half or more wrong", "difficulty", 900),
    ("all others wrong", "difficulty", 500),
)
TOP = {"tta": 16, "ensemble": 3, "product": 48}


def views_summary() -> dict[str, Any]:
    """Everything `summarize` and `summarize_shifts` give for a zoo of images."""
    summary = example_summary()
    for curve in summary["curves"]:
        distinct = [1 if curve["kind"] == "tta" else min(k, len(curve["members"])) for k in curve["budgets"]]
        bytes_of = 4 * SIZES[curve["size"]][0] if curve["size"] else 4e5
        curve["weight_bytes"] = [bytes_of * n for n in distinct]
        curve["seconds"] = [2e-4 + flops / 5e9 for flops in curve["flops"]]
    for rung in summary["tradeoff"]["ladder"]:
        rung.update(weight_bytes=4 * rung["n_params"], seconds=2e-4 + rung["flops"] / 5e9)
    bases = [curve for curve in summary["curves"] if curve["kind"] == "tta" and "-s" not in curve["id"]]
    learned = [_learned(curve, kind) for curve in bases for kind in LEARNED]
    learned.append(_learned(next(c for c in summary["curves"] if c["id"] == "product/resnet8-w8"), "policy"))
    summary["curves"] += [curve for curve, _ in learned]
    summary["policies"] = [entry for _, entry in learned]
    summary["rivals"] = _rivals(summary)
    pair = ["resnet8-w4-s0", "resnet8-w28-s0"]
    subset = {**next(curve for curve in summary["curves"] if curve["id"] == "ensemble/resnet8-w8"), "size": None}
    subset |= {"id": "ensemble/pair", "label": "ensemble of the pair", "subject": "+".join(pair), "members": pair}
    summary["curves"].append(subset)
    summary["ensembles"] = [{
        "curve": "ensemble/pair", "k": 2, "members": pair, "views": 1, "flops": 1.513e7, "accuracy": 0.9301,
        "low": 0.9251, "high": 0.9351, "against": pair[1:], "gain": interval(0.0029, 0.0011), "detectable": 0.0016,
        "best": {"member": pair[1], "accuracy": 0.9272},
    }]  # fmt: skip
    summary["plan"].update(kind="weights", weights=[0.3, 0.1, 0.1, 0.2, 0.2, 0.1], temperature=1.27)
    return {**summary, **_scores(summary), **_groups(), "shifts": _shifts()}


def _learned(base: dict[str, Any], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    part = "" if base["kind"] == "tta" else f"/{base['kind']}"
    name, gain = f"{kind}/{base['size']}{part}", LEARNED[kind]
    more = {
        key: [a + gain * (1 - 1 / k) for a, k in zip(base[key], base["budgets"], strict=True)]
        for key in ("accuracy", "low", "high")
    }
    curve = {**base, **more, "id": name, "label": f"{kind} of {base['size']}", "kind": kind}
    order = ["identity", "shift3", "hflip", *(f"shift{i}" for i in range(14) if i != 3)]
    fallback = base["size"] == "resnet8-w4" and kind == "class_weights"
    weights = {"policy": None, "weights": [0.2, 0.2, 0.15, *([0.45 / 13] * 13)], "class_weights": [[1 / 16] * 10] * 16}
    entry = {
        "curve": name, "kind": kind, "of": base["kind"], "against": base["id"], "size": base["size"],
        "member": f"{base['size']}-s0", "budgets": base["budgets"], "order": order, "weights": weights[kind],
        "weights_k": 16, "counts": None, "optimism": [0.0011] * len(base["budgets"]),
        "gain": [{"k": k, "against_k": k + 1, **interval(gain * (1 - 1 / k), 0.001)} for k in base["budgets"]],
        "temperature": 1.31,
        "temperatures": None, "n_labels": N_ITEMS,
        "note": "160 weights need 1,600 labels, and a half has 900: equal weights" if fallback else "",
        "halves": [order, [*order[:2], *reversed(order[2:])]],
    }  # fmt: skip
    return curve, entry


def _rivals(summary: dict[str, Any]) -> list[dict[str, Any]]:
    rung = summary["tradeoff"]["ladder"][2]
    made = (("int8", -0.0008, 0.26), ("soup of 3", 0.004, 1.0))
    return [
        {
            **rung, "size": f"resnet8-w16 {what.split()[0]}", "of": "resnet8-w16", "what": what,
            "accuracy": rung["accuracy"] + more, "low": rung["low"] + more, "high": rung["high"] + more,
            "weight_bytes": rung["weight_bytes"] * share,
        }
        for what, more, share in made
    ]  # fmt: skip


def _scores(summary: dict[str, Any]) -> dict[str, Any]:
    quality = [
        {
            "curve": f"tta/{size}", "k": k, "calibrated": calibrated, "temperature": 1.42 if calibrated else None,
            "accuracy": interval(top + 0.004 * (k > 1), 0.005), "top5": interval(0.998, 0.001),
            "nll": interval(0.31 - 0.04 * calibrated - 0.02 * (k > 1), 0.012), "brier": interval(0.12, 0.006),
            "ece": interval(0.041 - 0.03 * calibrated, 0.004),
        }
        for size, (_, _, _, top) in SIZES.items()
        for k in (1, 16)
        for calibrated in (False, True)
    ]  # fmt: skip
    comparisons = [
        {
            "a": f"product/{size}", "k_a": 48, "label_a": f"48 draws of {size}", "b": f"tta/{size}", "k_b": 1,
            "flops_a": 48 * SIZES[size][1], "flops_b": SIZES[size][1],
            "label_b": f"one view of {size}-s0", "difference": interval(0.014, 0.003), "fixed": 311, "broken": 171,
            "p": 1.9e-10, "p_adjusted": 0.00038, "detectable": 0.0041, "nll_difference": interval(-0.023, 0.004),
            "calibrated_nll_difference": interval(-0.021, 0.004), "fixed_ids": ["0", "7"], "broken_ids": ["3"],
            "text": f"48 draws of {size} against one view: 311 decisions fixed, 171 broken.",
        }
        for size in SIZES
    ]  # fmt: skip
    equivalents = [
        {
            "curve": f"tta/{size}", "k": 16, "ensemble": f"ensemble/{size}", "metric": metric,
            "members_of": None if beyond else size,
            "members": {**NONE, "low": 2.7} if beyond else interval(1.4, 0.2), "beyond": beyond, "n_members": 3,
            "flops": 16 * SIZES[size][1], "share_beyond": 0.9 * beyond,
            "text": f"16 views of {size} are worth more than 3 members." if beyond else "",
        }
        for size, beyond in (("resnet8-w4", True), ("resnet8-w28", False))
        for metric in ("nll", "accuracy")
    ]  # fmt: skip
    return {"quality": quality, "comparisons": comparisons, "equivalents": equivalents}


def _groups() -> dict[str, Any]:
    return {"breakdown": _breakdown(), "breakdown_note": "Difficulty: the share of the other members that err."}


def _breakdown() -> list[dict[str, Any]]:
    groups = [*((f"class {i}", "class", N_ITEMS // N_CLASSES) for i in range(N_CLASSES)), *DIFFICULTY]
    rows = []
    for size, (_, _, _, top) in SIZES.items():
        for kind, gain in KINDS.items():
            for i, (group, by, n) in enumerate(groups):
                more, plain = gain * (1.5 + math.sin(2.0 * i + len(size))), top - 0.01 * i
                rows.append({
                    "curve": f"{kind}/{size}", "k": TOP[kind], "by": by, "group": group, "n_items": n,
                    "plain": interval(plain, 0.02), "spent": interval(plain + more, 0.02),
                    "gain": interval(more, 0.9 / math.sqrt(n)),
                })  # fmt: skip
    return rows


def _shifts() -> dict[str, Any]:
    rows = [
        {
            "shift": shift, "size": size, "kind": kind, "curve": f"{kind}/{size}", "k": TOP.get(kind, 16),
            "n_items": N_ITEMS, "plain": interval(top - loss, 0.006),
            "spent": interval(top - loss + gain * (1 + 5 * loss), 0.006),
            "gain": interval(gain * (1 + 5 * loss), 0.003 + 0.01 * loss),
            "learned_on": "clean" if kind in LEARNED else None, "detectable": 0.0041,
            "minus_clean": interval(5 * gain * loss, 0.004) if loss else None,
            "over_collected": interval(-0.0123, 0.004) if kind in LEARNED else None,
            "collected_k": {"policy": 13, "weights": 16}.get(kind),
        }
        for shift, loss in LOSS.items()
        for size, (_, _, _, top) in SIZES.items()
        for kind, gain in {**KINDS, "policy": 0.006, "weights": 0.005}.items()
    ]  # fmt: skip
    hard = [row for row in _breakdown() if row["by"] == "difficulty"]
    return {
        "order": list(LOSS), "rows": rows, "note": "every shift is analysed by itself", "text": ["Views gain +1."],
        "breakdown": [{**row, "shift": shift} for shift in ("clean", "gaussian_noise 3") for row in hard],
    }  # fmt: skip


def hostile_views_summary(nasty: str) -> dict[str, Any]:
    """The same with a foreign string wherever data, models or users give one."""
    summary = views_summary()
    for entry in summary["policies"]:
        entry.update(member=nasty, note=nasty, order=[nasty, *entry["order"][1:]])
    for row in summary["ensembles"]:
        row.update(members=[nasty, "b"], best={"member": nasty, "accuracy": 0.9})
    summary["curves"][-1].update(members=[nasty, "b"], subject=f"{nasty}+b")
    for row in summary["rivals"]:
        row.update(what=nasty, size=nasty)
    for row in summary["comparisons"]:
        row.update(label_a=nasty, text=nasty)
    for row in (*summary["breakdown"], *summary["shifts"]["breakdown"]):
        row["group"] = nasty if row["group"] == "class 3" else row["group"]
    for row in (*summary["shifts"]["rows"], *summary["shifts"]["breakdown"]):
        row["shift"] = nasty if row["shift"] == "gaussian_noise 3" else row["shift"]
    shifts = {"order": [name if name != "gaussian_noise 3" else nasty for name in LOSS], "note": nasty, "text": [nasty]}
    summary["equivalents"][0]["curve"] = summary["quality"][0]["curve"] = nasty
    return {**summary, "breakdown_note": nasty, "shifts": {**summary["shifts"], **shifts}}
