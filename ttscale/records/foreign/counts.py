"""Counts: a row per item with how many samples were drawn (n) and how many of them were right (c)."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import numpy as np

from ttscale.draws.keyed import SAMPLING, item_keys, uniforms
from ttscale.errors import TtscaleError
from ttscale.records.foreign.arrange import Layout
from ttscale.records.foreign.cells import Cells
from ttscale.records.foreign.columns import COUNTS, columns_of, value_at
from ttscale.records.foreign.files import is_text_table, read_rows
from ttscale.records.foreign.gather import UNKNOWN, Draw, Gathered
from ttscale.records.foreign.reading import Reading
from ttscale.records.foreign.rows import decoding_of, facts_of, item_of, source_of
from ttscale.records.graded import pool_of

_AT_ONCE = 2**22


def gather_counts(path: Path, found: Gathered, reading: Reading) -> None:
    """Add the samples of every row.

    Raises:
        TtscaleError: c above n, or either of them missing or below 0.
    """
    cells = Cells(source_of(path), is_text_table(path))
    numbered = read_rows(path, found.notes)
    first = next(numbered)
    columns = columns_of(list(first[1]), reading, COUNTS, path.name)
    for role in ("n", "c"):
        if role not in columns:
            raise TtscaleError(f"fields.{role}", expected=f"a column in {path.name}", got="none of this name",
                               fix=f"Name it: fields.{role}=COLUMN.")  # fmt: skip
    found.answers_known = False
    for line, row in chain([first], numbered):
        n, c = (cells.whole(columns[role], value_at(row, columns[role]), line) for role in ("n", "c"))
        if n is None or n < 1:
            raise cells.wrong(columns["n"], "at least one sample", n, line, "Leave items without samples out.")
        if c is None or not 0 <= c <= n:
            raise cells.wrong(columns["c"], f"from 0 to {n} right samples", c, line, "Correct n or c.")
        item = item_of(cells, columns, row, line)
        names = (
            cells.text(columns[role], value_at(row, columns[role]), line) if role in columns else None
            for role in ("member", "variant")
        )
        member, variant = next(names) or reading.member or path.name.split(".")[0], next(names) or "plain"
        tokens = None
        if "tokens" in columns:
            mean = cells.number(columns["tokens"], value_at(row, columns["tokens"]), line)
            tokens = None if mean != mean else round(mean)
        found.add_counts(Draw(
            cells.source, line, item, member, sample=0, variant=variant,
            decoding=decoding_of(cells, columns, row, line), tokens=tokens, facts=facts_of(cells, columns, row, line),
        ), n, c)  # fmt: skip


def right_of_counts(found: Gathered, places: Layout) -> np.ndarray:
    """Which samples of counts were right: ``int32 [item, draw]`` of 1 and 0, −1 where there is no draw.

    The right ones of an item are spread over its samples in a random order, keyed by its id, the model and the numbers
    of the samples.
    """
    right, c = np.full(places.rows.shape, UNKNOWN, np.int32), np.asarray(found.c)
    keys = item_keys(np.asarray(list(found.items), dtype=object)[places.kept])
    pools: dict[tuple[str, str, str], list[int]] = {}
    for column, draw in enumerate(places.draws):
        pools.setdefault(pool_of(draw), []).append(column)
    for pool, columns in pools.items():
        seed = int(item_keys([json.dumps(pool)])[0])  # models must not share their luck
        samples = np.arange(len(columns))
        step = max(1, _AT_ONCE // len(columns))
        for start in range(0, len(keys), step):
            items = slice(start, start + step)
            rows = places.rows[items, columns[0] : columns[-1] + 1]
            chance = uniforms(seed, keys[items, None], stream=SAMPLING, sample=samples)
            rank = np.where(rows < 0, 2.0, chance).argsort(axis=1).argsort(axis=1)
            right[items, columns[0] : columns[-1] + 1] = np.where(rows < 0, UNKNOWN, rank < c[rows[:, :1]])
    return right
