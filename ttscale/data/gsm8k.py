"""``gsm8k:FILE``: grade-school word problems in the format of Cobbe et al. 2021, "Training verifiers to solve math word
problems": ``question``, and an ``answer`` that is a solution ending in ``#### GOLD``.

The file is the user's own; the examples of the prompt are written for ttscale and stand in no split of the set.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ttscale.data.jsonl_problems import FileOptions, jsonl_problems
from ttscale.data.problems import Example, Problems, Template

GOLD = r"####[ \t]*(\S.*?)[ \t]*(?:\n|$)"
SHOTS = 5
MAX_TOKENS = 256
STOP = ("\n\n",)

TEMPLATES = (
    Template("plain", "Question: {question}\nAnswer: {answer}\n\n", "Question: {question}\nAnswer:"),
    Template(
        "steps", "Q: {question}\nA: Let's think step by step. {answer}\n\n",
        "Q: {question}\nA: Let's think step by step.",
    ),
    Template(
        "instructed", "Problem: {question}\nSolution: {answer}\n\n", "Problem: {question}\nSolution:",
        "Solve each problem step by step. Write the final answer after ####.\n\n",
    ),
)  # fmt: skip

EXAMPLES = (
    Example(
        "A baker makes 4 trays of 12 rolls and sells 30 of them. How many rolls are left?",
        "The baker makes 4 * 12 = 48 rolls.\nAfter selling 30, 48 - 30 = 18 rolls are left.\n#### 18",
    ),
    Example(
        "Lena has $50. She buys 3 books at $8 each and a bag for $15. How many dollars does she have left?",
        "The books cost 3 * 8 = $24.\nTogether with the bag she spends 24 + 15 = $39.\n"
        "She has 50 - 39 = $11 left.\n#### 11",
    ),
    Example(
        "A train travels 60 miles an hour for 2 hours and then 40 miles an hour for 3 hours. How many miles is that?",
        "The first part is 60 * 2 = 120 miles.\nThe second part is 40 * 3 = 120 miles.\n"
        "In total it is 120 + 120 = 240 miles.\n#### 240",
    ),
    Example(
        "Omar is twice as old as Pia. Pia is 5 years older than Ruth, who is 9. How old is Omar?",
        "Pia is 9 + 5 = 14 years old.\nOmar is 2 * 14 = 28 years old.\n#### 28",
    ),
    Example(
        "A class of 30 children votes for a trip. Two thirds want to go to the lake and the others to the zoo. How "
        "many want to go to the zoo?",
        "30 / 3 * 2 = 20 children want to go to the lake.\n30 - 20 = 10 children want to go to the zoo.\n#### 10",
    ),
    Example(
        "A coat costs $80. It is sold with 25% off. How many dollars do 2 such coats cost?",
        "The discount is 80 * 25 / 100 = $20.\nOne coat costs 80 - 20 = $60.\nTwo coats cost 60 * 2 = $120.\n#### 120",
    ),
    Example(
        "Nina runs 3 kilometers on each of 5 days and 8 kilometers on Saturday. How many kilometers does she run in 4 "
        "such weeks?",
        "On the five days she runs 3 * 5 = 15 kilometers.\nIn a week she runs 15 + 8 = 23 kilometers.\n"
        "In 4 weeks she runs 23 * 4 = 92 kilometers.\n#### 92",
    ),
    Example(
        "A tank holds 200 liters and is half full. A pump takes out 15 liters a minute for 4 minutes. How many liters "
        "are left in the tank?",
        "At first there are 200 / 2 = 100 liters.\nThe pump takes out 15 * 4 = 60 liters.\n"
        "There are 100 - 60 = 40 liters left.\n#### 40",
    ),
    Example(
        "Six friends share 3 pizzas of 8 slices equally. How many slices does each get?",
        "There are 3 * 8 = 24 slices.\nEach friend gets 24 / 6 = 4 slices.\n#### 4",
    ),
    Example(
        "A gardener earns $18 an hour for the first 8 hours of a day and $27 for every hour after that. How many "
        "dollars does he earn in a day of 10 hours?",
        "For the first 8 hours he earns 18 * 8 = $144.\nHe works 10 - 8 = 2 hours more.\n"
        "For these he earns 27 * 2 = $54.\nIn total he earns 144 + 54 = $198.\n#### 198",
    ),
    Example(
        "Ken has 15 marbles. Lou has 7 fewer than Ken, and Mo has as many as both together. How many marbles do the "
        "three have?",
        "Lou has 15 - 7 = 8 marbles.\nMo has 15 + 8 = 23 marbles.\nThe three have 15 + 8 + 23 = 46 marbles.\n#### 46",
    ),
    Example(
        "A theater has 12 rows of 20 seats. On Friday 5/6 of the seats are taken, at $9 each. How many dollars is "
        "that?",
        "There are 12 * 20 = 240 seats.\nOf these 240 / 6 * 5 = 200 are taken.\nThat is 200 * 9 = $1800.\n#### 1800",
    ),
)  # fmt: skip


def gsm8k(file: str | Path, options: FileOptions) -> Problems:
    """The problems of such a file, with 12 examples in the same format unless ``examples`` gives others.

    Errors are those of :func:`ttscale.data.jsonl_problems.jsonl_problems`.
    """
    problems = jsonl_problems(file, replace(options, gold_pattern=options.gold_pattern or GOLD))
    if options.examples is None:
        problems = replace(problems, examples=EXAMPLES, shots=SHOTS)
    return replace(problems, templates=TEMPLATES, extract="hash", max_tokens=MAX_TOKENS, stop=STOP)
