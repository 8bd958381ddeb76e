"""The config of each verb as a dataclass: a misspelt key is refused by name, and types are checked.

They are not frozen, for the reason given in `ttscale.cli.groups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ttscale.cli.groups import Collect, Data, Draws, Law, Report, Train, Vote, key

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
    queries: Any = key(
        None, "numbers of queries over a model's life, one or a list, finite and above 0; null: [1e4, 1e6, 1e8, 1e10]"
    )
    budgets: Any = key(None, "test FLOPs per item to name the best way at, one or a list; null: eight in equal ratios")
    train_flops: Any = key(None, "limits of training FLOPs to name it under as well, one or a list; null: none")
    errors: Any = key(None, "errors in (0, 1) of the lines of equal error and of the lifetimes; null: as measured")
    total_flops: Any = key(
        None, "FLOPs of training and all queries together, to find the least error that they pay for; null: none"
    )
    reference: str | None = key(
        None, "published models to lay beside: imagenet, language, or a CSV of your own; null: none"
    )
    same: Any = key(None, "which rung is which published model, {RUNG: NAME}; null: those of the same name")
    comparable: bool | None = key(
        None, "true: the items are a sample of the published benchmark's; false: compare costs alone; null: by `same`"
    )
    seed: int = key(0, SEED)
    vote: Vote = field(default_factory=Vote)
    report: Report = field(default_factory=Report)


@dataclass
class LawsConfig(VerbConfig):
    records: Any = key(MISSING, RECORDS + ", a list of them, or several by name: {vision: FOLDER, language: FOLDER}")
    n_splits: int = key(5, "splits of the items for the back-test, each used both ways")
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
    widths: list[int] | None = key(
        None, "sizes: channels of the first block of a ResNet-8; null: those of the group, or 4, 8, 16, 28"
    )
    seeds: list[int] | None = key(None, "seeds of each size; null: those of the group, or 0 to 4")
    n_validation: int | None = key(None, "images kept out of training, to choose recipes by; null: 5000")
    image_size: Any = key(None, "pixels a side, or [height, width], for images of unequal shapes; null: as they are")
    processes: int = key(1, "models trained at a time, one thread each")
    device: str = key("cpu", "cpu, cuda, or auto")
    data: Data = field(default_factory=Data)
    train: Train = field(default_factory=Train)


@dataclass
class CompareConfig(VerbConfig):
    old: str = key(
        MISSING, "Records of the run to compare with, or samples of another tool as ttscale import takes them"
    )
    new: str = key(MISSING, "Records of the run that must not be worse, over the same items")
    items: str = key(
        "all", "all: new must hold every item of old, else the exit status is 2; shared: those that both hold"
    )
    budget: int | None = key(None, "draws an item of the headline; null: the most that both runs hold")
    margin: float | None = key(
        None, "accuracy that may be lost, as a fraction: exit 0 only if the headline is shown to lose less; null: none"
    )
    fail_on: Any = key(
        "all",
        "comparisons that can make the exit status 1 (0: nothing is clearly worse; 2: input that cannot be used; "
        "70: a bug): all, or a list of headline, budgets, costs, groups",
    )
    members: Any = key(None, "use these members only: a name, a list, or {old: NAME, new: NAME}; null: all")
    plan: Any = key(None, "compare what a plan.json does: a file, or {old: FILE, new: FILE}; null: all budgets")
    seed: int = key(0, SEED)
    vote: Vote = field(default_factory=Vote)
    report: Report = field(default_factory=Report)


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
    n_items: int = key(4, "decisions timed for every number of views or samples, each alone; quantiles are of them")
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
class Fields:
    """Which column of a table holds what; auto: found by its usual name, null: no column does."""

    item: str | None = key("auto", "id of the item")
    answer: str | None = key("auto", "answer of a sample")
    correct: str | None = key("auto", "whether the answer is right")
    gold: str | None = key("auto", "right answer of the item")
    text: str | None = key("auto", "what was generated")
    tokens: str | None = key("auto", "generated tokens")
    prompt_tokens: str | None = key("auto", "tokens of the prompt")
    sample: str | None = key("auto", "number of the sample")
    samples: str | None = key("auto", "list of objects, one a sample")
    member: str | None = key("auto", "name of the model")
    variant: str | None = key("auto", "phrasing of the prompt")
    decoding: str | None = key("auto", "name of the decoding settings")
    temperature: str | None = key("auto", "temperature, in place of decoding")
    family: str | None = key("auto", "kind of question")
    cluster: str | None = key("auto", "group of items that are not independent")
    question: str | None = key("auto", "the question")
    n: str | None = key("auto", "counts: samples of the item")
    c: str | None = key("auto", "counts: right ones among them")


@dataclass
class ImportConfig(VerbConfig):
    source: Any = key(
        MISSING,
        "file, folder or list of files: tables of samples (.jsonl, .csv, .parquet), counts of right ones (item, n, c), "
        "samples_*.jsonl of lm-evaluation-harness, logs of inspect_ai; or folders of Records of classifiers over the "
        "same items, which become one",
    )
    log_probs_dtype: str = key("auto", "of such folders: float32, float16 or uint8 (codes); auto: as they are")
    texts: bool = key(True, "of such folders: false leaves the generated texts out, answers and tokens stay")
    format: str = key("auto", "rows, counts, lm_eval, inspect_ai or records (ours); auto: told from the files")
    fields: Fields = field(default_factory=Fields)
    scores: Any = key(None, "columns with a score of each sample, a name or a list; votes use them as best:NAME")
    extract: str = key("last_number", "how an answer is read in a text, where there is a gold and no column of answers")
    equality: str = key("numeric", "when answers are equal: numeric, text or math")
    checker: str | None = key(None, "package.module:function(answer, gold) that tells whether it is right")
    member: str | None = key(None, "name of the model; null: as the source says, or the name of the file")
    filter: str | None = key(None, "lm-evaluation-harness: the filter to read, where there are several")
    metric: str | None = key(None, "lm-evaluation-harness: the metric that tells right from wrong")
    scorer: str | None = key(None, "inspect_ai: the scorer to read, where there are several")
    n_params: Any = key(
        None, "parameters of the model, or {MODEL: N}: a token then costs 2 FLOPs each; null: FLOPs are unknown"
    )
    min_samples: int | None = key(None, "leave out items with fewer samples; null: keep all")


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
    "compare": CompareConfig, "grade": GradeConfig, "verify": VerifyConfig, "profile": ProfileConfig,
    "leakage": LeakageConfig, "import": ImportConfig, "laws": LawsConfig,
}  # fmt: skip
