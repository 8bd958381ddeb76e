"""A ladder of language models: Llamas of several sizes and token budgets, trained on fresh worked arithmetic."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ttscale.collecting.environment import pick_device
from ttscale.cost.language import LanguageCost
from ttscale.data.paths import to_path
from ttscale.data.worked_arithmetic import CHARACTERS, Line, check_families, training_lines, validation_lines
from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.hf_models import CARD_FILE, quietly
from ttscale.records.files import write_json
from ttscale.training.checkpoint import Checkpoint, refuse_another_run
from ttscale.training.claims import claimed
from ttscale.training.language_batches import Batch, pack
from ttscale.training.language_loop import fit_language_model, flops_of_step, one_step, validation_loss
from ttscale.training.language_model import character_tokenizer, small_llama
from ttscale.training.language_recipe import SIZES, LanguageRecipe, LanguageSize, check_language_recipe, check_size
from ttscale.training.loop import one_thread
from ttscale.training.planned import OnStart, Planned, step_seconds, wall_seconds
from ttscale.training.pool import train_all
from ttscale.training.recipe import check_number, check_numbers
from ttscale.training.rung import COUNTED

TOKENS = (1_000_000, 1_700_000, 3_000_000)  # beyond, the larger sizes solve nearly every problem
VALIDATION_BATCHES = 16
_DIGEST_LINES = 256


@dataclass(frozen=True)
class LanguageRung:
    """One model to train: its size, the tokens of its training, and the seed of its weights and lines."""

    size: str
    shape: LanguageSize
    tokens: int
    seed: int

    @property
    def budget(self) -> str:
        """``t3m`` for 3,000,000 tokens, ``t750k`` for 750,000."""
        for unit, letter in ((1_000_000, "m"), (1_000, "k")):
            if self.tokens % unit == 0:
                return f"t{self.tokens // unit}{letter}"
        return f"t{self.tokens}"

    @property
    def name(self) -> str:
        return f"{self.size}-{self.budget}-s{self.seed}"


def train_language_ladder(
    out: str | Path,
    *,
    sizes: Sequence[str] | Mapping[str, LanguageSize] = tuple(SIZES),
    tokens: Sequence[int] = TOKENS,
    seeds: Sequence[int] = (0, 1),
    families: Sequence[str] = (),
    recipe: LanguageRecipe | None = None,
    processes: int = 1,
    device: str = "cpu",
    command: str | None = None,
    on_start: OnStart = lambda planned: None,
    on_step: Callable[[LanguageRung, int, int, float], None] = lambda rung, step, steps, loss: None,
    on_rung: Callable[[dict[str, Any]], None] = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Train every (size, tokens, seed) that ``out`` does not hold yet; returns all cards, in that order.

    Each budget is a run of its own with a complete schedule. Lines are drawn afresh for every step, so that the data
    grow with the tokens and there is one epoch; the problems of ``worked:`` test sets are never among them. The loss
    is that of the solutions; the questions' tokens are read and not predicted. A finished rung is a folder that
    ``hf:FOLDER`` loads, with its card; rungs are trained seed by seed, the cheapest first, and an interrupted one goes
    on at its last checkpoint, to the same weights.

    Args:
        out: folder of the models; new, or begun with the same families and recipe.
        sizes: names of :data:`ttscale.training.language_recipe.SIZES`, or shapes by a name of one's own.
        tokens: of the training of each size, padding (about 10 %) included; rounded down to whole batches.
        seeds: of each size and budget; a seed decides the first weights and the lines.
        families: of :mod:`ttscale.data.worked_families`; none: all.
        recipe: None: that of ``ttscale train train=arithmetic``.
        processes: rungs trained at a time, one CPU thread each.
        device: of the training: ``"cpu"``, ``"cuda"``, or ``"auto"`` (CUDA where there is one).
        command: the command line, kept in the cards.
        on_start: told, before anything is trained, the FLOPs of each rung and the seconds that all may take.
        on_step: told the rung, its finished steps, all its steps and the last one's loss: now and then, and at the end.
        on_rung: told the card of each rung as it is finished.

    Raises:
        TtscaleError: unusable arguments, no such device, ``transformers`` is missing, or rungs in ``out`` (finished or
            begun) of other families, sizes or another recipe, or that another live run is training there.
    """
    recipe = LanguageRecipe() if recipe is None else recipe
    check_language_recipe(recipe)
    shapes = _shapes(sizes)
    _check(tokens, seeds, processes, recipe)
    job = _Job(to_path("out", out), check_families(families), recipe, str(pick_device(device)), command)
    rungs = [LanguageRung(name, shape, n, seed) for name, shape in shapes.items() for n in tokens for seed in seeds]
    by_cost = sorted(rungs, key=lambda rung: (seeds.index(rung.seed), rung.shape.n_matrix * rung.tokens))
    with claimed(job.folder, by_cost, job.is_finished) as missing:
        if missing:
            on_start(job.planned(missing, processes))
            train_all(job.train, {rung.name: rung for rung in missing}, processes, on_step, on_rung)
    return tuple(job.card(rung) for rung in rungs)


