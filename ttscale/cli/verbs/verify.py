"""`ttscale verify`: a score for every draw of language models, from another model or a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttscale.cli.console import results, say, step
from ttscale.cli.job import Job
from ttscale.cli.schema import VerifyConfig
from ttscale.data.importing import named_function
from ttscale.records.read import read_records

MODELS = ("hf", "gguf", "pip")


def run(config: VerifyConfig, job: Job) -> None:
    records = read_records(config.records)
    verifier = _verifier(config.verifier)
    from ttscale.collecting.verify import PROMPT, verify

    scored = verify(
        records, verifier, config.name, prompt=config.prompt or PROMPT, batch_size=config.batch_size,
        device=config.device, dtype=config.dtype, threads=config.threads,
    )  # fmt: skip
    graded = scored.graded()
    scores, flops = graded.scores[config.name], graded.score_flops.get(config.name)
    job.write_summary(
        records=config.records, verifier=config.verifier, name=config.name, mean=float(np.mean(scores)),
        flops_per_item=None if flops is None else float(flops.sum() / graded.n_items),
    )  # fmt: skip
    say(f"{scores.size} draws scored: {config.name} from {scores.min():.3g} to {scores.max():.3g}")
    results(job.out, summary="summary.json")
    say("", f"Next: ttscale analyze records={config.records} vote.vote=weighted:{config.name}")


def _verifier(name: str) -> Any:
    """A language model by its spec, or a function by its name."""
    if name.partition(":")[0] not in MODELS:
        return named_function("verifier", name)
    with step("loading torch and the verifier"):
        from ttscale.models.load import load_model

        return load_model(name)
