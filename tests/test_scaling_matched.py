"""Rungs of sizes and budgets, training noise, and verdicts at matched FLOPs."""

import math
import re
from functools import partial
from itertools import product

import numpy as np
import pytest
from scaling_example import log_softmax, make_records

from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.intervals.bootstrap import bootstrap_means
from ttscale.scaling.intervals.crossfit import Contest
from ttscale.scaling.intervals.halves import folds
from ttscale.scaling.strategy import by_rung, kin, rivals
from ttscale.scaling.surfaces.fit_surface import fit_surface
from ttscale.scaling.tradeoff import joint
from ttscale.scaling.tradeoff.entrants import Entrants
from ttscale.scaling.tradeoff.ladder import climb
from ttscale.scaling.tradeoff.matched import default_budgets, matched
from ttscale.scaling.tradeoff.seed_noise import seed_noise
from ttscale.scaling.tradeoff.tradeoff import tradeoff

SETTINGS = {"vote": "mean", "ci": 0.95, "n_boot": 200, "seed": 0}
BUDGETS = {"u1": (1000, 4), "e1": (4000, 1), "e4": (4000, 4)}


def grid(n=400, sizes=(4, 8), seeds=2, views=3, budgets=BUDGETS, seed=0, cards=None):
    """Sizes under training budgets: different items × epochs; more of any is right more often."""
    rng = np.random.default_rng(seed)
    labels, ease = rng.integers(0, 4, n), rng.normal(1.0, 1.0, n)
    log_probs, flops, known = {}, {}, {}
    for w in sizes:
        for budget, (unique, epochs) in budgets.items():
            for s in range(seeds):
                x = rng.normal(size=(n, 1, 4)) + 0.7 * rng.normal(size=(n, views, 4))
                x[np.arange(n), :, labels] += (ease + 0.02 * w + 0.1 * math.log(unique * epochs / 4000))[:, None]
                name = f"w{w}-{budget}-s{s}"
                log_probs[name], flops[name] = log_softmax(x).astype(np.float32), 1e3 * w**2
                known[name] = {
                    "size": f"w{w}", "budget": budget, "seed": s, "n_train": unique, "recipe": {"epochs": epochs},
                    "train_flops": 3e3 * w**2 * unique * epochs, **(cards or {}),
                }  # fmt: skip
    return Records.from_arrays(log_probs, labels, flops=flops, cards=known)


def entrants_of(records):
    rungs, options = climb([records], **SETTINGS)
    made = [rung for rung in rungs if rung.of]
    return Entrants.of([rung for rung in rungs if not rung.of], made, options)


def with_rivals(records, **cards):
    """The Records with further members, copies of w4-e1-s0 with cards of their own."""
    log_probs = {m.name: records.log_probs(m.name) for m in records.members}
    known = {m.name: dict(m.card) for m in records.members}
    flops = {m.name: m.flops for m in records.members}
    for name, card in cards.items():
        log_probs[name], known[name], flops[name] = log_probs["w4-e1-s0"], card, flops["w4-e1-s0"]
    return Records.from_arrays(log_probs, records.labels, cards=known, flops=flops)


def test_rungs_are_sizes_under_budgets():
    records = grid(60)
    groups = by_rung(records.members)
    assert list(groups) == ["w4-u1", "w4-e1", "w4-e4", "w8-u1", "w8-e1", "w8-e4"]  # by FLOPs, then training
    assert [m.name for m in groups["w8-e1"]] == ["w8-e1-s0", "w8-e1-s1"]
    rungs, options = climb([records], **SETTINGS)
    assert [(r.name, r.size, r.budget, r.unique, r.epochs, r.n_seeds) for r in rungs[:2]] == [
        ("w4-u1", "w4", "u1", 1000, 4, 2), ("w4-e1", "w4", "e1", 4000, 1, 2),
    ]  # fmt: skip
    assert [o.curve.name for o in options if o.rung == "w4-e1"] == ["tta/w4-e1", "ensemble/w4-e1", "product/w4-e1"]
    plain = records.log_probs("w4-e1-s1")[:, 0].argmax(axis=1) == records.labels
    assert rungs[1].of_seeds[1] == pytest.approx(plain.mean())


def test_a_rival_is_of_a_rung_or_of_a_size_under_its_own_budget():
    by_size = {"size": "w4 soup", "of": "w4", "budget": "e1"}
    records = with_rivals(grid(40), soup=by_size, student={"size": "w4 student", "of": "w8-e4"}, odd={"of": "w16"})
    assert rivals(records.members) == {"w4 soup-e1": "w4-e1", "w4 student": "w8-e4"}
    assert kin(records.members, ["soup"]) == {"soup", "w4-e1-s0", "w4-e1-s1"}


