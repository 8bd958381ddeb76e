"""`ttscale demo`: the main job on the shipped models and, beside it, a language model, up to plans that run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ttscale.cli.build import arguments, naming
from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import DemoConfig, Language
from ttscale.cli.verbs.analyze import FILES, check_analysis, show, summarize_records, tell, write_analysis, write_plan
from ttscale.cli.verbs.collect import Inputs, collect_inputs, load_images, load_inputs
from ttscale.data.dataset import Dataset
from ttscale.data.problems import Problems
from ttscale.errors import TtscaleError
from ttscale.records.grader import Grader
from ttscale.records.records import Records
from ttscale.reporting.ready import joined
from ttscale.reporting.report import report

SHOWN = 8
KEY_LENGTH = 8
PARTS = {"vision": "records", "language": "language"}  # with the first words of their folders


def run(config: DemoConfig, job: Job) -> None:
    """Records go to a folder named by what they are made of, so that the demo runs again after any change."""
    check_analysis(config)
    vision = load_inputs(config)
    if config.language is None:
        records = _collected(config, vision, "vision", job)
        summary = write_analysis(records, config, job)
        show(summary, job, Records=_folder(records))
    else:
        summary = _both(config, config.language, vision, job)["vision"]
    if summary["plan"]:
        say("", predictions(config, job))
    say("", f"Open {job.out / 'report.html'}")


def _both(config: DemoConfig, language: Language, vision: Inputs, job: Job) -> dict[str, dict[str, Any]]:
    """Classifiers and language models beside each other, on one page; the summaries by part."""
    spoken = _load_language(language)
    records = {
        "vision": _collected(config, vision, "vision", job),
        "language": _collected(config, spoken, "language", job),
    }
    last = job.last_summary().get("parts") or {"vision": job.last_summary()}
    parts = {
        "vision": summarize_records(records["vision"], config, job),
        "language": summarize_records(
            records["language"], config, job, min_accuracy=language.min_accuracy, vote="auto"
        ),
    }
    with step("drawing"):
        report(None, job.out, summary=joined(parts))
    files: dict[str, str] = {}
    for part, summary in parts.items():
        plan = "plan.json" if part == "vision" else f"{part}_plan.json"
        write_plan(job.out / plan, summary, last.get(part) or {})
        tell(summary)
        files |= {f"Records_of_{part}": _folder(records[part]), f"plan_of_{part}": plan}
    if parts["language"]["plan"]:
        say("", answers(spoken, job))
    results(job.out, **FILES, **files)
    return parts


def _load_language(language: Language) -> Inputs:
    try:
        return load_inputs(language)
    except TtscaleError as error:
        raise TtscaleError(
            f"language.{error.argument}", expected=error.expected, got=error.got,
            fix=f"{error.fix} Or leave language models out: language=null",
        ) from error  # fmt: skip


def _collected(config: DemoConfig, inputs: Inputs, part: str, job: Job) -> Records:
    return collect_inputs(config, inputs, job.out / f"{PARTS[part]}-{inputs_key(config, inputs)}", job)


def _folder(records: Records) -> str:
    assert records.path is not None
    return records.path.name


def inputs_key(config: DemoConfig, inputs: Inputs) -> str:
    """Hex digits that change when the Records would: with weights, items, labels, draws, seed, device or options."""
    from ttscale.collecting.environment import pick_device, versions
    from ttscale.draws.sampling import Sampling

    with naming(config.collect):
        device = pick_device(config.collect.device).type
    draws = inputs.draws
    made_of = {
        "members": [(model.name, model.fingerprint()) for model in inputs.models],
        "draws": repr(draws) if isinstance(draws, Sampling) else draws.names,
        "items": _items(inputs.data), "seed": config.seed,
        "collect": arguments(config.collect), "device": device,
        "ttscale": versions().get("ttscale"),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def _items(data: Dataset | Problems) -> Any:
    if isinstance(data, Dataset):
        return data.name, data.item_ids, data.labels.tolist()
    settings = (data.shots, data.extract, data.equality, data.max_tokens, data.stop, data.chat)
    return data.name, data.digest(), settings


def predictions(config: DemoConfig, job: Job) -> str:
    """What the planned model says of the first items: `wrap` loads plan.json and predicts."""
    with step("loading the plan and predicting"):
        import torch

        from ttscale.deploy.wrap import Wrapped, wrap

        data = load_images(config)
        better = wrap(None, job.out / "plan.json")
        assert isinstance(better, Wrapped)
        positions = range(min(SHOWN, len(data)))
        x = better.batch([data.load(i) for i in positions])
        with torch.inference_mode():
            answers = better.classify(x, [data.item_ids[i] for i in positions]).tolist()
    names = data.class_names or tuple(str(i) for i in range(max(data.labels) + 1))
    right = sum(answer == data.labels[i] for i, answer in zip(positions, answers, strict=True))
    said = ", ".join(names[answer] for answer in answers)
    return f"The planned model, loaded from plan.json, on the first {len(answers)} images: {said} ({right} right)."


def answers(inputs: Inputs, job: Job) -> str:
    """What the planned language strategy answers to the first problems: `wrap` loads its plan and asks."""
    with step("loading the language plan and answering"):
        from ttscale.deploy.language import WrappedLanguage
        from ttscale.deploy.wrap import wrap

        problems = inputs.data
        assert isinstance(problems, Problems)
        some = problems.subset(range(0, len(problems), -(-len(problems) // SHOWN)))
        families = None if some.families is None else some.families.tolist()
        better = wrap(inputs.models, job.out / "language_plan.json")
        assert isinstance(better, WrappedLanguage)
        found = [answer.answer for answer in better(some.questions, some.item_ids, families=families)]
    grader = Grader(some.extract, some.checker, some.equality)
    right = sum(
        answer is not None and grader.correct(answer, gold) for answer, gold in zip(found, some.golds, strict=True)
    )
    said = "; ".join(f"{asked} {answer or '(no answer)'}" for asked, answer in zip(some.questions, found, strict=True))
    return f"The planned strategy, loaded from language_plan.json, on {len(some)} problems: {said} ({right} right)."
