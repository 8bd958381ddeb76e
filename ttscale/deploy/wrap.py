"""``wrap``: a plan turned into what runs it; for classifiers a module with the planned draws and vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ttscale.collecting.environment import pick_device
from ttscale.collecting.verify import Verifier, scorer_for
from ttscale.deploy.language import WrappedLanguage
from ttscale.deploy.vision import Wrapped
from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.models.load import AnyModel, load_model
from ttscale.models.model import Model
from ttscale.scaling.planning.planned import Plan, load_plan


def wrap(
    models: AnyModel | Sequence[AnyModel] | None,
    plan: Plan | str | Path,
    *,
    device: str | None = None,
    fold: bool = True,
    channels_last: bool = True,
    dtype: str = "auto",
    verifiers: Mapping[str, Verifier] | None = None,
) -> Wrapped | WrappedLanguage:
    """What runs a plan: a module for classifiers, a callable of questions for language models.

    On the CPU, :func:`ttscale.collect` works in memory that is kept from one layer to the next, which can halve the
    time of large classifiers. What is wrapped leaves the process's memory alone: for the same speed, serve inside
    ``with ttscale.collecting.memory.kept_memory():`` (around many calls, not each), or start the process with
    ``MALLOC_MMAP_THRESHOLD_`` and ``MALLOC_TRIM_THRESHOLD_`` at 1073741824.

    Args:
        models: the plan's members, in any order (others are ignored); None loads them by the plan's specs.
        plan: from :func:`ttscale.plan`, or the path of its ``plan.json``.
        device: where to put the members; None leaves them where they are.
        fold, channels_last, dtype: of classifiers, as :func:`ttscale.collect` takes them, with its defaults: what was
            collected is what runs, within rounding (in float32, 1e-4 of the largest output on noise of every input
            size; in half precision, that of the format), so equal budgets give equal decisions. They work in copies
            that share the other weights: the modules given stay as they are.
        verifiers: for votes over answers that use one, by the name of its score, as :func:`ttscale.verify` takes them.

    Raises:
        TtscaleError: a plan made from imported samples, a member (or verifier) of the plan that is missing, or a member
            that has other weights or preprocessing than the plan was made with.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    if plan.imported:
        raise _cannot_run(plan)
    chosen = _members(models, plan)
    if plan.outcome == "text":
        speakers = [model for model in chosen if isinstance(model, LanguageModel | Endpoint)]
        scorers = {name: scorer_for(verifier, device=device or "auto") for name, verifier in (verifiers or {}).items()}
        return WrappedLanguage(speakers, plan, device=_place(speakers, device), scorers=scorers)
    if verifiers:
        raise TtscaleError(
            "verifiers", expected="none: the plan is for classifiers", got=", ".join(verifiers), fix="Leave them out."
        )
    classifiers = [model for model in chosen if isinstance(model, Model)]
    better = Wrapped(classifiers, plan, fold=fold, channels_last=channels_last, dtype=dtype)
    return better if device is None else better.to(device)


def _cannot_run(plan: Plan) -> TtscaleError:
    """Why a plan made of imported samples is not run: nobody told how the models are asked, or what checks answers."""
    checker = " and what checks an answer" if plan.vote == "best:correct" else ""
    return TtscaleError(
        "plan", expected="a plan made from Records that `collect` wrote, which say what to run and how to ask",
        got=f"one of imported samples of {', '.join(plan.imported)}, which lacks the models, their prompts{checker}",
        fix=f"Draw {plan.k} samples with your own tools and vote by {plan.vote}, or collect and plan again.",
    )  # fmt: skip


def _members(models: AnyModel | Sequence[AnyModel] | None, plan: Plan) -> list[AnyModel]:
    """The plan's members in its order, checked against it."""
    needed = {member["name"]: member for member in plan.members}
    kinds = LanguageModel | Endpoint if plan.outcome == "text" else Model
    if models is None:
        given = {name: load_model(member["spec"], name=name) for name, member in needed.items()}
    else:
        listed = models if isinstance(models, Sequence) else (models,)
        for model in listed:
            if not isinstance(model, kinds):
                wanted = "language models" if plan.outcome == "text" else "models"
                raise TtscaleError(
                    "models", expected=f"{wanted} from load_model", got=type(model).__name__,
                    fix="Wrap each with load_model, and plan from Records of such models.",
                )  # fmt: skip
        given = {model.name: model for model in listed}
    for name, member in needed.items():
        if name not in given:
            raise unknown_name("models", name, given, fix="The plan needs this member.")
        if given[name].fingerprint() != member["fingerprint"]:
            raise TtscaleError(
                "models", expected=f"{name} with the weights and preprocessing that the plan was made with",
                got="another fingerprint", fix="Load the same weights, or plan again from Records of these.",
            )  # fmt: skip
    return [given[name] for name in needed]


def _place(models: Sequence[LanguageModel | Endpoint], device: str | None) -> torch.device:
    """The device asked for, else that of the first local model."""
    if device is not None:
        return pick_device(device)
    local = (model.module for model in models if isinstance(model, LanguageModel))
    return next((p.device for module in local for p in module.parameters()), torch.device("cpu"))
