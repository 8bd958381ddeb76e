"""``arithmetic:FAMILY+FAMILY``: generated problems, the same on every machine; nothing is stored.

A family is a grid of operands and a way to write one of them down. Its cases are put in order: those that the family
shows in a plain prompt, then the others in a keyed order. The first ``POOL`` are the examples of its prompts, the
following ones are the items, so that an example is never an item and the items of a smaller set are among those of a
larger one. Examples of families with several steps show the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np

from ttscale.data.arithmetic_families import FAMILIES, Case
from ttscale.data.problems import Example, Problems, Template
from ttscale.draws import keyed
from ttscale.errors import TtscaleError, unknown_name

POOL = 12
SHOTS = 5
PER_FAMILY = 60

TEMPLATES = (
    Template("plain", "{question} {answer}\n", "{question}"),
    Template("q-a", "Q: {question}\nA: {answer}\n\n", "Q: {question}\nA:"),
    Template(
        "teacher", "Problem: {question}\nSolution: {answer}\n\n", "Problem: {question}\nSolution:",
        "A teacher solves these problems without a mistake.\n\n",
    ),
    Template("one-line", "Question: {question} Answer: {answer}\n", "Question: {question} Answer:"),
)  # fmt: skip


def arithmetic(families: Sequence[str], n: int = PER_FAMILY, *, name: str | None = None) -> Problems:
    """``n`` problems of each family; item ids are ``arithmetic/FAMILY/0000`` and so on.

    Raises:
        TtscaleError: an unknown or doubled family, or more problems than a family has.
    """
    chosen = _check_families(families)
    items: list[Case] = []
    examples: list[Example] = []
    for family in chosen:
        cases = ordered_cases(family)
        if not 1 <= n <= len(cases) - POOL:
            raise TtscaleError(
                "n", expected=f"1 to {len(cases) - POOL} problems of {family}", got=str(n),
                fix="Ask for fewer, or take another family.",
            )  # fmt: skip
        examples += [Example(case.question, case.worked, family) for case in cases[:POOL]]
        items += cases[POOL : POOL + n]
    return Problems(
        name=name or f"arithmetic-{'+'.join(chosen)}",
        item_ids=tuple(f"arithmetic/{family}/{i:04d}" for family in chosen for i in range(n)),
        questions=tuple(case.question for case in items),
        golds=tuple(case.gold for case in items),
        templates=TEMPLATES,
        examples=tuple(examples),
        shots=SHOTS,
        extract="last_number",
        max_tokens=max(FAMILIES[family].max_tokens for family in chosen),
        stop=("\n",),
        families=np.repeat(np.array(chosen), n),
    )


@lru_cache(maxsize=64)
def ordered_cases(family: str) -> tuple[Case, ...]:
    """All cases of a family, those that it shows first, the others keyed; no two have the same question."""
    kind = FAMILIES[family]
    written = [kind.write(*operands) for operands in (*kind.shown, *product(*kind.operands))]
    shown, cases = len(kind.shown), list({case.question: case for case in written if case is not None}.values())
    keys = keyed.item_keys(f"arithmetic/{family}: {case.question}" for case in cases[shown:])
    order = np.argsort(keyed.uniforms(0, keys, stream=keyed.PROBLEMS), kind="stable")
    return (*cases[:shown], *(cases[shown + at] for at in order))


def _check_families(families: Sequence[str]) -> list[str]:
    chosen = [family.strip() for family in families]
    for family in chosen:
        if family not in FAMILIES:
            raise unknown_name("families", family, FAMILIES)
    if not chosen or len(set(chosen)) < len(chosen):
        got = f"{chosen}" if chosen else "none"
        fix = f"Families: {', '.join(FAMILIES)}."
        raise TtscaleError("families", expected="one or more different families", got=got, fix=fix)
    return chosen
