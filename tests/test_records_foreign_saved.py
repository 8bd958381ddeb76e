"""Imported Records in memory and on disk, what a strategy takes of unequal samples, and what can be done with them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ttscale.errors import TtscaleError
from ttscale.records.grading import regrade
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.save import save_records
from ttscale.records.store import RecordsWriter
from ttscale.scaling import sampled
from ttscale.scaling.curves.curve import accuracy_curve
from ttscale.scaling.planning.candidates import compared_votes, plan_votes
from ttscale.scaling.planning.plan import plan
from ttscale.voting.votes import get_vote, vote_names


def rows_of(n_items=40, seed=0, **more):
    """Two members of unequal numbers of samples: 3 to 5 of small, and 4 of big under another decoding."""
    rng = np.random.default_rng(seed)
    return [
        {"id": f"p{i}", "model": model, "decoding": f"T{heat}", "gold": str(i), "tokens": int(rng.integers(5, 30)),
         "prediction": str(i + int(rng.integers(3) * (rng.random() > 0.6))), "completion": f"draw {i}/{s}",
         "reward": round(float(rng.random()), 3), **more}
        for i in range(n_items)
        for model, heat, n in (("small", 0.8, 3 + i % 3), ("big", 1.0, 4)) for s in range(n)
    ]  # fmt: skip


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of()))
    return path


def same(one: Records, other: Records) -> None:
    a, b = one.graded(), other.graded()
    assert a.draws == b.draws and a.texts == b.texts and a.answers_known == b.answers_known
    for name in ("answers", "correct", "n_tokens", "exists"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert np.array_equal(a.flops, b.flops, equal_nan=True) and a.scores.keys() == b.scores.keys()
    for values, others in ((a.scores, b.scores), (a.prompt_flops, b.prompt_flops), (a.prompt_tokens, b.prompt_tokens)):
        assert all(np.array_equal(values[key], others[key], equal_nan=True) for key in values)
    assert one.item_ids.tolist() == other.item_ids.tolist() and one.texts() == other.texts()
    assert one.vote_kind == other.vote_kind and one.manifest.dataset == other.manifest.dataset


@pytest.mark.parametrize(
    "options", [{}, {"scores": ["reward"], "n_params": {"small": 10, "big": 70}}, {"min_samples": 4}]
)
def test_a_folder_holds_what_was_imported(table, tmp_path, options, monkeypatch):
    monkeypatch.setattr("ttscale.records.save.ROWS_OF_A_BLOCK", 50)
    imported = read_records(table, **options)
    saved = save_records(imported, tmp_path / "out", command="ttscale import")
    same(imported, saved)
    assert saved.manifest.n_blocks > 1 and len(list(saved.blocks())) == saved.manifest.n_blocks
    same(imported.take([3, 1]), read_records(tmp_path / "out").take([3, 1]))
    stamp = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    save_records(imported, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == stamp
    with pytest.raises(TtscaleError, match=r"got a change of import.min_samples"):
        save_records(read_records(table, **{**options, "min_samples": 3}), tmp_path / "out")
    with pytest.raises(TtscaleError, match="Leave these options out"):
        read_records(tmp_path / "out", min_samples=3)


def test_a_write_that_was_stopped_goes_on(table, tmp_path, monkeypatch):
    monkeypatch.setattr("ttscale.records.save.ROWS_OF_A_BLOCK", 50)
    imported, write = read_records(table), RecordsWriter.write_text_block

    def stop(self, block, *tables):
        if block == 2:
            raise KeyboardInterrupt
        write(self, block, *tables)

    monkeypatch.setattr(RecordsWriter, "write_text_block", stop)
    with pytest.raises(KeyboardInterrupt):
        save_records(imported, tmp_path / "out")
    monkeypatch.setattr(RecordsWriter, "write_text_block", write)
    same(imported, save_records(imported, tmp_path / "out"))


def test_other_grades_of_imported_texts(table, tmp_path):
    saved = save_records(read_records(table), tmp_path / "out")
    rule = "regex:draw ([0-9]+)/"
    for again in (regrade(saved, extract=rule), regrade(read_records(table), extract=rule)):
        graded = again.graded()
        assert graded.correct[:, 0].all() and graded.answers[graded.exists].max() == 0
        assert (graded.answers[~graded.exists] == -1).all() and graded.abstained == 0
    told = [{"id": row["id"], "passed": True} for row in rows_of(3)]
    (tmp_path / "told.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    with pytest.raises(TtscaleError, match="with golds"):
        regrade(read_records(tmp_path / "told.jsonl"))


def test_a_strategy_takes_what_every_item_has(table):
    records = read_records(table, n_params=10)
    assert [len(sampled.samples(records, name).draws) for name in ("small", "big")] == [3, 4]
    assert records.manifest.dataset["notes"][0] == "Models were decoded differently: small T0.8, big T1.0."
    most = records.take([i for i in range(40) if i % 3 == 2])
    assert len(sampled.samples(most, "small").draws) == 5
    curve = accuracy_curve(records, sampled.samples(records, "small"), n_boot=100)
    graded = records.graded()
    columns = [c for c, draw in enumerate(graded.draws) if draw.member == "small"]
    right = np.take_along_axis(graded.correct, np.maximum(graded.answers, 0), 1) & (graded.answers >= 0)
    drawn = graded.exists[:, columns]
    by_hand = ((right[:, columns] & drawn).sum(1) / drawn.sum(1)).mean()  # all samples of an item count, at k = 1
    assert curve.budgets.tolist()[-1] == 3 and curve.accuracy[0] == pytest.approx(by_hand, abs=1e-12)


def counts(tmp_path, n_items=60):
    rng = np.random.default_rng(1)
    lines = [f"q{i},{n},{rng.binomial(n, rng.beta(1, 1))}" for i, n in enumerate(rng.integers(12, 20, n_items))]
    (tmp_path / "counts.csv").write_text("item,n,c\n" + "\n".join(lines) + "\n")
    return save_records(read_records(tmp_path / "counts.csv"), tmp_path / "counts")


def test_of_verdicts_a_perfect_checker_picks(tmp_path):
    records = counts(tmp_path)
    strategy = sampled.samples(records, "counts")
    assert strategy.vote == "best:correct" and strategy.name == "samples/counts/sampled"
    curve = accuracy_curve(records, n_boot=100)
    graded = records.graded()
    n, c = graded.exists.sum(1), (graded.answers == 0).sum(1)
    at_two = 1 - (n - c) * (n - c - 1) / (n * (n - 1))  # pass@2, Chen et al. 2021
    assert curve.vote == "best:correct" and curve.accuracy[1] == pytest.approx(at_two.mean(), abs=1e-12)
    assert plan_votes(records) == compared_votes(records) == ("best:correct",)
    for vote in ("plurality", "weighted:correct"):
        with pytest.raises(TtscaleError, match="since only right and wrong are known"):
            sampled.samples(records, "counts", vote=vote)
    assert vote_names("verdicts", ["reward"]) == ["best:correct", "best:reward"]
    assert get_vote("auto", "verdicts").name == "best:correct"


def test_a_plan_of_imported_samples_says_what_it_lacks(tmp_path):
    from ttscale.deploy.wrap import wrap

    records = counts(tmp_path)
    chosen = plan(records, min_accuracy=0.5, n_boot=200)
    assert chosen.k < 12 and chosen.tokens is None and chosen.imported == ("counts",)  # the fewest draws, not the most
    chosen.save(tmp_path / "plan.json")
    with pytest.raises(TtscaleError, match="lacks the models, their prompts and what checks an answer"):
        wrap(None, tmp_path / "plan.json")


def test_draws_that_do_not_exist_are_checked(table):
    graded = read_records(table).graded()
    assert Records.from_graded(graded).graded().n_draws == graded.n_draws < graded.answers.size
    gap = graded.drawn.copy()
    gap[:, 0] = False
    answered = graded.answers.copy()
    answered[~graded.drawn] = 0
    for changes, message in (
        ({"drawn": gap}, "no answer and 0 tokens where a draw does not exist"),
        ({"answers": answered}, "no answer and 0 tokens where a draw does not exist"),
        ({"drawn": graded.drawn.astype(int)}, "drawn of booleans"),
        ({"drawn": gap, "answers": np.where(gap, graded.answers, -1), "n_tokens": np.where(gap, graded.n_tokens, 0)},
         "one draw or more of each item, those that exist first"),
        ({"answers_known": False}, "of draws whose answers are unknown"),
    ):  # fmt: skip
        with pytest.raises(TtscaleError, match=message):
            Records.from_graded(replace(graded, **changes))
    some = graded.take(np.array([2, 0]))
    assert np.array_equal(some.exists, graded.exists[[2, 0]]) and np.isnan(some.tokens).sum() == 0
