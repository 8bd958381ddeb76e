"""The groups of the configs: a dataclass each, whose fields are the arguments of one function of the library.

`_target_` names that function where another may take its place. `vote`, `law` and `report` are arguments of the
analysis that the verb does (`summarize`, `tradeoff`), which is not for choice, so they have none.

They are not frozen: Hydra's ConfigStore makes a frozen dataclass read-only, and then no key could be overridden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


def key(default: Any, meaning: str) -> Any:
    """A config key: its default (MISSING where the user must say) and the meaning that `--help` shows."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata={"meaning": meaning})
    return field(default=default, metadata={"meaning": meaning})


@dataclass
class Data:
    """Which items are asked."""

    _target_: str = "ttscale.data.load.load_data"
    spec: str = key(
        MISSING, "fashion-mnist, imagefolder, torchvision:NAME; problems: arithmetic, worked, gsm8k, jsonl, choices"
    )
    root: str | None = key(None, "folder of images, or file of problems, that holds the data")
    split: str = key("test", "which split, where the set has several")
    limit: int | None = key(None, "use only so many items; null: all")
    class_index: str | None = key(
        None, "JSON file that maps folder names to class indices, or imagenet-1k; null: by name"
    )
    on_bad_item: str = key("error", "an unreadable item: error names it and stops, skip counts it and goes on")
    name: str | None = key(None, "name in reports; null: from spec")
    shift: Any = key(
        None,
        "of images: CORRUPTION@SEVERITY such as gaussian_noise@3, prior:RATIO or folder:PATH; sweep and collect take a "
        "list that names none as well",
    )
    exclude: str | None = key(None, "of images: summary.json of ttscale leakage, whose flagged items are left out")
    families: Any = key(None, "arithmetic, worked: families of problems, a list or A+B")
    n: int | None = key(None, "arithmetic, worked: problems of each family")
    fields: Any = key(
        None, "problems in a file: where question, answer, id, family, cluster and choices stand: {question: problem}"
    )
    gold_pattern: str | None = key(None, "problems in a file: regular expression that finds the gold answer")
    examples: Any = key(None, "problems in a file: few-shot examples, another file or how many of its first lines")
    shots: int | None = key(None, "problems: examples in a prompt; this and what follows: null leaves it to the set")
    extract: str | None = key(
        None,
        "problems: how an answer is read: last_number, first_number, hash, boxed, choice, choice:LETTERS, last_line, "
        "text, regex:PATTERN",
    )
    checker: str | None = key(None, "problems: package.module:function(answer, gold) that tells whether it is right")
    equality: str | None = key(None, "problems: when answers are equal: numeric, text or math")
    max_tokens: int | None = key(None, "problems: most tokens of a completion")
    stop: Any = key(None, "problems: text, or list of texts, that ends a completion")
    chat: bool | None = key(None, "problems: ask through the model's chat template")


@dataclass
class Draws:
    """What is run on an item: views of an image, in order, or samples of a language model. Null: not given."""

    _target_: str = "ttscale.draws.grammar.views"
    spec: str | None = key(None, "views: a set such as flip * shifts(1); the plain view comes first")
    n: Any = key(None, "samples: of each prompt; a list goes with a list of temperatures")
    temperature: Any = key(None, "samples: above 0; one, or a list")
    greedy: bool | None = key(None, "samples: also decode greedily, once")
    variants: str | None = key(None, "samples: prompt variants such as plain + order(2) + choice(2) + templates")
    top_k: int | None = key(None, "samples: keep the k most likely tokens")
    top_p: float | None = key(None, "samples: keep the smallest set of tokens with this probability")
    min_p: float | None = key(None, "samples: keep tokens at least this share as likely as the likeliest")
    max_tokens: int | None = key(None, "samples: most tokens of a completion; null: what the data suggest")
    stop: Any = key(None, "samples: texts that end a completion; null: what the data suggest")


@dataclass
class Vote:
    """How draws become one decision."""

    vote: str = key(
        "auto",
        "mean (of probabilities), log_mean (of their logarithms), plurality; of answers: plurality, weighted:SCORE, "
        "best:SCORE; auto: mean, or plurality of answers",
    )
    ties: str = key(
        "shared",
        "what tied answers earn: shared, the share of them that are right; strict, nothing; first_seen, of language "
        "models, 1 if the one seen first is right",
    )