def test_seed_noise_of_independent_errors_is_none_and_of_lucky_trainings_theirs():
    rng = np.random.default_rng(0)
    ease = rng.beta(6, 2, 4000)
    independent = [rng.random((3, 4000)) < ease for _ in range(30)]
    lucky = [rng.random((3, 4000)) < np.clip(ease + 0.01 * rng.normal(size=(3, 1)), 0, 1) for _ in range(30)]
    items_alone = np.mean([one.mean(axis=1).std(ddof=1) for one in independent])
    assert np.mean(seed_noise(independent)) < items_alone / 2
    assert np.mean(seed_noise(lucky)) == pytest.approx(0.01, rel=0.25)
    single = rng.random((1, 4000)) < ease
    assert seed_noise([single, lucky[0]])[0] > 0 and np.isnan(seed_noise([single])).all()
    assert seed_noise([np.ones((2, 9)), *lucky])[0] == 0


def test_seed_noise_by_hand():
    """Two seeds, right on 6 and 8 of 10 items: the variance is 0.02, of which items explain 0.1 / 10 each way."""
    credits = np.array([[1] * 6 + [0] * 4, [1] * 8 + [0] * 2], dtype=float)
    excess = 0.02 - 0.1 / 10
    assert seed_noise([credits]) == [pytest.approx(math.sqrt(excess))]  # alone, a rung's own is the common one
    calm = np.array([[1] * 5 + [0] * 5, [0] * 5 + [1] * 5], dtype=float)  # variance 0, of which items explain 0.5 / 10
    own, other = excess / 0.21**2, -0.05 / 0.25**2
    expected = 0.21 * math.sqrt(max(0.0, (4 * (own + other) / 2 + own) / 5))
    assert seed_noise([credits, calm])[0] == pytest.approx(expected)
    copied = seed_noise([credits, calm, credits, credits], [False, False, True, True])
    assert copied == [pytest.approx(expected), *seed_noise([credits, calm])[1:], *2 * [pytest.approx(expected)]]
    assert np.isnan(seed_noise([credits[:1], credits], [False, True])).all()


def test_a_contest_chooses_as_a_loop_does():
    entrants = entrants_of(grid(120))
    contest = entrants.contest
    fold = folds(contest.curves[0].item_ids, None, 10, seed=0)
    allowed = entrants.within(1.5e5, 1e9)
    chosen = contest.choose(allowed)
    for number in range(10):
        best = max(
            (round(curve.credit[row][fold != number].mean(), 12), -curve.flops[row], -position, -row)
            for position, option in enumerate(entrants.options)
            for curve in [option.curve]
            for row in range(len(curve.budgets))
            if curve.flops[row] <= 1.5e5 and option.train_flops[row] <= 1e9
        )
        found = chosen[number]
        assert (-contest.of[found], -contest.row[found]) == best[2:] and contest.flops[found] == -best[1]


def test_matched_verdicts_by_hand():
    entrants = entrants_of(grid(300))
    contest = entrants.contest
    fold = folds(contest.curves[0].item_ids, None, 10, seed=0)
    for found in matched(entrants, [5e4, 7e4, 4e5]):
        credit, rival = np.empty(300), np.empty(300)
        for number in range(10):
            on = fold != number
            ranked = sorted(
                (-round(contest.curves[i].credit[row][on].mean(), 12), position)
                for position, (i, row) in enumerate(zip(contest.of, contest.row, strict=True))
                if contest.flops[position] <= found.at_flops
            )
            first = ranked[0][1]
            second = next(position for _, position in ranked if entrants.ways[position] != entrants.ways[first])
            for out, position in ((credit, first), (rival, second)):
                out[~on] = contest.curves[contest.of[position]].credit[contest.row[position]][~on]
        assert found.difference.value == pytest.approx((credit - rival).mean())
        assert found.accuracy.value == pytest.approx(credit.mean())
        assert found.best.flops <= found.at_flops and found.runner_up.flops <= found.at_flops
        assert found.best.words in found.text and found.runner_up.words in found.text
        sign = "best" if found.difference.low > 0 else "runner-up" if found.difference.high < 0 else "too close to call"
        assert found.winner == sign and ("too close to call" in found.text) == (sign == "too close to call")


