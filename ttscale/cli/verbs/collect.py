"""`ttscale collect`: the draws of some models on some data, as Records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.build import build, naming, strings
from ttscale.cli.console import results, say, step
from ttscale.cli.groups import Data
from ttscale.cli.job import Job
from ttscale.cli.schema import CollectConfig, Language, LeakageConfig, SweepConfig, TrainConfig
from ttscale.data.dataset import CLEAN, Dataset
from ttscale.data.problem_sets import FROM_FILES
from ttscale.data.problem_sets import SPECS as PROBLEMS
from ttscale.data.problems import Problems
from ttscale.data.shift import Shift, read_shift
from ttscale.errors import TtscaleError
from ttscale.records.records import Records

if TYPE_CHECKING:
    from ttscale.draws.sampling import Sampling
    from ttscale.draws.views import ViewSet
    from ttscale.models.load import AnyModel

TALK = ("hf", "gguf", "endpoint")  # sources of language models alone
RECORDS = "records"  # folder of the Records of several shifts
_NAMED = 5  # so many skipped items are named; the manifest holds all


@dataclass(frozen=True)
class Inputs:
    """What a collection is made of."""

    draws: ViewSet | Sampling
    data: Dataset | Problems
    models: Sequence[AnyModel]
    shown: ViewSet | None = None  # the views that differ

    def words(self) -> str:
        """``40 items of arithmetic x 17 draws x 1 member``."""
        text = isinstance(self.data, Problems)
        counts = ((len(self.shown or self.draws), "draw" if text else "view"), (len(self.models), "member"))
        rest = " x ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in counts)
        return f"{len(self.data)} item{'' if len(self.data) == 1 else 's'} of {self.data.name} x {rest}"


def run(config: CollectConfig, job: Job) -> None:
    if isinstance(config.data.shift, list):
        collected, failed = collect_shifts(config, job)
        job.write_summary(runs={label: describe(records) for label, records in collected.items()})
        results(job.out, Records=RECORDS, summary="summary.json")
        say("", f"Next: ttscale analyze records={job.out / RECORDS}")
        if failed is not None:
            raise failed
        return
    records = collect_records(config, job)
    job.write_summary(run=describe(records))
    results(job.out, Records="manifest.json", summary="summary.json")
    say("", f"Next: ttscale analyze records={job.out}")


def collect_records(config: CollectConfig | SweepConfig, job: Job) -> Records:
    """Load models and data, say what will be run, and run it; a folder that holds it already is read."""
    return collect_inputs(config, load_inputs(config), job.out, job)


def collect_shifts(config: CollectConfig | SweepConfig, job: Job) -> tuple[dict[str, Records], TtscaleError | None]:
    """The draws of the same models on the items of each shift that is listed, by its label: clean first.

    Each has a folder of its own under ``records`` and resumes by itself. All data are loaded, and some items of each
    are shown to every model, before anything is run. A shift that fails later is left out, and the error that says so
    is returned: it is to be raised when what the others tell has been written.
    """
    with naming(config.data):
        shifts = _listed_shifts(config.data.shift)
    clean, *shifted = (replace(config, data=replace(config.data, shift=spec)) for spec in shifts)
    inputs = load_inputs(clean)
    data = [inputs.data, *(load_items(one) for one in shifted)]
    sets = {shift.slug: items for shift, items in zip(shifts.values(), data, strict=True)}
    labels = {shift.slug: shift.label for shift in shifts.values()}
    with step("looking at some items of each"):
        from ttscale.collecting.ahead import check_ahead

        check_ahead(
            tuple(inputs.models), {labels[slug]: items for slug, items in sets.items()}, inputs.draws,  # type: ignore[arg-type]  # it checks
            on_bad_item=getattr(config.collect, "on_bad_item", "error"),
        )  # fmt: skip
    collected: dict[str, Records] = {}
    failed: dict[str, TtscaleError] = {}
    for slug, items in sets.items():
        try:
            records = collect_inputs(config, replace(inputs, data=items), job.out / RECORDS / slug, job)
            _check_kept(records)
        except TtscaleError as error:
            if labels[slug] == CLEAN:
                raise
            failed[labels[slug]] = error
        else:
            collected[labels[slug]] = records
    return collected, _left_out(failed) if failed else None


def _check_kept(records: Records) -> None:
    """Refuse what was left too small to be compared, when unreadable items were left out."""
    from ttscale.collecting.ahead import check_size

    check_size(records.n_items, records.clusters)


def _left_out(failed: Mapping[str, TtscaleError]) -> TtscaleError:
    label, error = next(iter(failed.items()))
    others = f" (and {', '.join(list(failed)[1:])})" if len(failed) > 1 else ""
    return TtscaleError(
        "data.shift", expected="shifts that can all be collected", got=f"none for {label}{others}: {error}",
        fix="The others are written without it; the same command goes on with it.",
    )  # fmt: skip


def _listed_shifts(specs: Sequence[object]) -> dict[str, Shift]:
    """The shifts of a list, by spec; ``none`` comes first, wherever it stands.

    Raises:
        TtscaleError: one cannot be read, two are the same, or the clean items are not among them.
    """
    shifts = {str(spec): read_shift(spec) for spec in specs}  # type: ignore[arg-type]
    slugs = [shift.slug for shift in shifts.values()]
    if len(set(slugs)) < len(specs) or read_shift("none").slug not in slugs:
        raise TtscaleError(
            "shift", expected="different shifts with none among them", got=f"[{', '.join(map(str, specs))}]",
            fix="List each once, and none for the clean items that the others are compared with.",
        )  # fmt: skip
    return dict(sorted(shifts.items(), key=lambda pair: pair[1].label != CLEAN))


def load_inputs(config: CollectConfig | SweepConfig | Language) -> Inputs:
    """The draws, items and models of a config."""
    specs = strings("models", config.models)
    draws = build(config.draws)
    _check_kinds(specs, config.data, draws)
    with step("loading torch, data and models"):
        from ttscale.models.load import expand_specs, load_model

        return Inputs(draws, load_items(config), [load_model(spec) for spec in expand_specs(specs)])


def _check_kinds(specs: Sequence[str], data: Data, draws: ViewSet | Sampling) -> None:
    """Refuse views of problems, or of what only a language model can be, and a file of problems that is not named:
    what can be told without loading anything.

    Raises:
        TtscaleError: naming the key.
    """
    from ttscale.draws.sampling import Sampling

    scheme, _, file = data.spec.partition(":")
    asked = data._target_ == Data._target_ and scheme in PROBLEMS
    talks = next((spec for spec in specs if spec.partition(":")[0] in TALK), None)
    if (asked or talks) and not isinstance(draws, Sampling):
        raise TtscaleError(
            "draws", expected="samples, " + (f"since {data.spec} are problems" if asked else f"since {talks!r} writes"),
            got="views, which are of images", fix="Give draws=samples.",
        )  # fmt: skip
    if asked and scheme in FROM_FILES and not file and data.root is None:
        raise TtscaleError("data.root", expected="the file of problems", got="none", fix="Give data.root=FILE.")


def load_items(config: CollectConfig | SweepConfig | TrainConfig | LeakageConfig | Language) -> Dataset | Problems:
    """The items of a config.

    Raises:
        TtscaleError: they cannot be read, or the function that the config names gives something else.
    """
    data = build(config.data)
    if not isinstance(data, (Dataset, Problems)):
        raise TtscaleError(
            "data._target_", expected="a function that gives a Dataset or Problems",
            got=f"{config.data._target_!r}, which gives {type(data).__name__}", fix="Return what load_data returns.",
        )  # fmt: skip
    return data


def load_images(config: TrainConfig | SweepConfig | LeakageConfig) -> Dataset:
    """The items of a config where only images will do.

    Raises:
        TtscaleError: what :func:`load_items` raises, or they are problems.
    """
    data = load_items(config)
    if not isinstance(data, Dataset):
        raise TtscaleError(
            "data", expected="images", got=f"problems ({data.name})", fix="Choose one of the sets of images."
        )
    return data


def collect_inputs(config: CollectConfig | SweepConfig, inputs: Inputs, folder: Path, job: Job) -> Records:
    """Say what will be run, and run it into ``folder``."""
    left_out, inputs = _distinct(inputs)
    say(f"{inputs.words()} into {folder}", *([left_out] if left_out else []))
    records = build(
        config.collect, inputs.models, inputs.data, draws=inputs.draws, out=folder, seed=config.seed,
        command=job.command,
    )  # fmt: skip
    if skipped := [str(item["item_id"]) for item in records.manifest.skipped_items]:
        named = ", ".join([*skipped[:_NAMED], "…"] if len(skipped) > _NAMED else skipped)
        say(f"{len(skipped)} of {len(inputs.data)} items could not be read and are left out: {named}")
    return records


def _distinct(inputs: Inputs) -> tuple[str | None, Inputs]:
    """The inputs without views that are one for all members, as the run leaves them out, and a sentence about these."""
    from ttscale.collecting.same_views import without_same
    from ttscale.draws.views import ViewSet
    from ttscale.models.model import Model

    models = [model for model in inputs.models if isinstance(model, Model)]
    if not isinstance(inputs.draws, ViewSet) or len(models) < len(inputs.models):
        return None, inputs
    kept, left_out = without_same(inputs.draws, models)
    return left_out, replace(inputs, shown=kept)


def describe(records: Records) -> Mapping[str, object]:
    """What a collection holds and what it cost, for summary.json."""
    manifest = records.manifest
    common: dict[str, Any] = {
        "outcome": records.outcome, "dataset": manifest.dataset["name"], "n_items": records.n_items,
        "seed": manifest.seed, "device": manifest.device, "versions": dict(manifest.versions),
        "members": [member.name for member in records.members], "variants": list(records.variants),
        "skipped_items": len(manifest.skipped_items),
    }  # fmt: skip
    if records.outcome == "text":
        return common | _of_text(records)
    flops = sum(records.draw_flops(member.name, view) for member in records.members for view in records.variants)
    return common | {
        "n_classes": records.n_classes, "flops_per_item": flops, "flops": flops * records.n_items,
    }  # fmt: skip


def _of_text(records: Records) -> dict[str, Any]:
    """Draws, tokens and FLOPs of language models; FLOPs that are unknown are null."""
    graded, each = records.graded(), records.manifest.prefill == "per_sample"
    flops = float(graded.flops.sum()) + sum(float(part.sum()) for part in graded.prefix_flops.values())
    for prompt, part in graded.prompt_flops.items():
        times = sum((draw.member, draw.variant) == prompt for draw in graded.draws) if each else 1
        flops += times * float(part.sum())
    return {
        "decodings": [decoding["id"] for decoding in records.manifest.decodings or []],
        "draws": int(graded.answers.size), "abstained": graded.abstained, "tokens": int(graded.n_tokens.sum()),
        "flops": flops, "flops_per_item": flops / records.n_items,
    }  # fmt: skip
