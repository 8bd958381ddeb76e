"""Distillation: a student learns what an ensemble, or one model on several views, says of the training images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from ttscale.collecting.collect import collect
from ttscale.cost.flops import measure_forward
from ttscale.data.dataset import Dataset
from ttscale.data.paths import to_path
from ttscale.draws.grammar import views as parse_views
from ttscale.draws.views import ViewSet
from ttscale.models.model import Model
from ttscale.records.records import Records
from ttscale.training.images import split_ranks, training_rows
from ttscale.training.ladder import budgets_of, check_name, rung_name
from ttscale.training.members import trained_members
from ttscale.training.planned import OnStart
from ttscale.training.recipe import Recipe, check_numbers
from ttscale.training.rung import Job, Rung, Spent, spent_on, total
from ttscale.training.rungs import OnEpoch, OnRung, make_job, train_rungs
from ttscale.training.teaching import Teaching, check_teaching

LABELS = "labels"  # folder of the Records of the teacher's draws


@dataclass(frozen=True)
class _Teacher:
    """Members whose mean probabilities over all of their views are the soft labels."""

    members: tuple[Model, ...]
    views: ViewSet

    @property
    def how(self) -> str:
        """``distilled from 5 x resnet8-w28, 1 view``."""
        names = Counter(str(model.card.get("size") or model.name) for model in self.members)
        said = [name if n == 1 else f"{n} x {name}" for name, n in names.items()]
        return f"distilled from {' + '.join(said)}, {len(self.views)} view{'' if len(self.views) == 1 else 's'}"

    def run(self) -> dict[str, Any]:
        return {
            "teachers": {model.name: model.fingerprint() for model in self.members},
            "views": list(self.views.names),
        }


def distill(
    teachers: str | Sequence[str],
    data: Dataset,
    out: str | Path,
    *,
    views: str | ViewSet = "identity",
    widths: Sequence[int] = (4, 8, 16, 28),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    recipe: Recipe | Mapping[str, Recipe] | None = None,
    temperature: float = 2.0,
    hard: float = 0.0,
    label: str = "distilled",
    labels: str | Path | None = None,
    n_validation: int = 5000,
    image_size: int | Sequence[int] | None = None,
    processes: int = 1,
    device: str = "cpu",
    command: str | None = None,
    on_start: OnStart = lambda planned: None,
    on_epoch: OnEpoch = lambda rung, epoch, loss: None,
    on_rung: OnRung = lambda card: None,
) -> tuple[dict[str, Any], ...]:
    """Train students on a teacher's soft labels; returns their cards, by width, budget and seed.

    Source: Hinton, Vinyals and Dean 2015. The soft label of an image is the mean of the probabilities that all members
    give to all views of it, collected once; the student sees it shifted and mirrored as ever. A
    card counts the training of all teachers, their forwards for the labels and the student's own training, each by
    itself and in sum.

    Args:
        teachers: specs of trained models, globs of the zoo included; several are an ensemble.
        data, out: as of :func:`ttscale.training.ladder.train_ladder`.
        views: of the teacher, as :func:`ttscale.views` takes them.
        widths, seeds, recipe: of the students; as of ``train_ladder``.
        temperature: of both sides of the soft loss. hard: weight of the labels in the loss, in [0, 1).
        label: stands in the names of the students and their size, so that those of several teachers stay apart.
        labels: folder of the Records of the teacher's draws, so that several runs share them; None: ``out/labels``.
        n_validation, image_size, processes, device, command, on_start, on_epoch, on_rung: as of ``train_ladder``.

    Raises:
        TtscaleError: what ``train_ladder`` raises, or teachers of one name, of other classes, or trained on images that
            are for validation here.
    """
    check_teaching(temperature, hard)
    check_name("label", label)
    job = make_job(
        data, out, n_validation=n_validation, image_size=image_size, processes=processes, device=device, command=command
    )
    check_numbers(widths=(widths, 1), seeds=(seeds, 0))
    budgets = budgets_of(recipe, len(data) - n_validation)
    teacher = _Teacher(tuple(trained_members("teachers", teachers, data, n_validation)), parse_views(views))
    run = {**teacher.run(), "temperature": temperature, "hard": hard}
    rungs = [
        Rung(
            rung_name(f"resnet8-w{width}-{label}", name, seed), f"resnet8-w{width} {label}", name, seed, width, budget,
            run=run, facts={"of": f"resnet8-w{width}", "how": teacher.how},
        )
        for width in sorted(widths)
        for name, budget in budgets.items()
        for seed in seeds
    ]  # fmt: skip
    folder = job.folder / LABELS if labels is None else to_path("labels", labels)
    most = max(rung.recipe.n_train or len(data) - n_validation for rung in rungs)  # also of those trained already
    lesson = _Lesson(teacher, data, job, folder, most, temperature, hard)
    return train_rungs(
        job, rungs, data, processes, on_start, on_epoch, on_rung, label_flops=lesson.flops, prepare=lesson.taught
    )


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What a teacher says of training images: of the ``most`` that any student takes, so that all share the Records."""

    teacher: _Teacher
    data: Dataset
    job: Job
    folder: Path
    most: int
    temperature: float
    hard: float

    @cached_property
    def _ranks(self) -> np.ndarray:
        return split_ranks(self.data)

    def _rows(self, n_train: int | None) -> np.ndarray:
        return training_rows(self._ranks, self.job.run["n_validation"], n_train)

    def flops(self) -> float:
        """Of all forwards for the labels."""
        of_image = sum(measure_forward(model.module, model.input_size).flops for model in self.teacher.members)
        return of_image * len(self.teacher.views) * self.most

    def taught(self, rungs: Sequence[Rung]) -> list[Rung]:
        """The rungs with their soft labels, and what these cost."""
        labelled = self._rows(self.most)
        records = self._collected(self.data.subset(np.flatnonzero(labelled)))
        soft = torch.full((len(labelled), records.n_classes), np.nan)
        soft[torch.from_numpy(labelled)] = torch.from_numpy(mean_log_probs(records))
        training = total([spent_on(model.card) for model in self.teacher.members])
        out = []
        for rung in rungs:
            rows = self._rows(rung.recipe.n_train)
            spent = {"teachers": training, "labelling": _labelling(records, int(rows.sum()))}
            teaching = Teaching(soft[torch.from_numpy(rows)], self.temperature, self.hard)
            out.append(replace(rung, teaching=teaching, spent=spent))
        return out

    def _collected(self, images: Dataset) -> Records:
        """The teacher's draws; of runs side by side that share them one collects, and the others wait for it."""
        job = self.job
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.parent / f".{self.folder.name}.lock"):
            return collect(
                list(self.teacher.members), images, draws=self.teacher.views, out=self.folder,
                device=job.device, threads=1 if job.device == "cpu" else None,
                log_probs_dtype="float32", dtype="float32", progress=False, command=job.command,
            )  # fmt: skip


def mean_log_probs(records: Records) -> np.ndarray:
    """Log of the mean probability over all members and views, float32 ``[item, class]``."""
    out = np.empty((records.n_items, records.n_classes), np.float32)
    for block in records.blocks():
        draws = [records.log_probs(member.name, block).astype(np.float64) for member in records.members]
        every = np.concatenate(draws, axis=1)
        out[block] = np.logaddexp.reduce(every, axis=1) - np.log(every.shape[1])
    return out


def _labelling(records: Records, n_items: int) -> Spent:
    """Of the teacher's forwards on the images that a student learns from."""
    flops = sum(records.draw_flops(member.name, view) for member in records.members for view in records.variants)
    by_2nd = sum(2.0 * member.n_params for member in records.members) * len(records.variants)
    return Spent(flops * n_items, by_2nd * n_items)
