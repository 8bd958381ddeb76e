"""``verify``: a score for every draw of text, from a function or from another language model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from ttscale.collecting.checks import check_whole
from ttscale.collecting.environment import pick_device, torch_threads
from ttscale.collecting.members import generator_for
from ttscale.collecting.progress import bar
from ttscale.draws.prompts import Prompt
from ttscale.errors import TtscaleError
from ttscale.models.callable_key import callable_key
from ttscale.models.language import LanguageModel
from ttscale.records.files import write_json, write_table
from ttscale.records.grading import draw_columns
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.schema import SCORES, filled
from ttscale.records.store import add_derived, hold
from ttscale.records.text_folder import LOG_PROB_SCORES

Verifier = Callable[[str, str], float | tuple[float, float]] | LanguageModel

PROMPT = (
    "Question: {question}\nProposed solution: {text}\n\nIs the proposed solution correct? Answer yes or no.\nAnswer:"
)


@dataclass(frozen=True)
class Scorer:
    """A verifier at work.

    Attributes:
        key: names the verifier and all that decides its scores.
        judge: scores and FLOPs, ``float64 [pair]`` each, of (question, text) pairs and the items that they belong to.
    """

    key: str
    judge: Callable[[Sequence[tuple[str, str]], Sequence[str] | None], tuple[np.ndarray, np.ndarray]]

    def score(
        self, pairs: Sequence[tuple[str, str]], items: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and FLOPs, ``float64 [pair]`` each, of (question, text) pairs.

        Args:
            items: id of each pair's item, for errors; default: none are named.

        Raises:
            TtscaleError: a verifier that raises or gives something else than a finite number, or a pair that does not
                fit in its context.
        """
        return self.judge(pairs, items)


def verify(
    records: Records | str | Path,
    verifier: Verifier,
    name: str,
    *,
    prompt: str = PROMPT,
    batch_size: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    progress: bool = True,
) -> Records:
    """Score every draw, for votes that weigh or choose by ``name``; kept in ``scores/<name>.parquet``.

    Texts of an item that are equal are scored once, and each draw is charged what its score costs by itself. A run that
    was killed goes on at its last complete block of items.

    Args:
        records: of text, in a folder (or its path).
        verifier: ``verifier(question, text)``, which gives a score, the higher the better, or (score, FLOPs): without
            FLOPs it counts as free; or a local language model, whose score is its probability of "yes" against "no".
        name: of the score; letters, digits, ``_``, ``-`` and dots.
        prompt: what a language model is asked, with ``{question}`` and ``{text}``.
        batch_size, device, dtype, threads: of a language model, as in :func:`ttscale.collect`.

    Raises:
        TtscaleError: Records of vision or without questions, a name that is taken by another score, a verifier that
            raises or gives something else than a finite number, or a draw that does not fit in its context (item
            named).
    """
    given = records if isinstance(records, Records) else read_records(records)
    check_whole(threads=threads)
    _check(given, name)
    assert given.path is not None
    with torch_threads(threads):
        scorer = scorer_for(verifier, prompt=prompt, batch_size=batch_size, device=device, dtype=dtype)
        whole = _scored(given.path, scorer, name, progress)
    if whole.n_items == given.n_items:
        return whole
    position = {item_id: i for i, item_id in enumerate(whole.item_ids)}
    return whole.take([position[item_id] for item_id in given.item_ids])


