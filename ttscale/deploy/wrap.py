"""``wrap``: a plan turned into what runs it; for classifiers a module with the planned draws and vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from ttscale.collecting.environment import pick_device
from ttscale.collecting.verify import Verifier, scorer_for
from ttscale.deploy.language import WrappedLanguage
from ttscale.draws import keyed
from ttscale.draws.grammar import view_named
from ttscale.draws.steps import PixelSpace
from ttscale.draws.views import View, apply_view
from ttscale.errors import TtscaleError, unknown_name
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.models.load import AnyModel, load_model
from ttscale.models.model import Model
from ttscale.scaling.plan import Plan, load_plan
from ttscale.voting.decisions import decide
from ttscale.voting.merges import merge

Inputs = torch.Tensor | Mapping[str, torch.Tensor]

_VALUES_A_FORWARD = 5_000_000  # views of a small batch share a forward of up to about so many input values


class Wrapped(nn.Module):
    """A planned strategy as a module: ``better(x)`` gives log-probabilities ``float32 [item, class]``.

    ``x`` is what the bare model takes: normalised ``[item, channel, height, width]``, as ``preprocess`` makes it.
    Members with different preprocessing take a mapping of member name to tensor. Everything stays on the device of
    ``x``; nothing waits for the host.

    Attributes:
        plan: what is run.
    """

    def __init__(self, models: Sequence[Model], plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self._models = {model.name: model for model in models}
        self.members = nn.ModuleList(model.module for model in models)
        self._draws = tuple((draw[0], view_named(draw[1])) for draw in plan.draws)
        self._spaces: dict[tuple[str, torch.device], PixelSpace] = {}
        self._random = any(step.low != step.high for _, view in self._draws for step in view.steps)
        self.eval()

    def preprocess(self, raw: object) -> torch.Tensor:
        """One raw input as the tensor the model takes; for a batch, stack several.

        Raises:
            TtscaleError: the members preprocess differently (use each ``Model.preprocess``), or an unusable input.
        """
        self._require_one_preprocessing()
        return next(iter(self._models.values())).preprocess(raw)

    def forward(self, x: Inputs, item_ids: Sequence[str] | None = None) -> torch.Tensor:
        """Log-probabilities of the vote (for plurality: logs of the vote shares, −inf where a class has none).

        Args:
            item_ids: key the noise of random views as in the Records of these items; without them it is keyed by the
                content of each image.

        Raises:
            TtscaleError: one tensor for members of different preprocessing, or a missing member's tensor.
        """
        return self._scores(x, item_ids).float()

    def _scores(self, x: Inputs, item_ids: Sequence[str] | None) -> torch.Tensor:
        inputs = self._inputs(x)
        keys = self._keys(inputs, item_ids) if self._random else next(iter(inputs.values())).new_empty(0)
        if len(self._draws) == 1 and not self._draws[0][1].steps and self.plan.vote != "plurality":
            member = self._draws[0][0]
            return torch.log_softmax(self._models[member].module(inputs[member]).float(), -1)
        outcomes = [outcome for run in self._runs() for outcome in self._run(run, inputs, keys)]
        return merge(torch.stack(outcomes, 1), self.plan.vote)

    def classify(self, x: Inputs, item_ids: Sequence[str] | None = None) -> torch.Tensor:
        """Class index ``int64 [item]``; ties are broken by the item's keyed uniform, as the plan declares.

        Without ``item_ids`` the uniform follows the content of the image. Raises what :meth:`forward` raises, and
        TtscaleError for a wrong number of ids.
        """
        noise = keyed.uniforms(self.plan.seed, self._keys(self._inputs(x), item_ids), stream=keyed.TIES)
        return decide(self._scores(x, item_ids), noise)

    def _runs(self) -> list[list[tuple[str, View]]]:
        """Neighbouring draws of one member, in the order of the plan: they may share a forward."""
        runs: list[list[tuple[str, View]]] = []
        for draw in self._draws:
            if runs and runs[-1][0][0] == draw[0]:
                runs[-1].append(draw)
            else:
                runs.append([draw])
        return runs

    def _run(
        self, draws: list[tuple[str, View]], inputs: Mapping[str, torch.Tensor], keys: torch.Tensor
    ) -> list[torch.Tensor]:
        model = self._models[draws[0][0]]
        x = inputs[model.name]
        space = self._space(model, x.device)
        at_once = max(1, _VALUES_A_FORWARD // max(1, x.numel()))
        outcomes: list[torch.Tensor] = []
        for start in range(0, len(draws), at_once):
            seen = [apply_view(view, x, space, self.plan.seed, keys) for _, view in draws[start : start + at_once]]
            logits = model.module(seen[0] if len(seen) == 1 else torch.cat(seen))
            outcomes += torch.log_softmax(logits.float(), -1).split(len(x))
        return outcomes

    def _space(self, model: Model, device: torch.device) -> PixelSpace:
        """Made once a device, so that no forward waits for a copy."""
        key = (model.name, device)
        if key not in self._spaces:
            self._spaces[key] = PixelSpace.on(device, model.mean, model.std)
        return self._spaces[key]

    def _inputs(self, x: Inputs) -> Mapping[str, torch.Tensor]:
        if isinstance(x, torch.Tensor):
            if len(self._models) > 1:
                self._require_one_preprocessing()
            return dict.fromkeys(self._models, x)
        missing = [name for name in self._models if name not in x]
        if missing:
            raise TtscaleError(
                "x", expected=f"a tensor for each of {list(self._models)}", got=f"none for {missing}", fix="Add it."
            )
        return x

    def _require_one_preprocessing(self) -> None:
        if len({model.preprocess_key for model in self._models.values()}) > 1:
            raise TtscaleError(
                "x", expected=f"a mapping of member to tensor, since {list(self._models)} preprocess differently",
                got="one tensor", fix="Pass {member name: tensor made by that member's preprocess}.",
            )  # fmt: skip

    def _keys(self, inputs: Mapping[str, torch.Tensor], item_ids: Sequence[str] | None) -> torch.Tensor:
        x = next(iter(inputs.values()))
        if item_ids is None:
            return _content_keys(x)
        if len(item_ids) != len(x):
            raise TtscaleError("item_ids", expected=f"{len(x)} ids", got=str(len(item_ids)), fix="Give one a row of x.")
        return torch.from_numpy(keyed.item_keys(item_ids)).to(x.device, non_blocking=True)


def wrap(
    models: AnyModel | Sequence[AnyModel] | None,
    plan: Plan | str | Path,
    *,
    device: str | None = None,
    verifiers: Mapping[str, Verifier] | None = None,
) -> Wrapped | WrappedLanguage:
    """What runs a plan: a module for classifiers, a callable of questions for language models.

    Args:
        models: the plan's members, in any order (others are ignored); None loads them by the plan's specs.
        plan: from :func:`ttscale.plan`, or the path of its ``plan.json``.
        device: where to put the members; None leaves them where they are.
        verifiers: for votes over answers that use one, by the name of its score, as :func:`ttscale.verify` takes them.

    Raises:
        TtscaleError: a member (or verifier) of the plan is missing, or a member has other weights or preprocessing than
            the plan was made with.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    chosen = _members(models, plan)
    if plan.outcome == "text":
        speakers = [model for model in chosen if isinstance(model, LanguageModel | Endpoint)]
        scorers = {name: scorer_for(verifier, device=device or "auto") for name, verifier in (verifiers or {}).items()}
        return WrappedLanguage(speakers, plan, device=_place(speakers, device), scorers=scorers)
    if verifiers:
        raise TtscaleError(
            "verifiers", expected="none: the plan is for classifiers", got=", ".join(verifiers), fix="Leave them out."
        )
    better = Wrapped([model for model in chosen if isinstance(model, Model)], plan)
    return better if device is None else better.to(device)


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


def _content_keys(x: torch.Tensor) -> torch.Tensor:
    """A hash of each image's bits, ``int64 [item]``: equal images get equal noise wherever they stand in a batch."""
    bits = x.float().contiguous().flatten(1).view(torch.int32).long()
    odd = 2 * torch.arange(1, bits.shape[1] + 1, device=x.device) + 1
    return (bits * (odd * 0x9E3779B1)).sum(-1)