def test_budgets_that_change_nothing_are_told_together():
    entrants = entrants_of(grid(150))
    apart = matched(entrants, default_budgets(entrants.contest.flops))
    together = matched(entrants)
    assert len(apart) == 8 > len(together) and together[0].up_to > together[0].at_flops
    for one in together:
        same = [other for other in apart if one.at_flops <= other.at_flops <= one.up_to]
        assert {other.choices for other in same} == {one.choices} and same[0].difference == one.difference
        assert one.text.startswith("From " if len(same) > 1 else "At ")
    assert sum(len([o for o in apart if one.at_flops <= o.at_flops <= one.up_to]) for one in together) == 8


def test_the_runner_up_is_another_size_or_strategy():
    entrants = entrants_of(grid(150))
    for found in matched(entrants):
        if found.runner_up is None:
            words = r"(At|From 16 kFLOPs to) \d+ kFLOPs per item, one view of w4-\w+ is best: .*; no other size"
            assert re.match(words, found.text)
            continue
        one, other = (entrants.rungs[pick.rung].size for pick in (found.best, found.runner_up))
        assert one != other or found.best.curve.split("/")[0] != found.runner_up.curve.split("/")[0]
        same = found.best.rung == found.runner_up.rung
        assert ("both rest on the same 2 trained models" in found.text) == same
    alone = entrants_of(grid(150, sizes=(4,)))
    (found,) = matched(alone, [1.7e4])
    assert {found.best.rung, found.runner_up.rung} <= {"w4-u1", "w4-e1", "w4-e4"}  # of one size: of another budget


def test_a_limit_of_training_counts_every_member():
    entrants = entrants_of(grid(150))
    one = 3e3 * 8**2 * 16000  # a model of w8-e4
    tight, loose = matched(entrants, [1e6], [1.5 * one, math.inf])
    assert tight.at_training == 1.5 * one and tight.best.train_flops <= 1.5 * one < 2 * one
    assert not (tight.best.rung == "w8-e4" and tight.best.curve.startswith(("ensemble", "product")))
    assert "and at most 4.61 GFLOPs of training," in tight.text and math.isinf(loose.at_training)
    (nothing,) = matched(entrants, [1e6], [1.0])
    assert nothing.best is None and nothing.winner == "" and "there is nothing" in nothing.text
    (cheap,) = matched(entrants, [1.0])
    assert cheap.best is None and math.isnan(cheap.accuracy.value)


def test_training_noise_widens_what_is_between_rungs_alone():
    entrants = entrants_of(grid(200))
    contest = entrants.contest
    by_name = {contest.choice(i): i for i in range(len(contest.of))}
    at = {(choice.curve, choice.k): i for choice, i in by_name.items()}
    one, same, other = at["tta/w8-e4", 1], at["tta/w8-e4", 3], at["tta/w4-e1", 1]
    rungs = entrants.rungs
    assert entrants.noise([one], [same]) == 0
    expected = math.sqrt((rungs["w8-e4"].seed_sd ** 2 + rungs["w4-e1"].seed_sd ** 2) / 2)  # two seeds each
    assert entrants.noise([one], [other]) == pytest.approx(expected)
    assert entrants.noise([one, one], [other, same]) == pytest.approx(expected / math.sqrt(2))  # of two folds
    credit, rival = (contest.curves[contest.of[i]].credit[contest.row[i]] for i in (one, other))
    bare, _ = contest.difference(credit, rival)
    wide, smallest = contest.difference(credit, rival, noise=0.1)
    sd = bootstrap_means((credit - rival)[None], n_boot=200)[:, 0].std()
    assert wide.value == bare.value and wide.high - wide.low > 2 * (bare.high - bare.low)
    assert smallest == pytest.approx((1.96 + 0.8416) * math.hypot(sd, 0.1), rel=0.2)
    assert "training seeds" in wide.method and "training seeds" not in bare.method


def test_equal_seeds_make_a_verdict_of_the_true_one_at_its_nominal_rate():
    """Two rungs of truly equal accuracy, whose one seed each was lucky: intervals hold 0 as often as they say."""
    held = bare_held = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        ease = rng.beta(6, 3, 300)
        seeds = [rng.random((3, 300)) < np.clip(ease + 0.06 * rng.normal(size=(3, 1)), 0, 1) for _ in range(2)]
        sd = seed_noise(seeds)
        means = [one.mean(axis=0) for one in seeds]
        curve = climb_curve(means)
        contest = Contest.among([(curve, np.arange(2))])
        noise = math.hypot(*(one / math.sqrt(3) for one in sd))
        wide, _ = contest.difference(means[0], means[1], noise=noise)
        bare, _ = contest.difference(means[0], means[1])
        held += wide.low <= 0 <= wide.high
        bare_held += bare.low <= 0 <= bare.high
    assert held >= 130 > bare_held