@dataclass
class Law:
    """Which law is fitted to a curve, and how."""

    law: str = key(
        "auto", "name of a law; auto: the one with the smallest back-test error; stacked: all, weighted by it"
    )
    loss: str = key(
        "auto",
        "gls: least squares on the covariance of the points; huber; binomial; auto: the likelihood of counts for laws "
        "of coverage that have one, else gls",
    )
    delta: float = key(1.345, "huber: standard errors beyond which a point pulls no harder")


@dataclass
class Collect:
    """How draws are run; which draws they are does not depend on it."""

    _target_: str = "ttscale.collecting.collect.collect"
    batch_size: int | None = key(None, "items, or samples, a forward pass; null: chosen; halved when memory runs out")
    device: str = key("auto", "cpu, cuda, cuda:1, mps; auto: CUDA where it is there")
    threads: int | None = key(None, "CPU threads; null: torch's own choice")
    workers: int = key(1, "threads that decode and preprocess ahead")
    channels_last: bool = key(True, "memory format; the faster one for most convolutional networks")
    fold: bool = key(True, "classifiers: let convolutions do the batch norm after them, which is faster")
    compile: bool = key(False, "classifiers: let torch compile them, a minute each; as CUDA graphs on CUDA")
    log_probs_dtype: str = key(
        "auto", "stored as float32, float16 or uint8 (codes); auto: float16 above 4 GiB of float32"
    )
    on_bad_item: str = key("${data.on_bad_item}", "an unreadable item: as data.on_bad_item says")
    dtype: str = key(
        "auto", "float32, bfloat16, float16; auto: on CUDA float16 for classifiers and bfloat16 for language models"
    )
    prefill: str = key("shared", "language models: a prompt is charged once (shared), or per_sample")


@dataclass
class Report:
    """How sure the numbers of the report are."""

    ci: float = key(0.95, "level of the intervals, in (0, 1)")
    n_boot: int = key(1000, "bootstrap resamples of the items")
    interval: str = key("percentile", "of the bootstrap: percentile, or bca, which corrects for bias and skewness")


@dataclass
class Train:
    """What is trained: a ladder by one recipe, a grid of budgets, a soup, students of other models, or language models.
    Null: not given."""

    _target_: str = "ttscale.training.recipe.Recipe"
    n_train: int | None = key(None, "zoo: different images to train on; null: all but those for validation")
    epochs: int | None = key(None, "zoo: passes over the training images")
    batch_size: int | None = key(None, "zoo: images a step")
    learning_rate: float | None = key(None, "zoo: peak of the one-cycle schedule")
    warmup: float | None = key(None, "zoo: share of the steps before the peak, in [0, 1)")
    weight_decay: float | None = key(None, "zoo: on convolution and linear weights")
    momentum: float | None = key(None, "zoo: Nesterov momentum of SGD")
    max_shift: int | None = key(None, "zoo: each image is shifted by up to so many pixels")
    flip: bool | None = key(None, "zoo: mirror half of the images")
    budgets: Any = key(None, "grid: training budgets by name, each with what differs from the recipe of zoo")
    only: Any = key(None, "grid: name of the budget to train, or several as a list; null: all")
    widths: list[int] | None = key(None, "grid: its sizes, where the key widths does not say")
    seeds: list[int] | None = key(None, "grid: its seeds, where the key seeds does not say")
    starts: Any = key(None, "soup: trained models, zoo:GLOB or a list; a soup of fine-tunings is made of each")
    teachers: Any = key(None, "distill: trained models, zoo:GLOB or a list; several are an ensemble")
    views: str | None = key(None, "distill: views of the teacher, such as flip * shifts(1)")
    temperature: float | None = key(None, "distill: of the soft labels, above 0")
    hard: float | None = key(None, "distill: weight of the labels themselves, in [0, 1)")
    label: str | None = key(None, "distill: part of the students' names")
    budget: str | None = key(None, "distill: name of the students' training budget")
    sizes: Any = key(None, "arithmetic: names of sizes, or {width, layers, heads} by name; null: all that have a name")
    tokens: list[int] | None = key(None, "arithmetic: training tokens of each size, one budget each")
    families: Any = key(None, "arithmetic: families of problems; null: all")
    recipe: Any = key(None, "soup, distill, arithmetic: what differs from the usual recipe, {name: value}")


GROUPS: Mapping[str, type] = {
    "data": Data, "draws": Draws, "vote": Vote, "law": Law, "collect": Collect, "report": Report, "train": Train,
}  # fmt: skip