def scorer_for(
    verifier: Verifier, *, prompt: str = PROMPT, batch_size: int | None = None, device: str = "auto",
    dtype: str = "auto",
) -> Scorer:  # fmt: skip
    """The verifier as something that scores many texts at once.

    Raises:
        TtscaleError: neither a function nor a local language model, or a prompt without ``{question}`` or ``{text}``.
    """
    if isinstance(verifier, LanguageModel):
        if not isinstance(prompt, str):
            raise TtscaleError("prompt", expected="text", got=repr(prompt), fix="Ask about {question} and {text}.")
        if missing := [part for part in ("{question}", "{text}") if part not in prompt]:
            raise TtscaleError("prompt", expected="{question} and {text}", got=f"none of {missing}", fix="Add them.")
        key = json.dumps(["yes-probability", verifier.fingerprint(), prompt, dtype])
        engine: Any = generator_for(verifier, seed=0, device=pick_device(device), batch_size=batch_size, dtype=dtype)
        chat = bool(verifier.tokenizer.chat_template)

        def ask(pairs: Sequence[tuple[str, str]], items: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
            return engine.yes_probability([_question(prompt, *pair, chat) for pair in pairs], labels=items)

        return Scorer(key, ask)
    if not callable(verifier):
        raise TtscaleError(
            "verifier", expected="a function of (question, text), or a local language model",
            got=type(verifier).__name__, fix="A served model gives no probabilities of its own: wrap it in a function.",
        )  # fmt: skip

    def call(pairs: Sequence[tuple[str, str]], items: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
        names = [f" of item {item!r}" for item in items] if items is not None else [""] * len(pairs)
        both = np.array([_call(verifier, *pair, name) for pair, name in zip(pairs, names, strict=True)]).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    return Scorer(callable_key(verifier), call)


def _question(prompt: str, question: str, text: str, chat: bool) -> Prompt:
    """What stands before the first value is the same for all. Values are put in once: braces in them stay."""
    first = min(prompt.index("{question}"), prompt.index("{text}"))
    values = {"question": question, "text": text}
    own = re.sub(r"\{(question|text)\}", lambda found: values[found[1]], prompt[first:])
    return Prompt(prompt[:first], own, chat)


def _call(verifier: Callable[[str, str], Any], question: str, text: str, where: str) -> tuple[float, float]:
    try:
        given = verifier(question, text)
        score, flops = given if isinstance(given, tuple) else (given, 0.0)
        score, flops = float(score), float(flops)
    except Exception as error:  # the user's function may raise anything
        raise _unusable(question, text, where, f"{type(error).__name__}: {error}") from error
    if flops < 0:
        raise TtscaleError(
            "verifier", expected="FLOPs of at least 0", got=f"{flops:g}{where}", fix="Give what a score costs."
        )
    if not np.isfinite(score):
        raise _unusable(question, text, where, str(score))
    return score, flops


def _unusable(question: str, text: str, where: str, got: str) -> TtscaleError:
    return TtscaleError(
        "verifier", expected=f"a finite number for {text[:60]!r} as the answer to {question[:60]!r}{where}", got=got,
        fix="Make it return one for every text, empty ones too.",
    )  # fmt: skip


def _check(records: Records, name: str) -> None:
    texts = records.outcome == "text" and records.texts([0]) is not None
    if not texts or records.questions is None or records.path is None:
        raise TtscaleError(
            "records", expected="Records on disk of texts and their questions", got=f"Records of {records.outcome}"
            + ("" if records.path else " in memory") + ("" if records.questions is not None else " without questions"),
            fix="Collect a language model on Problems.",
        )  # fmt: skip
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name in LOG_PROB_SCORES:
        raise TtscaleError(
            "name", expected="a name of letters, digits, _, - and dots that no score has", got=repr(name),
            fix="Give for example name='judge'.",
        )  # fmt: skip


def _scored(folder: Path, scorer: Scorer, name: str, progress: bool) -> Records:
    path = f"scores/{name}.parquet"
    records = read_records(folder, verify=False)
    if path not in {shard.path for shard in records.manifest.shards}:
        lock = hold(folder)
        try:
            _score(folder, scorer, name, progress, lock)
        finally:
            lock.release()
        records = read_records(folder, verify=False)
    else:
        _same_verifier(pq.read_schema(folder / path).metadata[b"verifier"].decode(), scorer, name, folder / path)
    return records


def _score(folder: Path, scorer: Scorer, name: str, progress: bool, lock: FileLock) -> None:
    """All blocks of items that are still without scores, then their table; the folder is held meanwhile."""
    records = read_records(folder, verify=False)
    path = f"scores/{name}.parquet"
    parts = folder / "scores" / f"{name}.parts"
    about = parts / "verifier.json"
    if about.is_file():
        _same_verifier(json.loads(about.read_text())["verifier"], scorer, name, parts)
    tables = []
    with bar("items", records.n_items, progress, title="verify") as advance:
        for number, items in enumerate(records.blocks()):
            file = parts / f"b{number:05d}.parquet"
            if not file.is_file():
                table = _block(records, scorer, items)
                if not about.is_file():  # a verifier that fails at once does not claim the name
                    write_json(about, {"verifier": scorer.key})
                write_table(file, table)
            tables.append(pq.read_table(file))
            advance(items.stop - items.start)
    whole = pa.concat_tables(tables).unify_dictionaries().replace_schema_metadata({"verifier": scorer.key})
    add_derived(folder, "scores", {path: whole}, lock=lock)
    shutil.rmtree(parts)


def _block(records: Records, scorer: Scorer, items: slice) -> pa.Table:
    at = np.arange(records.n_items)[items]
    texts = records.texts(at)
    assert texts is not None and records.questions is not None
    asked = [(i, text or "") for i, row in zip(at, texts, strict=True) for text in row]  # "": there is no such draw
    pairs = [(str(records.questions[i]), text) for i, text in asked]
    owners = [str(records.item_ids[i]) for i, _ in asked]
    owner: dict[tuple[str, str], str] = {}
    for pair, item in zip(pairs, owners, strict=True):
        owner.setdefault(pair, item)
    once = {pair: number for number, pair in enumerate(owner)}
    scores, flops = scorer.score(list(once), list(owner.values()))
    which = np.array([once[pair] for pair in pairs])
    columns = {**draw_columns(records.item_ids[at], records.text_draws()), "score": scores[which],
               "flops": flops[which]}  # fmt: skip
    return filled(columns, SCORES)


def _same_verifier(before: str, scorer: Scorer, name: str, where: Path) -> None:
    if before != scorer.key:
        raise TtscaleError(
            "name", expected=f"the verifier that the score {name!r} was begun with", got="another one",
            fix=f"Choose another name, or delete {where}.",
        )  # fmt: skip
