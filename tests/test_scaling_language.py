"""Language: strategies, curves over exchangeable samples, costs, coverage, plans."""

import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from text_example import graded_of, make_text_records, samples_of

from ttscale.errors import TtscaleError
from ttscale.records.graded import TextDraw
from ttscale.records.records import Records
from ttscale.scaling import sampled
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.curves.coverage import coverage_curve, pass_at_k
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.fits.fit_law import fit_law
from ttscale.scaling.planning.candidates import candidates, plan_votes
from ttscale.scaling.planning.plan import plan
from ttscale.scaling.planning.planned import load_plan
from ttscale.scaling.strategy import Strategy
from ttscale.scaling.summaries.summary import summarize
from ttscale.scaling.summaries.words import draws_words, kind_words, option_words
from ttscale.scaling.tradeoff.tradeoff import tradeoff


@pytest.fixture(scope="module")
def records():
    return make_text_records()


def first_right(answers):
    """``correct [item, answer]`` in which answer 0 is right."""
    correct = np.zeros((len(answers), max(1, np.max(answers) + 1)), bool)
    correct[:, 0] = True
    return correct


def test_strategies(records):
    assert sampled.main_decoding(records) == "T0.8"
    assert sampled.samples(records, "big").draws == tuple(TextDraw("big", "plain", "T0.8", s) for s in range(12))
    assert sampled.greedy(records, "big").draws == (TextDraw("big", "plain", "greedy", 0),)
    assert [d.variant for d in sampled.variants(records, "big").draws] == ["plain", "order1"]
    mixed = sampled.mixture(records, "small", decoding="T1.2").draws
    assert [(d.variant, d.sample) for d in mixed] == [(v, s) for s in range(4) for v in ("plain", "order1")]
    team = sampled.ensemble(records, ["small", "big"])
    assert [d.member for d in team.draws] == ["small", "big"] * 12 and team.name == "ensemble/small+big/T0.8"
    names = [s.name for s in candidates(records, votes=("plurality", "weighted:judge"))]
    assert len(set(names)) == len(names) == 2 * 6 + 3
    assert {"greedy/big", "samples/big/T1.2", "samples/big/T0.8/weighted:judge", "ensemble/all/T0.8"} <= set(names)
    assert names[-1] == "quotas/all/T0.8"
    assert plan_votes(records) == (
        "plurality", "weighted:mean_logprob", "weighted:self_certainty", "weighted:judge"
    )  # fmt: skip


def test_shares_hold_at_every_budget(records):
    draws = sampled.ensemble(records, ["small", "big"], shares={"small": 3, "big": 1}).draws
    taken = np.cumsum([draw.member == "small" for draw in draws])
    budgets = np.arange(1, len(draws) + 1)
    assert (np.abs(taken - 0.75 * budgets) <= 0.5 + 1e-9).all()
    assert taken[-1] == 12 and len(draws) == 16  # the small member's samples are used up
    alone = sampled.ensemble(records, ["small", "big"], shares={"small": 0, "big": 1}).draws
    assert {draw.member for draw in alone} == {"big"} and len(alone) == 12


def test_defaults(records):
    assert accuracy_curve(records, n_boot=50).name == "ensemble/all/T0.8"
    one = make_text_records(20, members=("m",))
    assert accuracy_curve(one, n_boot=50).kind == "mixture"
    plain = make_text_records(20, members=("m",), variants=("plain",))
    curve = accuracy_curve(plain, n_boot=50)
    assert (curve.name, curve.vote, curve.budgets[-1]) == ("samples/m/T0.8", "plurality", 12)


def all_orders(answers, right):
    """Credit at every k averaged over all permutations of the samples, by counting."""
    n = len(answers)
    total = np.zeros(n)
    for order in itertools.permutations(range(n)):
        counts: dict[int, int] = {}
        for k, place in enumerate(order):
            if answers[place] >= 0:
                counts[answers[place]] = counts.get(answers[place], 0) + 1
            tied = [a for a, count in counts.items() if count == max(counts.values())]
            total[k] += sum(a == right for a in tied) / len(tied) if tied else 0.0
    return total / math.factorial(n)