def test_the_noise_of_training_is_in_every_comparison_of_two_rungs():
    """Two sizes that are truly alike under each of three budgets: verdicts and gaps find a winner as seldom as they
    say, through the whole of ``tradeoff``. Without the noise of training half of them do. The bigger one costs half as
    much again, in training too, so that one draw is all that there is against it."""
    verdicts, gaps = [], []
    for number in range(12):
        rng = np.random.default_rng(number)
        labels, ease = rng.integers(0, 2, 1500), rng.normal(1.2, 1.0, 1500)
        log_probs, cards, flops = {}, {}, {}
        for size, budget, s in product(("a", "b"), ("u1", "u2", "u3"), range(3)):
            x = rng.normal(size=(1500, 1, 2))
            x[np.arange(1500), :, labels] += (ease + 0.15 * rng.normal())[:, None]
            name = f"{size}-{budget}-{s}"
            log_probs[name], flops[name] = log_softmax(x).astype(np.float32), 1e3 if size == "a" else 1.5e3
            cards[name] = {"size": size, "budget": budget, "seed": s, "train_flops": 1e9 * flops[name]}
        records = Records.from_arrays(log_probs, labels, flops=flops, cards=cards)
        found = tradeoff(records, laws=False, n_boot=200, seed=number)
        verdicts += [one.winner != "too close to call" for one in found.verdicts]
        gaps += [one.gap.excludes_zero for one in found.exchange if one.curve.startswith("ensemble/")]
    assert len(verdicts) == len(gaps) == 36
    assert sum(verdicts) <= 5 and sum(gaps) <= 5  # at 5 % of 36 more than 5 have a chance of 1 in 100


def climb_curve(rows):
    from scaling_example import curve_with

    return curve_with(np.array(rows), n_boot=100)


def test_rivals_with_further_training_take_part_at_one_draw():
    soup = {"size": "w4 soup", "of": "w4", "budget": "e1", "how": "soup of 2", "train_flops": 1e12}
    int8 = {"size": "w4 int8", "of": "w4", "budget": "e1", "how": "int8", "train_flops": 3e3 * 16 * 4000}
    records = with_rivals(grid(150), soup=soup, int8=int8)
    found = tradeoff(records, n_boot=100, budgets=[1.7e4])
    assert {rung.name for rung in found.rivals} == {"w4 soup-e1", "w4 int8-e1"}
    entrants = Entrants.of(found.ladder, found.rivals, found.options)
    of_rivals = [entrants.contest.choice(i) for i in range(len(entrants.ways)) if entrants.rung(i).of]
    assert [(choice.curve, choice.k) for choice in of_rivals] == [("tta/w4 soup-e1", 1)]
    good = {"soup": dict(soup)}
    log_probs = {m.name: records.log_probs(m.name) for m in grid(150).members}
    best = np.full((150, 3, 4), -10.0)
    best[np.arange(150), :, records.labels] = 0
    log_probs["soup"] = log_softmax(best).astype(np.float32)
    cards = {m.name: dict(m.card) for m in grid(150).members} | good
    flops = {name: 1e3 * (16 if name.startswith(("w4", "soup")) else 64) for name in log_probs}
    won = tradeoff(Records.from_arrays(log_probs, records.labels, cards=cards, flops=flops), n_boot=100)
    assert all(one.best.rival and one.winner == "best" for one in won.matched)
    assert "one view of w4 soup-e1 (soup of 2) beats" in won.matched[-1].text
    (point,) = won.front
    assert point.rival and point.train_flops == 1e12 and point.accuracy == 1


def test_the_front_is_told_honestly():
    """Among equals, what looks best on all items is no better on others."""
    optimism = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 3, 150)
        log_probs = {f"m{i}": log_softmax(rng.normal(size=(150, 2, 3))) for i in range(10)}
        found = tradeoff(Records.from_arrays(log_probs, labels, flops={f"m{i}": 1e6 + i for i in range(10)}), n_boot=50)
        last = found.front[-1]
        assert [p.flops for p in found.front] == sorted(p.flops for p in found.front)
        assert last.accuracy == max(curve.accuracy.max() for curve in found.curves)
        optimism.append(last.accuracy - last.honest.value)
    assert np.mean(optimism) > 0.02