def count_steps(tokens: int, recipe: LanguageRecipe) -> int:
    """Steps of a budget."""
    return tokens // (recipe.rows * recipe.context)


@dataclass(frozen=True)
class _Job:
    """What every rung of a ladder shares; picklable, so that a pool of processes can run it."""

    folder: Path
    families: list[str]
    recipe: LanguageRecipe
    device: str
    command: str | None

    @cached_property
    def tokenizer(self) -> Any:
        return character_tokenizer(CHARACTERS)

    @cached_property
    def ids(self) -> dict[str, int]:
        return self.tokenizer.get_vocab()

    @cached_property
    def data_sha256(self) -> str:
        """Of the first lines of seed 0: another way to write problems is another training set."""
        return hashlib.sha256(repr([*islice(training_lines(0, 0, self.families), _DIGEST_LINES)]).encode()).hexdigest()

    def run(self, rung: LanguageRung) -> dict[str, Any]:
        """What decides the weights of a rung, besides its name."""
        data = {"families": self.families, "data_sha256": self.data_sha256}
        return {**data, "architecture": asdict(rung.shape), "budget_tokens": rung.tokens, "recipe": asdict(self.recipe)}

    def card(self, rung: LanguageRung) -> dict[str, Any]:
        return json.loads((self.folder / rung.name / CARD_FILE).read_text(encoding="utf-8"))

    def checkpoint(self, rung: LanguageRung) -> Checkpoint:
        return Checkpoint(self.folder / f"{rung.name}.checkpoint", self.run(rung))

    def is_finished(self, rung: LanguageRung) -> bool:
        """Whether the folder holds this rung; one of another run is refused, whether finished or begun."""
        if (self.folder / rung.name / CARD_FILE).exists():
            refuse_another_run(self.folder / rung.name, self.card(rung), self.run(rung))
            self.checkpoint(rung).path.unlink(missing_ok=True)  # of a run that was killed at its very end
            return True
        if (self.folder / rung.name).exists():
            raise TtscaleError(
                "out", expected=f"models with their cards, {CARD_FILE}",
                got=f"{self.folder / rung.name} without one", fix="Choose another `out`, or move that away.",
            )  # fmt: skip
        self.checkpoint(rung).read()
        return False

    def planned(self, rungs: Sequence[LanguageRung], processes: int) -> Planned:
        """What training them will take."""
        step = {rung.size: self._step_seconds(rung) for rung in {rung.size: rung for rung in rungs}.values()}
        alone = {rung.name: step[rung.size] * count_steps(rung.tokens, self.recipe) for rung in rungs}
        return Planned({rung.name: self._planned_flops(rung) for rung in rungs}, wall_seconds(alone, processes))

    def _planned_flops(self, rung: LanguageRung) -> float:
        meta = torch.device("meta")
        with meta:
            module = small_llama(rung.shape, self.tokenizer, context=self.recipe.context, seed=rung.seed).train()
        return flops_of_step(module, self._first_batch(rung).to(meta)) * count_steps(rung.tokens, self.recipe)

    def _step_seconds(self, rung: LanguageRung) -> float:
        module = small_llama(rung.shape, self.tokenizer, context=self.recipe.context, seed=rung.seed)
        return step_seconds(one_step(module, self._first_batch(rung), torch.device(self.device)), self.device)

    def _first_batch(self, rung: LanguageRung) -> Batch:
        return self._packed(training_lines(rung.seed, 0, self.families))

    def train(self, rung: LanguageRung, tell: Callable[[int, int, float], None]) -> dict[str, Any]:
        """Train a rung and write its folder; returns its card.

        Raises:
            TtscaleError: the training diverges.
        """
        with one_thread(self.device):
            return self._trained(rung, tell)

    def _trained(self, rung: LanguageRung, tell: Callable[[int, int, float], None]) -> dict[str, Any]:
        steps, device = count_steps(rung.tokens, self.recipe), torch.device(self.device)
        module = small_llama(rung.shape, self.tokenizer, context=self.recipe.context, seed=rung.seed)
        checkpoint = self.checkpoint(rung)
        learning_rate = self.recipe.rate(rung.shape, rung.tokens)
        done = fit_language_model(
            module,
            lambda step: self._packed(training_lines(rung.seed, step, self.families)),
            steps,
            self.recipe,
            learning_rate=learning_rate,
            device=device,
            checkpoint=checkpoint,
            on_step=lambda step, loss: tell(step, steps, loss),
        )
        held_out = (self._packed(validation_lines(block, self.families)) for block in range(VALIDATION_BATCHES))
        loss, cost = validation_loss(module, held_out, device), LanguageCost.of(module.cpu())
        card = {
            "name": rung.name, "family": "arithmetic-llama", "size": rung.size, "budget": rung.budget,
            "seed": rung.seed, **self.run(rung), "learning_rate": learning_rate,
            "n_params": cost.n_params, "n_params_matmul": int(cost.body_params) + cost.output_params,
            "n_train": done.tokens_seen, "tokens_seen": done.tokens_seen, "epochs": 1, "steps": done.steps,
            "train_flops": done.train_flops,
            "train_flops_source": COUNTED,
            "train_flops_6nd": 6.0 * cost.n_params * done.tokens_seen,
            "train_seconds": round(done.seconds, 1),
            "device": f"{self.device}, {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__, "command": self.command, "data": "worked",
            "loss": "of the solutions' tokens", "validation_loss": loss, "licence": "MIT",
        }  # fmt: skip
        self._write(rung, module, card)
        checkpoint.path.unlink(missing_ok=True)
        return card

    def _packed(self, lines: Iterator[Line]) -> Batch:
        rows, context, padding = self.recipe.rows, self.recipe.context, self.tokenizer.pad_token_id
        return pack(lines, self.ids, rows=rows, context=context, padding=padding)

    def _write(self, rung: LanguageRung, module: Any, card: Mapping[str, Any]) -> None:
        """The whole folder under another name, then renamed: a killed run leaves no half of one."""
        folder = self.folder / rung.name
        partial_folder = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial_folder, ignore_errors=True)
        with quietly():
            module.save_pretrained(partial_folder)
            self.tokenizer.save_pretrained(partial_folder)
        write_json(partial_folder / CARD_FILE, card)
        os.replace(partial_folder, folder)