def test_a_budget_is_the_mean_over_which_samples_it_takes():
    answers = np.array([[0, 0, 1, 1, 2, -1], [1, 0, 1, 0, 1, 0], [2, 1, 1, 3, -1, -1]])
    curve = accuracy_curve(samples_of(answers, first_right(answers)), n_boot=50)
    exact = np.array([all_orders(row, 0) for row in answers]).T
    np.testing.assert_allclose(curve.credit, exact, atol=1e-11)


def test_samples_as_numbered():
    answers = np.array([[1, 0, 0], [0, 1, 1]])
    curve = accuracy_curve(samples_of(answers, first_right(answers)), n_boot=50, orders=0)
    assert curve.credit.tolist() == [[0, 1], [1 / 2, 1 / 2], [1, 0]]


def test_orders_follow_the_items_not_their_places(records):
    order = np.random.default_rng(0).permutation(records.n_items)
    for strategy in (
        sampled.samples(records, "big", vote="weighted:judge"),
        sampled.ensemble(records, ["big", "small"]),
    ):
        whole, moved = (accuracy_curve(r, strategy, n_boot=50) for r in (records, records.take(order)))
        assert np.array_equal(moved.credit, whole.credit[:, order])
        some = accuracy_curve(records, strategy, n_boot=50, budgets=[1, 5, 12])
        assert np.array_equal(some.credit, whole.credit[[0, 4, 11]])


def test_same_samples_whatever_else_was_collected(records):
    """Another decoding or member in the same Records changes no order of this one's samples."""
    graded = records.graded()
    kept = [i for i, draw in enumerate(graded.draws) if draw.member == "big" and draw.decoding == "T0.8"]
    draws = [graded.draws[i] for i in kept]
    alone = Records.from_graded(
        graded_of(graded.answers[:, kept], graded.correct, draws), item_ids=records.item_ids.tolist()
    )
    strategy = sampled.samples(records, "big")
    a, b = (accuracy_curve(r, strategy, n_boot=50) for r in (records, alone))
    assert np.array_equal(a.credit, b.credit)


def test_costs_by_hand():
    answers = np.zeros((2, 3), int)
    flops, tokens = [[1.0, 2.0, 3.0], [4.0, 4.0, 10.0]], [[1, 2, 3], [3, 3, 6]]
    judged = {"scores": {"judge": np.ones((2, 3))}, "score_flops": {"judge": np.full((2, 3), 100.0)}}
    given = samples_of(answers, first_right(answers), flops=flops, tokens=tokens, prompt=10.0, prefix=1.0, **judged)
    curve = accuracy_curve(given, n_boot=50)
    assert curve.flops.tolist() == [11 + 4, 11 + 8, 11 + 12]  # mean draws of 2 and 6
    assert curve.flops_worst.tolist() == [12 + 10, 12 + 14, 12 + 18]  # the second item alone, its costliest first
    assert curve.tokens.tolist() == [3, 6, 9]
    assert accuracy_curve(given, n_boot=50, vote="weighted:judge").flops.tolist() == [115, 219, 323]
    assert curve.multiplier.tolist() == [1, 19 / 15, 23 / 15] and curve.unit == "one sample"
    apart = samples_of(answers, first_right(answers), flops=flops, prompt=10.0, prefix=0.0, prefill="per_sample")
    assert accuracy_curve(apart, n_boot=50).flops.tolist() == [14, 28, 42]


def test_a_prompt_is_paid_once_a_variant_and_the_unit_is_a_greedy_answer(records):
    graded = records.graded()
    columns = {pool: held for pool, held in graded.pools.items() if pool[0] == "big"}
    greedy = 21e6 + graded.flops[:, columns["big", "plain", "greedy"]].mean()
    curve = accuracy_curve(records, sampled.mixture(records, "big"), n_boot=50)
    own = [graded.flops[:, columns["big", variant, "T0.8"]].mean() for variant in ("plain", "order1")]
    expected = [21e6 + own[0], 42e6 + sum(own), 42e6 + sum(own) + own[0]]
    np.testing.assert_allclose(curve.flops[:3], expected)
    np.testing.assert_allclose(curve.multiplier[:3], np.array(expected) / greedy)
    assert (curve.unit, curve.reference_member) == ("one greedy answer", "big")
    assert accuracy_curve(records, sampled.greedy(records, "big"), n_boot=50).multiplier.tolist() == [1]