def test_exchange_along_size_and_along_each_axis_of_data():
    found = tradeoff(grid(150), n_boot=60)
    pairs = {(one.small, one.big) for one in found.exchange}
    sizes = {(f"w4-{budget}", f"w8-{budget}") for budget in BUDGETS}
    data = {(f"w{w}-{less}", f"w{w}-e4") for w in (4, 8) for less in ("u1", "e1")}  # more items, more epochs
    assert pairs == sizes | data
    assert {verdict.big for verdict in found.verdicts} == {"w8-u1", "w8-e1", "w8-e4"}
    assert all(verdict.small.split("-")[1] == verdict.big.split("-")[1] for verdict in found.verdicts)


@pytest.mark.parametrize("sizes", [(4, 8), (4,)])
def test_longer_training_that_answers_for_less_is_still_the_longer(sizes):
    """Answers of text are as long as they are: the less trained model may cost a little more, and stand after."""
    records = grid(60, sizes=sizes)
    dear = {"u1": 1.005, "e1": 1.1, "e4": 1.0}
    found = tradeoff(
        Records.from_arrays(
            {m.name: records.log_probs(m.name) for m in records.members}, records.labels,
            flops={m.name: m.flops * dear[m.card["budget"]] for m in records.members},
            cards={m.name: dict(m.card) for m in records.members},
        ), n_boot=50, laws=False,
    )  # fmt: skip
    pairs = {(one.small, one.big) for one in found.exchange}
    assert {(f"w{w}-{less}", f"w{w}-e4") for w in sizes for less in ("u1", "e1")} <= pairs
    assert not [big for small, big in pairs if small.endswith("e4") and big.startswith(small[:2])]
    assert {one.big for one in found.verdicts} == {f"w8-{budget}" for budget in BUDGETS if 8 in sizes}


def test_a_size_is_bigger_by_its_parameters_or_else_by_its_cost():
    def pairs(flops, n_params):
        records = make_records(40, sizes=("s8", "s16"), seeds=1)
        cards = {m.name: {**m.card, "n_params": n_params.get(m.card["size"], 0)} for m in records.members}
        values = {m.name: records.log_probs(m.name) for m in records.members}
        costs = {m.name: flops[m.card["size"]] for m in records.members}
        found = tradeoff(Records.from_arrays(values, records.labels, flops=costs, cards=cards), n_boot=50, laws=False)
        return {(one.small, one.big) for one in found.exchange}, [one.big for one in found.verdicts]

    parameters = {"s8": 100, "s16": 200}
    assert pairs({"s8": 2.0, "s16": 1.9}, parameters) == ({("s8", "s16")}, [])  # nothing cheaper to set against it
    assert pairs({"s8": 1.0, "s16": 1.005}, {}) == (set(), [])
    assert pairs({"s8": 1.0, "s16": 1.1}, {}) == ({("s8", "s16")}, ["s16"])


def test_parameters_stand_in_for_unknown_training():
    records = grid(120, cards={"train_flops": None, "n_params": 0})
    cards = {m.name: {**m.card, "n_params": 100 * int(m.card["size"][1:]) ** 2} for m in records.members}
    values = {m.name: records.log_probs(m.name) for m in records.members}
    flops = {m.name: m.flops for m in records.members}
    found = tradeoff(Records.from_arrays(values, records.labels, cards=cards, flops=flops), n_boot=60, laws=False)
    assert (
        found.axis == "n_params"
        and found.ladder[0].n_params == 1600
        and "parameters stand in for them" in " ".join(found.notes)
    )
    crossing = [one for one in found.exchange if one.crosses and not math.isnan(one.rate.value)]
    assert crossing and all(one.axis == "n_params" and "training FLOPs" not in one.text for one in crossing)
    alone = [one for one in crossing if one.curve.startswith("tta/")]
    assert all(one.train_ratio == pytest.approx(4) for one in alone)  # (8 / 4)²
    pair = [one for one in found.exchange if one.curve.startswith("ensemble/") and one.crosses]
    assert all(one.train_ratio in (pytest.approx(4), pytest.approx(2)) for one in pair)  # both members count
    neither = tradeoff(records, n_boot=60)
    assert neither.axis == "train_flops" and "nor the parameters of all" in " ".join(neither.notes)


