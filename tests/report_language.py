"""A summary of language models as `summarize` writes it, made by formula: two models, four families, 16 samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

SMALL, BIG = "smollm2-135m", "gemma3-270m"
N_ITEMS, PLAIN = 160, "one greedy answer"
FAMILIES = ("products_small", "sum_digit", "sums_two_digit", "two_steps")
VOTES = {"weighted:mean_logprob": 0.01, "weighted:self_certainty": 0.004, "best:mean_logprob": -0.02}
NONE = {"value": None, "low": None, "high": None}


def interval(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def _curve(
    name: str, kind: str, members: Sequence[str], n: int, accuracy: tuple[float, float], coverage: float,
    flops: tuple[float, float, float], *, vote: str = "plurality", decoding: str = "T0.8",
    variants: Sequence[str] = ("plain",), tokens: float = 4.1,
) -> dict[str, Any]:  # fmt: skip
    """``accuracy`` of one and of many draws; ``flops`` of the prompt, of a draw, and of the plain decision."""
    budgets, (start, top), (prompt, each, plain) = list(range(1, n + 1)), accuracy, flops
    shares = [start + (top - start) * (1 - k**-0.9) for k in budgets]
    covered = [start + (coverage - start) * (1 - k**-0.7) for k in budgets]
    half = [1.96 * math.sqrt(a * (1 - a) / N_ITEMS) for a in shares]
    cost = [prompt + each * k for k in budgets]
    gains = [
        {key: 100 * g / ((f - cost[0]) / 1e9) for key, g in interval(a - shares[0], 0.03).items()}
        for f, a in zip(cost[1:], shares[1:], strict=True)
    ]
    size = members[0] if len(members) == 1 else None
    return {
        "id": name, "label": f"{kind} of {size or 'all members'} ({decoding})", "kind": kind, "size": size,
        "members": list(members), "vote": vote, "decoding": decoding, "variants": list(variants), "budgets": budgets,
        "multiplier": [f / plain for f in cost], "reference": {"member": members[0], "plain": PLAIN, "flops": plain},
        "flops": cost, "flops_worst": [1.2 * f for f in cost], "tokens": [tokens * k for k in budgets],
        "seconds": [0.2 + 0.01 * k for k in budgets],
        "accuracy": shares, "low": [a - h for a, h in zip(shares, half, strict=True)],
        "high": [a + h for a, h in zip(shares, half, strict=True)], "gain_per_gflop": [NONE, *gains],
        "coverage": {
            "accuracy": covered, "low": [c - 0.05 for c in covered], "high": [min(1.0, c + 0.05) for c in covered],
        },
        "ceiling": interval(shares[-1], half[-1]),
    }  # fmt: skip


def _curves() -> list[dict[str, Any]]:
    curves = []
    costs = {SMALL: (3.1e9, 0.27e9, 3.3e9), BIG: (5.0e9, 0.54e9, 5.6e9)}
    shares = {SMALL: (0.62, 0.70, 0.88), BIG: (0.55, 0.66, 0.90)}
    for member, (one, many, covered) in shares.items():
        cost, name = costs[member], f"samples/{member}/T0.8"
        plain = (one + 0.04, one + 0.04)
        curves += [
            _curve(f"greedy/{member}", "greedy", [member], 1, plain, plain[0], cost, decoding="greedy"),
            _curve(name, "samples", [member], 16, (one, many), covered, cost),
            *(
                _curve(f"{name}/{vote}", "samples", [member], 16, (one, many + more), covered, cost, vote=vote)
                for vote, more in VOTES.items()
            ),
        ]
    cost, three = costs[SMALL], ["plain", "order1", "choice1"]
    dear, mixed = (3.1e9, 3.37e9, 3.3e9), (9.3e9, 0.27e9, 3.3e9)
    return [
        *curves,
        _curve(f"samples/{SMALL}/T1.2", "samples", [SMALL], 8, (0.52, 0.66), 0.88, cost, decoding="T1.2"),
        _curve(f"variants/{SMALL}/T0.8", "variants", [SMALL], 3, (0.62, 0.66), 0.80, dear, variants=three),
        _curve(f"mixture/{SMALL}/T0.8", "mixture", [SMALL], 48, (0.62, 0.73), 0.93, mixed, variants=three),
        _curve("ensemble/all/T0.8", "ensemble", [SMALL, BIG], 32, (0.62, 0.74), 0.95, (8e9, 0.4e9, 3.3e9)),
    ]


def _fits(curve: dict[str, Any], of: str) -> list[dict[str, Any]]:
    shares = curve["accuracy"] if of == "accuracy" else curve["coverage"]["accuracy"]
    last = min(1.0, shares[-1] + 0.01)
    line = {
        "k": [*curve["budgets"], 2 * curve["budgets"][-1]], "flops": [*curve["flops"], 2 * curve["flops"][-1]],
        "accuracy": [*shares, last], "low": [y - 0.04 for y in (*shares, last)],
        "high": [min(1.0, y + 0.04) for y in (*shares, last)],
    }  # fmt: skip
    common = {
        "curve": curve["id"] if of == "accuracy" else f"{curve['id']}/coverage", "of": of, "covers": curve["id"],
        "unit": "draws", "status": "converged", "rmse": 0.002, "backtest_rmse": 0.03, "backtest_gain_rmse": 0.01,
        "line": line,
    }  # fmt: skip
    power = {"A": interval(last, 0.04), "B": interval(0.1, 0.04), "c": {"value": 0.8, "low": 0.4, "high": None}}
    return [
        {**common, "law": "power_floor", "formula": "A − B·k^−c", "params": power, "r2": 0.98, "chosen": True},
        {**common, "law": "constant", "formula": "A", "params": {"A": power["A"]}, "r2": None, "chosen": False},
    ]


def _language() -> dict[str, Any]:
    votes = {"plurality": 0.0, **VOTES}
    texts = {"72": " 72", "63": " 63\n<b>x</b>", "81": None}
    return {
        "plain": {SMALL: PLAIN, BIG: PLAIN},
        "abstained": {
            SMALL: {"draws": 14720, "abstained": 177, "share": 0.012},
            BIG: {"draws": 2720, "abstained": 92, "share": 0.034},
        },
        "finish_reasons": {SMALL: {"stop": 14650, "length": 70}, BIG: {"stop": 2700, "length": 20}},
        "families": [
            {
                "family": family, "n_items": 40, "member": member, "curve": f"samples/{member}/T0.8", "k": 16,
                "plain": interval(0.75 - 0.2 * i, 0.1), "one_sample": interval(0.73 - 0.2 * i, 0.1),
                "vote": interval(0.85 - 0.2 * i, 0.1), "coverage": interval(0.97 - 0.1 * i, 0.03),
            }
            for member in (SMALL, BIG)
            for i, family in enumerate(FAMILIES)
        ],
        "votes": [
            {
                "member": member, "curve": f"samples/{member}/T0.8", "vote": vote, "k": 16, "accuracy": 0.7 + more,
                "low": 0.62 + more, "high": 0.77 + more, "flops": 7.4e9,
                "difference": interval(more, 0.02) if more else NONE, "detectable": 0.028 if more else None,
            }
            for member in (SMALL, BIG)
            for vote, more in votes.items()
        ],
        "variants": [
            {
                "member": SMALL, "variant": variant, "decoding": "T0.8", "accuracy": 0.62 + more, "low": 0.55 + more,
                "high": 0.69 + more, "difference": interval(more, 0.04) if more else NONE,
            }
            for variant, more in (("plain", 0.0), ("order1", -0.01), ("choice1", 0.02))
        ],
        "variant_worth": [
            {
                "member": SMALL, "decoding": "T0.8", "k": k, "variants": interval(0.62 + 0.015 * k, 0.06),
                "samples": interval(0.62 + 0.012 * k, 0.06), "difference": interval(0.003 * k, 0.02),
                "detectable": 0.031, "flops_variants": 9.3e9 + 0.27e9 * k, "flops_samples": 3.1e9 + 0.27e9 * k,
                "curve": f"mixture/{SMALL}/T0.8",
            }
            for k in (2, 4, 8, 16)
        ],
        "ensembles": [
            {
                "kind": kind, "members": [SMALL, BIG], "weights": {SMALL: weight, BIG: 1 - weight},
                "accuracy": accuracy, "low": accuracy - 0.07, "high": accuracy + 0.07,
                "cross_fitted": optimism is not None, "optimism": optimism,
                "difference": interval(accuracy - 0.7, 0.05) if accuracy > 0.7 else NONE,
                "detectable": 0.07 if accuracy > 0.7 else None,
            }
            for kind, weight, accuracy, optimism in (
                ("single", 1.0, 0.70, 0.004), ("uniform", 0.5, 0.74, None), ("quotas", 0.75, 0.75, None),
                ("learned", 0.64, 0.745, 0.018),
            )
        ],
        "ceiling": [{"curve": f"samples/{SMALL}/T0.8", **interval(0.69, 0.07)}],
        "examples": [
            {
                "case": "the vote repairs it", "item": "arithmetic/products_small/0007", "family": "products_small",
                "question": "8 * 9 =", "gold": "72", "member": SMALL, "draws": 16, "abstained": 1, "plain": "63",
                "answers": [
                    {"answer": answer, "count": n, "correct": answer == "72", "text": texts[answer]}
                    for answer, n in (("72", 9), ("63", 4), ("81", 2))
                ],
            },
            {
                "case": "found, and outvoted", "item": "arithmetic/sums_two_digit/0011", "family": "sums_two_digit",
                "question": "47 + 38 =", "gold": "85", "member": SMALL, "draws": 16, "abstained": 0, "plain": None,
                "answers": [
                    {"answer": "75", "count": 10, "correct": False, "text": " 75"},
                    {"answer": "85", "count": 6, "correct": True, "text": " 85"},
                ],
            },
        ],
    }  # fmt: skip


def language_summary() -> dict[str, Any]:
    """Everything `summarize` gives for two language models on arithmetic."""
    curves = _curves()
    members = [
        {
            "name": member, "size": member, "seed": None, "n_params": n_params, "flops": flops,
            "flops_source": "analytic", "train_flops": None, "accuracy": accuracy, "low": accuracy - 0.07,
            "high": accuracy + 0.07, "uncounted": {}, "plain": PLAIN, "abstained": abstained, "tokens": 4.1,
            "prompt_tokens": 61.3,
        }
        for member, n_params, flops, accuracy, abstained in (
            (SMALL, 134_515_008, 3.3e9, 0.66, 0.012), (BIG, 268_098_176, 5.6e9, 0.59, 0.034),
        )
    ]  # fmt: skip
    ladder = [
        {
            **{key: m[key] for key in ("size", "n_params", "flops", "train_flops", "accuracy", "low", "high")},
            "n_seeds": 1,
        }
        for m in members
    ]
    points = [
        {"curve": c["id"], "k": k, "flops": f, "accuracy": a, "low": low, "high": high}
        for c in curves
        for k, f, a, low, high in zip(*(c[key] for key in ("budgets", "flops", "accuracy", "low", "high")), strict=True)
    ]
    front: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda p: (p["flops"], -p["accuracy"])):
        if not front or point["accuracy"] > front[-1]["accuracy"]:
            front.append(point)
    fitted = [c for c in curves if c["kind"] != "greedy" and c["vote"] == "plurality"]
    half = {"n_items": 80, "accuracy": 0.68, "low": 0.59, "high": 0.77, "lower_bound": 0.60}
    return {
        "schema_version": 1, "kind": "ttscale-summary", "outcome": "text",
        "conventions": {
            "flops": "1 multiply-add = 2 FLOPs; the prompt once for all samples of a member and variant.",
            "ceiling": "Share of items whose plurality answer over all draws of the strategy is right.",
        },
        "run": {
            "dataset": "arithmetic", "n_items": N_ITEMS, "n_classes": None, "seed": 0, "analysis_seed": 0,
            "n_boot": 1000, "level": 0.95, "device": "cpu, x86_64, 2 threads", "versions": {"ttscale": "0.1.0"},
            "command": "ttscale sweep models=pip:smollm2-135m data=arithmetic", "skipped_items": 0,
            "members": members, "variants": ["plain", "order1", "choice1"], "decodings": ["greedy", "T0.8", "T1.2"],
            "orders": 32, "grader": "last_number-1f3a", "draws_per_item": 92, "prefill": "shared",
        },
        "curves": curves,
        "fits": [fit for curve in fitted for of in ("accuracy", "coverage") for fit in _fits(curve, of)],
        "tradeoff": {
            "ladder": ladder,
            "verdicts": [
                {
                    "at_flops": 5.6e9, "big": BIG, "small": SMALL, "strategy": f"samples/{SMALL}/T0.8", "k": 8,
                    "difference": interval(0.031, 0.05), "detectable": 0.07, "winner": "too close to call",
                    "text": "At 5.60 GFLOPs per item, 8 samples of smollm2-135m are too close to call.",
                }
            ],
            "exchange": [], "note": "Training FLOPs are not known for smollm2-135m, gemma3-270m.",
        },
        "pareto": front,
        "plan": {
            "schema_version": 1, "outcome": "text", "strategy": f"samples/{SMALL}/T0.8", "kind": "samples",
            "vote": "plurality", "draws": [[SMALL, "plain", "T0.8", sample] for sample in range(6)], "k": 6,
            "members": [{"name": SMALL, "spec": "pip:smollm2-135m", "fingerprint": "ab12"}], "seed": 0,
            "target": {"min_accuracy": 0.6}, "confidence": 0.95, "chosen_on": {**half, "accuracy": 0.71},
            "scored_on": half, "optimism": 0.03, "flops": 4.7e9, "flops_worst": 5.6e9, "multiplier": 1.4,
            "reference_member": SMALL, "tokens": 24.6, "n_candidates": 300, "ties": "keyed",
        },
        "plan_error": None,
        "headline": [
            "2 language models were sampled on 160 problems of arithmetic: 92 draws a problem and model.",
            "One greedy answer scores from 66.0% with smollm2-135m to 59.0% with gemma3-270m.",
        ],
        "language": _language(),
    }  # fmt: skip


def unpriced_summary() -> dict[str, Any]:
    """A model behind a server that tells tokens and no FLOPs: one sampled curve, nothing to fit or trade."""
    summary = language_summary()
    curve = next(c for c in summary["curves"] if c["id"] == f"samples/{SMALL}/T0.8")
    none = [None] * len(curve["budgets"])
    curve.update(flops=none, flops_worst=none, multiplier=none, seconds=none, gain_per_gflop=[NONE] * len(none))
    member = {**summary["run"]["members"][0], "flops": None, "n_params": None, "flops_source": ""}
    rung = {**summary["tradeoff"]["ladder"][0], "flops": None, "n_params": None}
    return {
        **summary, "curves": [curve], "fits": [], "pareto": [], "plan": None, "plan_error": None,
        "run": {**summary["run"], "members": [member]},
        "tradeoff": {"ladder": [rung], "verdicts": [], "exchange": [], "note": "One size only."},
        "language": {"plain": {SMALL: "one sample"}, "examples": [], "abstained": {}},
    }  # fmt: skip


def hostile_language_summary(nasty: str) -> dict[str, Any]:
    """The example with ``nasty`` wherever a model, a server or data give a string."""
    summary = language_summary()
    language = summary["language"]
    summary["run"].update(dataset=nasty, grader=nasty, decodings=[nasty], variants=[nasty])
    for curve in summary["curves"]:
        curve["label"] = nasty
    for part in ("families", "votes", "variants", "variant_worth"):
        for row in language[part]:
            row.update({key: nasty for key, value in row.items() if isinstance(value, str)})
    language["finish_reasons"] = {nasty: {nasty: 1}}
    language["abstained"] = {nasty: {"draws": 3, "abstained": 1, "share": 1 / 3}}
    language["ensembles"][0].update(kind=nasty, weights={nasty: 1.0})
    for example in language["examples"]:
        example.update(case=nasty, item=nasty, question=nasty, gold=nasty, plain=nasty, member=nasty)
        for answer in example["answers"]:
            answer.update(answer=nasty, text=f" {nasty}\n{nasty}")
    return summary