def test_draws_of_one_token_cost_nothing_more(records):
    graded = replace(records.graded(), flops=np.zeros(records.graded().flops.shape))
    records = Records.from_graded(graded)
    chosen = plan(records, max_flops=30e6, votes=["plurality"], n_boot=100)
    found = summarize(records, law="constant", n_boot=100)
    assert chosen.flops == 21e6 and chosen.multiplier == 1
    assert [rung["flops"] for rung in found["tradeoff"]["ladder"]] == [21e6, 21e6]
    assert not any("nan" in line for line in found["headline"])
    free = samples_of([[0, 0]] * 9, [[True]] * 9, flops=np.zeros((9, 2)), prompt=0.0, prefix=0.0)
    with pytest.raises(TtscaleError, match="known FLOPs of every draw"):
        plan(free, max_flops=1e9)


def test_conventions_say_over_how_many_items_a_beginning_was_spread(records):
    found = summarize(records, law="constant", n_boot=50)
    assert "begin with it, here 120 items: a share" in found["conventions"]["flops"]


def test_pass_at_k_against_rational_arithmetic():
    n, c, ks = 10_000, 27, [1, 10, 100, 1000, 10_000]
    exact = [float(1 - Fraction(math.comb(n - c, k), math.comb(n, k))) for k in ks]
    np.testing.assert_allclose(pass_at_k(n, c, ks), exact, rtol=1e-12)
    small = [[float(1 - Fraction(math.comb(6 - c, k), math.comb(6, k))) for k in range(1, 7)] for c in range(7)]
    np.testing.assert_allclose(pass_at_k(6, np.arange(7)[:, None], np.arange(1, 7)), small, atol=1e-15)
    assert np.isnan(pass_at_k(6, 3, 7)) and pass_at_k(6, 3, 4) == 1
    assert not np.signbit(pass_at_k(5, 0, [1, 5])).any()
    for n, c, k in (
        (0, 0, 1), (3, 4, 1), (3, -1, 1), (3, 1, 0), (5, 2.5, 1), ("5", 1, 1), (5, 1, None), (5, True, 1),
        (5, [1, 2], [1, 2, 3]), ([5, 6], [1, 2, 3], 1),
    ):  # fmt: skip
        with pytest.raises(TtscaleError, match="0 ≤ c ≤ n"):
            pass_at_k(n, c, k)