def test_what_one_size_or_one_budget_cannot_tell_is_said():
    one_size = tradeoff(grid(80, sizes=(4,)), n_boot=50)
    assert "All members are of one size (w4)" in " ".join(one_size.notes) and one_size.verdicts == ()
    assert {(one.small, one.big) for one in one_size.exchange} == {("w4-u1", "w4-e4"), ("w4-e1", "w4-e4")}
    one_budget = tradeoff(grid(80, budgets={"e4": (4000, 4)}), n_boot=50)
    assert "trained under one budget (e4)" in " ".join(one_budget.notes) and len(one_budget.verdicts) == 1
    lucky = tradeoff(grid(80, seeds=1), n_boot=50)
    assert "one training seed" in " ".join(lucky.notes) and math.isnan(lucky.ladder[0].seed_sd)
    unnamed = tradeoff(make_records(80), n_boot=50)
    assert unnamed.notes == () and [rung.name for rung in unnamed.ladder] == ["s8", "s16"]


def test_budgets_in_equal_ratios():
    assert default_budgets(np.array([1.0, 128.0])) == [1, 2, 4, 8, 16, 32, 64, 130]
    assert default_budgets(np.array([5.0])) == [5]


def test_laws_come_with_lines_and_lifetimes(monkeypatch):
    monkeypatch.setattr(joint, "fit_surface", partial(fit_surface, law="additive_draws"))  # one law is enough here
    records = grid(2000, sizes=(2, 4, 8), seeds=1, views=2, budgets={"u1": (500, 4), "u2": (2000, 4), "u3": (8000, 4)})
    cards = {m.name: {**m.card, "n_params": 100 * int(m.card["size"][1:]) ** 2} for m in records.members}
    values = {m.name: records.log_probs(m.name) for m in records.members}
    told = []
    found = tradeoff(
        Records.from_arrays(values, records.labels, cards=cards, flops={m.name: m.flops for m in records.members}),
        n_boot=60, queries=[1e5], errors=[0.45, 0.5], total_flops=[1e10], on_progress=told.append,
    )  # fmt: skip
    (answer,) = found.laws
    assert (answer.joint.kind, answer.joint.axis) == ("tta", "unique") and len(answer.joint.rungs) == 9
    assert "No rung has two training seeds" in answer.joint.text
    assert told == sorted(told) and told[-1] == 1 and max(np.diff(told)) < 0.9
    assert [line.error for line in answer.contours] == [0.45, 0.5]
    assert [(one.queries, one.wanted) for one in answer.lifetimes[:2]] == [(1e5, 0.45), (1e5, 0.5)]
    assert len(answer.lifetimes) == 3 and math.isnan(answer.lifetimes[2].wanted)
    bare = tradeoff(records, n_boot=60, laws=False)
    assert bare.laws == () and [m.text for m in bare.matched] == [m.text for m in found.matched]


def test_a_ladder_in_several_records_is_one_ladder():
    whole = grid(100)
    parts = []
    for size in ("w4", "w8"):
        names = [m.name for m in whole.members if m.card["size"] == size]
        parts.append(Records.from_arrays(
            {n: whole.log_probs(n) for n in names}, whole.labels, flops={n: whole.member(n).flops for n in names},
            cards={n: whole.member(n).card for n in names},
        ))  # fmt: skip
    one, several = tradeoff(whole, n_boot=60), tradeoff(parts[::-1], n_boot=60)
    assert [rung.name for rung in several.ladder] == [rung.name for rung in one.ladder]
    assert [m.text for m in several.matched] == [m.text for m in one.matched]
    assert sorted(e.text for e in several.exchange) == sorted(e.text for e in one.exchange)


@pytest.mark.parametrize(("given", "message"), [
    ({"budgets": [0.0]}, "budgets: expected a list of positive numbers, got 0.0"),
    ({"budgets": [math.nan]}, "budgets: "), ({"budgets": [math.inf]}, "budgets: "), ({"budgets": 1e6}, "budgets: "),
    ({"queries": [-1.0]}, "queries: "), ({"queries": [math.inf]}, "queries: "), ({"queries": [True]}, "queries: "),
    ({"errors": [0.0]}, "errors: "), ({"total_flops": [math.nan]}, "total_flops: "),
    ({"train_flops": [-1.0]}, "train_flops: "), ({"train_flops": ["1e9"]}, "train_flops: "),
])  # fmt: skip
def test_bad_input(given, message):
    with pytest.raises(TtscaleError, match=message):
        tradeoff(grid(40), n_boot=50, **given)
