"""The config of each verb as a dataclass: a misspelt key is refused by name, and types are checked.

They are not frozen, for the reason given in `ttscale.cli.groups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ttscale.cli.groups import Collect, Data, Draws, Law, Recipe, Report, Vote, key

MODELS = (
    "model spec, or a list of them: timm:NAME torchvision:NAME zoo:GLOB pip:NAME package.module:factory; made of "
    "these: soup:SPEC+SPEC, and with rounded weights bf16:SPEC int8:SPEC prune50:SPEC torchao-int8:SPEC; language: "
    "hf:NAME gguf:FILE pip:NAME, and served ones as 'models=\"endpoint:URL?model=NAME\"' in both kinds of quotes"
)
RECORDS = "folder of Records, as collect and sweep write it"
SEED = "seed of keyed randomness: random views, halves of the items, bootstraps"
TARGET = "accuracy that the plan must reach, in (0, 1); null: no plan"


@dataclass
class VerbConfig:
    """The keys that every verb has."""

    out: str = key(
        "${dated_folder:}", "folder of the results; default: a dated folder under runs/, one per job in a multirun"
    )
    debug: bool = key(False, "show the traceback of an error")


@dataclass
class LearningConfig(VerbConfig):
    """The keys of what learns about draws."""

    objective: str = key("log_likelihood", "images: what learned orders are selected by; or accuracy")
    replacement: bool = key(False, "images: let a draw be selected again, which makes it count more; slower")


@dataclass
class CollectConfig(VerbConfig):
    models: Any = key(MISSING, MODELS)
    seed: int = key(0, SEED)
    data: Data = field(default_factory=Data)
    draws: Draws = field(default_factory=Draws)
    collect: Collect = field(default_factory=Collect)


@dataclass
class AnalyzeConfig(LearningConfig):
    records: str = key(MISSING, RECORDS)
    min_accuracy: float | None = key(None, TARGET)
    seed: int = key(0, SEED)
    vote: Vote = field(default_factory=Vote)
    law: Law = field(default_factory=Law)
    report: Report = field(default_factory=Report)


@dataclass
class SweepConfig(LearningConfig):
    models: Any = key(MISSING, MODELS)
    min_accuracy: float | None = key(None, TARGET)
    seed: int = key(0, SEED)
    data: Data = field(default_factory=Data)
    draws: Draws = field(default_factory=Draws)
    vote: Vote = field(default_factory=Vote)
    law: Law = field(default_factory=Law)
    collect: Collect = field(default_factory=Collect)
    report: Report = field(default_factory=Report)


@dataclass
class TradeoffConfig(VerbConfig):
    records: Any = key(MISSING, RECORDS + ", or a list of them over the same items")
    seed: int = key(0, SEED)
    vote: Vote = field(default_factory=Vote)
    report: Report = field(default_factory=Report)


@dataclass
class PlanConfig(LearningConfig):
    records: str = key(MISSING, RECORDS)
    min_accuracy: float | None = key(None, "reach this accuracy as cheaply as possible, in (0, 1)")
    max_flops: float | None = key(None, "be as accurate as possible for so many FLOPs an item")
    confidence: float = key(0.95, "one-sided confidence that the target is reached, in (0, 1)")
    votes: Any = key("auto", "the votes to consider, one or a list; auto: those that the draws allow")
    n_boot: int = key(1000, "bootstrap resamples of the items")
    seed: int = key(0, SEED)


@dataclass
class ReportConfig(LearningConfig):
    records: Any = key(
        None, RECORDS + "; they are analysed first; several beside each other: {vision: FOLDER, language: FOLDER}"
    )
    summary: str | None = key(None, "a summary.json to draw as it is, in place of records")
    min_accuracy: float | None = key(None, TARGET)
    seed: int = key(0, SEED)
    vote: Vote = field(default_factory=Vote)
    law: Law = field(default_factory=Law)
    report: Report = field(default_factory=Report)


@dataclass
class TrainConfig(VerbConfig):
    widths: list[int] = key([4, 8, 16, 28], "sizes: channels of the first block of a ResNet-8")
    seeds: list[int] = key([0, 1, 2, 3, 4], "seeds of each size")
    n_validation: int = key(5000, "images kept out of training, to choose recipes by")
    processes: int = key(1, "models trained at a time, one thread each")
    device: str = key("cpu", "cpu or cuda")
    data: Data = field(default_factory=Data)
    train: Recipe = field(default_factory=Recipe)


@dataclass
class GradeConfig(VerbConfig):
    records: str = key(MISSING, RECORDS + ", of language models; the new grades lie beside the old ones")
    extract: str | None = key(
        None,
        "how an answer is read: last_number, first_number, hash, boxed, choice, choice:LETTERS, last_line, text, "
        "regex:PATTERN; null: as before",
    )
    checker: str | None = key(None, "package.module:function(answer, gold) that tells whether it is right")
    equality: str | None = key(None, "when answers are equal: numeric, text or math; null: as before")


@dataclass
class VerifyConfig(VerbConfig):
    records: str = key(MISSING, RECORDS + ", of language models; the scores lie in it")
    verifier: str = key(MISSING, "spec of a language model, or package.module:function(question, text) -> score")
    name: str = key(MISSING, "of the score; a vote uses it as weighted:NAME or best:NAME")
    prompt: str | None = key(None, "what a language model is asked, with {question} and {text}; null: a plain question")
    batch_size: int | None = key(None, "of a language model; null: chosen")
    device: str = key("auto", "cpu, cuda, cuda:1, mps; auto: CUDA where it is there")
    dtype: str = key("auto", "of a language model: float32, bfloat16; auto: bfloat16 on CUDA")
    threads: int | None = key(None, "CPU threads; null: torch's own choice")


@dataclass
class ProfileConfig(VerbConfig):
    records: str = key(MISSING, RECORDS + "; the profile lies in it")
    n_items: int = key(4, "decisions that are timed, each by itself, for every number of views or samples")
    repeats: int = key(5, "of each timing; the median is kept")
    device: str = key("auto", "cpu, cuda, cuda:1, mps; auto: CUDA where it is there")
    dtype: str = key("auto", "float32, float16, bfloat16; auto: on CUDA float16 for images, bfloat16 for text")
    threads: int | None = key(None, "CPU threads; null: torch's own choice")


@dataclass
class LeakageConfig(VerbConfig):
    training: str = key(MISSING, "folder of training images, at any depth; or a data spec, whose split train is meant")
    max_distance: int = key(16, "bits of the perceptual hash, of 256, up to which two images count as near")
    workers: int = key(1, "threads that decode and hash")
    data: Data = field(default_factory=Data)


@dataclass
class Language:
    """The language models of the demo."""

    models: Any = key(MISSING, MODELS)
    min_accuracy: float | None = key(None, TARGET)
    data: Data = field(default_factory=Data)
    draws: Draws = field(default_factory=Draws)


@dataclass
class DemoConfig(SweepConfig):
    language: Language | None = field(default_factory=Language, metadata={"meaning": "null leaves language models out"})


@dataclass
class FetchConfig(VerbConfig):
    name: str = key(MISSING, "name of a listed model")


SCHEMAS: Mapping[str, type[VerbConfig]] = {
    "sweep": SweepConfig, "collect": CollectConfig, "analyze": AnalyzeConfig, "tradeoff": TradeoffConfig,
    "plan": PlanConfig, "report": ReportConfig, "train": TrainConfig, "fetch": FetchConfig, "demo": DemoConfig,
    "grade": GradeConfig, "verify": VerifyConfig, "profile": ProfileConfig,
    "leakage": LeakageConfig,
}  # fmt: skip