def _shapes(sizes: Sequence[str] | Mapping[str, LanguageSize]) -> dict[str, LanguageSize]:
    if isinstance(sizes, Mapping):
        shapes = dict(sizes)
        for name, shape in shapes.items():
            check_size(name, shape)
    else:
        names = [sizes] if isinstance(sizes, str) else list(sizes)
        for name in names:
            if name not in SIZES:
                raise unknown_name("sizes", name, SIZES)
        shapes = {name: SIZES[name] for name in names}
        if len(shapes) < len(names):
            raise TtscaleError("sizes", expected="each size once", got=repr(names), fix="Name each once.")
    if not shapes:
        raise TtscaleError("sizes", expected="at least one size", got="none", fix=f"Sizes: {', '.join(SIZES)}.")
    return dict(sorted(shapes.items(), key=lambda pair: pair[1].n_matrix))


def _check(tokens: Sequence[int], seeds: Sequence[int], processes: int, recipe: LanguageRecipe) -> None:
    check_numbers(tokens=(tokens, recipe.rows * recipe.context), seeds=(seeds, 0))
    check_number("processes", processes, 1)
    steps = [count_steps(n, recipe) for n in tokens]
    if len(set(steps)) < len(steps):
        raise TtscaleError(
            "tokens", expected=f"budgets of different numbers of steps of {recipe.rows * recipe.context} tokens",
            got=f"{list(tokens)}: {steps} steps", fix="Leave out one of those that come to the same.",
        )  # fmt: skip