def test_coverage_of_a_mixture_equals_all_choices_of_samples():
    """Two pools of 3 and 4 samples, taken by turns: every choice of samples is enumerated."""
    rng = np.random.default_rng(5)
    draws = [TextDraw("m", v, "T1", s) for v, n in (("plain", 3), ("order1", 4)) for s in range(n)]
    answers = rng.integers(-1, 3, (5, 7))
    given = Records.from_graded(graded_of(answers, first_right(answers), draws))
    curve = coverage_curve(given, sampled.mixture(given, "m", decoding="T1"), n_boot=50)
    assert len(curve.budgets) == 6 and curve.name == "mixture/m/T1/coverage"
    for k in range(1, 7):
        one, two = -(-k // 2), k // 2
        picks = list(itertools.product(
            itertools.combinations(range(3), one), itertools.combinations(range(3, 7), two)
        ))  # fmt: skip
        expected = [np.mean([(row[[*a, *b]] == 0).any() for a, b in picks]) for row in answers]
        np.testing.assert_allclose(curve.credit[k - 1], expected, atol=1e-12)


def test_items_of_equal_coverage_agree_whatever_their_numbers_of_samples():
    """Half of 4, of 6, of 8 and of 10 right: 1 − e^x rounds, but pass@1 is .5 for all, and the interval Wilson's."""
    n = np.repeat([4, 6, 8, 10], 5)
    drawn = np.arange(10) < n[:, None]
    answers = np.where(drawn, np.arange(10) % 2, -1)
    given = samples_of(answers, np.tile([True, False], (20, 1))).graded()
    records = Records.from_graded(replace(given, drawn=drawn, n_tokens=np.where(drawn, 5, 0)))
    one, other = (make(records, n_boot=50, budgets=[1]).at(1) for make in (coverage_curve, accuracy_curve))
    assert one.low == other.low < 0.5 < one.high == other.high
    assert one.method == other.method == "Wilson's score interval over 20 items, which all agree"


def test_vote_and_coverage(records):
    strategy = sampled.samples(records, "small", vote="weighted:judge")
    vote, covered = accuracy_curve(records, strategy, n_boot=100), coverage_curve(records, strategy, n_boot=100)
    assert (vote.accuracy <= covered.accuracy + 0.01).all() and (np.diff(covered.accuracy) >= 0).all()
    assert covered.accuracy[0] == pytest.approx(vote.accuracy[0]) and covered.vote == "coverage"
    plurality = accuracy_curve(records, sampled.samples(records, "small"), n_boot=100)
    assert covered.flops.tolist() == plurality.flops.tolist() != vote.flops.tolist()


def local_and_served(n=60):
    """Two members, of which the second is served and tells no log-probabilities."""
    graded = make_text_records(n).graded()
    served = np.array([draw.member == "big" for draw in graded.draws])
    scores = {name: np.where(served, np.nan, values) for name, values in graded.scores.items()}
    return Records.from_graded(replace(graded, scores=scores))


def test_a_member_without_log_probs_takes_no_votes_from_another():
    records = local_and_served()
    whole = make_text_records(60)
    for vote in ("weighted:mean_logprob", "best:self_certainty"):
        curve = accuracy_curve(records, sampled.samples(records, "small", vote=vote), n_boot=50)
        same = accuracy_curve(whole, sampled.samples(whole, "small", vote=vote), n_boot=50)
        assert np.array_equal(curve.credit, same.credit)
    names = [s.name for s in candidates(records, votes=plan_votes(records))]
    assert "samples/small/T0.8/weighted:mean_logprob" in names and "ensemble/all/T0.8" in names
    assert not [name for name in names if "weighted" in name and "small" not in name]
    assert plan(records, min_accuracy=0.3, n_boot=50).k >= 1
    votes = summarize(records, n_boot=50)["language"]["votes"]
    assert {row["vote"] for row in votes if row["member"] == "small"} >= {"best:sum_logprob", "weighted:sum_logprob"}
    assert {row["vote"] for row in votes if row["member"] == "big"} <= {"plurality"}
    with pytest.raises(TtscaleError, match="a known score 'mean_logprob' of every draw that answers"):
        accuracy_curve(records, sampled.samples(records, "big", vote="weighted:mean_logprob"), n_boot=50)
    nobody = records.graded()
    nobody = Records.from_graded(replace(nobody, scores={"judge": np.full(nobody.answers.shape, np.nan)}))
    assert plan_votes(nobody) == ("plurality",)
    with pytest.raises(TtscaleError, match="a known score 'judge'"):
        plan(nobody, min_accuracy=0.3, votes=("plurality", "weighted:judge"), n_boot=50)


def test_an_item_without_any_answer_scores_nothing():
    answers = np.full((40, 4), -1)
    none = samples_of(answers, np.zeros((40, 0)))
    curve = accuracy_curve(none, n_boot=50)
    assert curve.accuracy.tolist() == [0] * 4 and none.graded().abstained == 160
    assert coverage_curve(none, n_boot=50).accuracy.tolist() == [0] * 4
    answers[:20] = 0
    assert accuracy_curve(samples_of(answers, np.ones((40, 1))), n_boot=50).accuracy.tolist() == [0.5] * 4


def test_laws_are_in_draws_and_costs_go_on_at_the_price_of_a_sample(records):
    curve = accuracy_curve(records, sampled.samples(records, "big"), n_boot=100)
    fit = fit_law(curve, "power_floor")
    assert fit.unit == "draws"
    step = curve.flops[-1] - curve.flops[-2]
    assert fit.flops_at(np.array([14.0]))[0] == pytest.approx(curve.flops[-1] + 2 * step)
    assert fit.k_at(float(curve.flops[-1] + 2 * step)) == pytest.approx(14)
    assert fit_law(coverage_curve(records, n_boot=100), "power_floor").unit == "draws"


def test_verdicts_at_matched_flops(records):
    found = tradeoff(records, n_boot=100)
    assert [rung.name for rung in found.ladder] == ["small", "big"]
    big = accuracy_curve(records, sampled.greedy(records, "big"), n_boot=100)
    assert found.ladder[1].accuracy.value == big.accuracy[0] and found.ladder[1].flops == big.flops[0]
    (verdict,) = found.verdicts
    option = next(c for c in found.curves if c.name == verdict.strategy)
    assert option.flops[option.row(verdict.k)] <= big.flops[0]
    assert "one greedy answer of big" in verdict.text and option_words(option, verdict.k) in verdict.text
    assert {curve.name for curve in found.curves} == {
        f"{kind}/{size}{decoding}"
        for kind, decoding in (("greedy", ""), ("samples", "/T0.8"), ("mixture", "/T0.8"))
        for size in ("small", "big")
    }


def test_where_one_sample_is_too_dear_the_smaller_model_answers_greedily():
    """Its greedy answers are short, its samples long: at the cost of the bigger one's greedy answer only one fits."""
    draws = [
        TextDraw(m, "plain", d, s) for m in ("small", "big") for d, n in (("greedy", 1), ("T1", 3)) for s in range(n)
    ]
    answers = np.random.default_rng(0).integers(0, 2, (40, 8))
    flops = np.tile([1.0, 9.0, 9.0, 9.0, 2.0, 18.0, 18.0, 18.0], (40, 1))
    records = Records.from_graded(graded_of(answers, first_right(answers), draws, flops=flops))
    (verdict,) = tradeoff(records, n_boot=50).verdicts
    assert (verdict.strategy, verdict.k) == ("greedy/small", 1)


def test_words(records):
    curve = accuracy_curve(records, sampled.samples(records, "big", vote="best:judge"), n_boot=50)
    assert kind_words(curve) == "samples of big (T0.8) under the best:judge vote"
    assert option_words(curve, 8) == "8 samples of big (T0.8) under the best:judge vote"
    assert option_words(curve, 1) == "one sample of big (T0.8)"
    mixed = accuracy_curve(records, sampled.mixture(records, "big"), n_boot=50)
    assert option_words(mixed, 6) == "6 samples of big (T0.8) over its prompt variants"
    assert draws_words(sampled.mixture(records, "big").draws[:4], "plurality") == (
        "4 samples of big (T0.8) over 2 prompt variants"
    )
    assert draws_words(sampled.greedy(records, "big").draws, "plurality") == "one greedy answer of big"
    team = sampled.ensemble(records, ["small", "big"], shares={"small": 3, "big": 1}, kind="quotas", subject="all")
    assert draws_words(team.draws[:8], "plurality") == "8 samples: 6 of small, 2 of big (T0.8)"
    words = option_words(accuracy_curve(records, team, n_boot=50), 8)
    assert words == "8 samples of all members (T0.8) at equal compute each"


def test_a_plan_is_made_saved_and_loaded(records, tmp_path):
    chosen = plan(records, min_accuracy=0.45, n_boot=200)
    strategy = next(s for s in candidates(records, votes=plan_votes(records)) if s.name == chosen.strategy)
    assert chosen.draws == strategy.draws[: chosen.k] and isinstance(chosen.draws[0], TextDraw)
    assert chosen.outcome == "text" and [one["id"] for one in chosen.decodings] == ["T0.8"]
    curve = accuracy_curve(records, strategy, n_boot=200)
    row = curve.row(chosen.k)
    assert (chosen.flops, chosen.tokens) == (curve.flops[row], curve.tokens[row])
    assert chosen.unit == "one greedy answer"
    assert load_plan(chosen.save(tmp_path)) == chosen
    value = json.loads((tmp_path / "plan.json").read_text())
    assert value["draws"][0] == [*strategy.draws[0]] and value["outcome"] == "text"
    (tmp_path / "plan.json").write_text(json.dumps({**value, "vote": "mean"}))
    with pytest.raises(TtscaleError, match="under the vote 'mean'"):
        load_plan(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps({**value, "draws": [draw[:2] for draw in value["draws"]]}))
    with pytest.raises(TtscaleError, match="missing or wrong part"):
        load_plan(tmp_path)


def test_unknown_flops(tmp_path):
    records = make_text_records(flops=False)
    curve = accuracy_curve(records, n_boot=50)
    assert np.isnan(curve.flops).all() and np.isnan(curve.multiplier).all() and (np.diff(curve.tokens) > 0).all()
    with pytest.raises(TtscaleError, match="known FLOPs of every draw"):
        plan(records, max_flops=1e9)
    with pytest.raises(TtscaleError, match="known FLOPs of every draw"):
        tradeoff(records)
    chosen = plan(records, min_accuracy=0.4, n_boot=100)
    assert math.isnan(chosen.flops) and math.isnan(load_plan(chosen.save(tmp_path)).flops)
    reaching = []
    for strategy in candidates(records, votes=plan_votes(records)):
        other = accuracy_curve(records, strategy, n_boot=100)
        reaching += other.tokens[other.accuracy > 0.6].tolist()  # far above the target: surely good enough
    assert chosen.tokens <= min(reaching)


def test_what_a_variant_buys_is_a_paired_difference(records):
    samples, mixed = (
        accuracy_curve(records, make(records, "big"), n_boot=100) for make in (sampled.samples, sampled.mixture)
    )
    difference = paired_difference(mixed, 8, samples, 8)
    assert difference.value == pytest.approx((mixed.credit[7] - samples.credit[7]).mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: accuracy_curve(r, vote="mean"), "got 'mean'"),
        (lambda r: accuracy_curve(r, vote="weighted:juge"), "Did you mean weighted:judge"),
        (lambda r: accuracy_curve(r, orders=-1), "a whole number of random orders"),
        (lambda r: accuracy_curve(r, orders=2.5), "a whole number of random orders"),
        (lambda r: accuracy_curve(r, budgets=[1, 99]), "from 1 to the 24 draws"),
        (lambda r: accuracy_curve(r, Strategy("x", "x", (("big", "plain"),), "plurality")), "strategy: "),
        (lambda r: sampled.samples(r, "bigg"), "Did you mean big"),
        (lambda r: sampled.samples(r, "big", decoding="T0.7"), "Did you mean T0.8"),
        (lambda r: sampled.samples(r, "big", variant="order2"), "Did you mean order1"),
        (lambda r: sampled.ensemble(r, ["big", "small"], shares={"big": 1}), "a share of at least 0 for each of"),
        (lambda r: sampled.ensemble(r, ["big", "small"], shares={"big": 0, "small": 0}), "not all 0"),
        (lambda r: sampled.ensemble(r, ["big", "big"]), "different member names"),
        (lambda r: coverage_curve("runs/x"), "expected Records"),
        (lambda r: coverage_curve(r, n_boot=3), "n_boot"),
        (lambda r: plan(r, min_accuracy=0.5, votes=("plurality", "mean")), "got 'mean'"),
        (lambda r: plan(r, min_accuracy=0.5, votes=3), r"a list of votes, got 3. Give for example \['plurality'\]"),
        (lambda r: plan(r, min_accuracy=0.5, votes="best:judge"), r"Give for example \['best:judge'\]"),
        (lambda r: accuracy_curve(r, vote="mean"), "Known: .*best:judge"),
        (lambda r: summarize(r, vote="mean"), "Known: .*best:judge"),
        (lambda r: plan("runs/x", min_accuracy=0.5), r"got str. Open the folder first: ttscale.read_records\('runs/x'"),
        (lambda r: summarize(Path("runs/x")), "Open the folder first"),
        (lambda r: accuracy_curve("runs/x"), "Open the folder first"),
    ],
)
def test_bad_input(records, call, message):
    with pytest.raises(TtscaleError, match=message):
        call(records)


def test_vision_is_not_language():
    images = Records.from_arrays({"m": np.log(np.full((8, 2, 2), 0.5))}, np.zeros(8, int))
    with pytest.raises(TtscaleError, match="Records of a language model"):
        coverage_curve(images)
    with pytest.raises(TtscaleError, match="got 'weighted:judge'"):
        accuracy_curve(images, vote="weighted:judge")


def test_members_with_other_golds_are_not_compared():
    a, b = (
        samples_of(np.zeros((6, 2), int), np.ones((6, 1)), member=m, golds=[g] * 6) for m, g in (("a", "1"), ("b", "2"))
    )
    with pytest.raises(TtscaleError, match="expected equal labels"):
        tradeoff([a, b])
