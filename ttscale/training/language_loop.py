"""The training loop of small language models: resumable within a run, metered in FLOPs, reproducible from its seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ttscale.training.checkpoint import Checkpoint
from ttscale.training.language_batches import IGNORED, Batch
from ttscale.training.language_recipe import LanguageRecipe
from ttscale.training.loop import check_finite, one_cycle, parameter_groups

CHECKPOINT_SECONDS = 20.0  # of training between two checkpoints
TELL_EVERY = 10  # steps


@dataclass(frozen=True)
class LanguageTraining:
    """What a finished run did: FLOPs of a step (1 multiply-add = 2) and of all, tokens that are no padding, seconds."""

    step_flops: float
    steps: int
    tokens_seen: int
    train_flops: float
    seconds: float


def fit_language_model(
    module: nn.Module,
    batch_of: Callable[[int], Batch],
    steps: int,
    recipe: LanguageRecipe,
    *,
    learning_rate: float,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> LanguageTraining:
    """Train ``module`` in place; with ``checkpoint`` a killed run goes on where it was last written, to the same
    weights: a step depends on the state before it and on its number alone.

    FLOPs are those of one real step, forward and backward, by torch's counter, times the number of steps: every batch
    has the same shape.

    Args:
        module: a ``transformers`` causal LM whose attention is ``"eager"``, so that the counter sees it.
        batch_of: the batch of a step.
        steps: of the schedule, which is complete within them.
        learning_rate: peak of the schedule.
        on_step: told now and then, and at the end, the number of finished steps and the loss of the last one.

    Raises:
        TtscaleError: the checkpoint is another run's, or the training diverges.
    """
    module.to(device).train()
    optimizer = torch.optim.AdamW(
        parameter_groups(module, recipe.weight_decay), lr=learning_rate, betas=(0.9, recipe.beta2)
    )
    step_flops = flops_of_step(module, batch_of(0).to(device))
    done, tokens_seen, seconds = _restore(checkpoint, module, optimizer)
    started = written = time.perf_counter()
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(step / steps, learning_rate, recipe.warmup)
        batch = batch_of(step)
        loss = solution_loss(module, batch.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)
        optimizer.step()
        tokens_seen += batch.n_tokens
        now = time.perf_counter()
        writes = checkpoint is not None and now - written > CHECKPOINT_SECONDS
        tells = (step + 1) % TELL_EVERY == 0 or step + 1 == steps
        if writes or tells:
            check_finite(module, loss, f"step {step + 1}")
        if checkpoint is not None and writes:
            state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "tokens_seen": tokens_seen}
            checkpoint.write({"step": step + 1, "seconds": seconds + now - started, **state})
            written = now
        if tells:
            on_step(step + 1, loss.item())
    module.eval()
    seconds += time.perf_counter() - started
    return LanguageTraining(step_flops, steps, tokens_seen, step_flops * steps, seconds)


def one_step(module: nn.Module, batch: Batch, device: torch.device) -> Callable[[], float]:
    """What does a training step on a batch, and returns its loss: to be timed."""
    module.to(device).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.0)

    def step() -> float:
        loss = solution_loss(module, batch.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def solution_loss(module: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy, in nats, of the tokens of the solutions."""
    logits = module(
        input_ids=batch.tokens, position_ids=batch.positions, attention_mask=batch.bias, use_cache=False
    ).logits
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)


@torch.inference_mode()
def validation_loss(module: nn.Module, batches: Iterable[Batch], device: torch.device) -> float:
    """Mean cross-entropy of the solutions' tokens, in nats; every batch counts the same."""
    module.eval()
    losses = [float(solution_loss(module, batch.to(device))) for batch in batches]
    return sum(losses) / len(losses)


def flops_of_step(module: nn.Module, batch: Batch) -> float:
    """FLOPs of one training step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        solution_loss(module, batch).backward()
    module.zero_grad()
    return float(counter.get_total_flops())


def _restore(
    checkpoint: Checkpoint | None, module: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, int, float]:
    """(steps done, tokens seen, seconds spent) of the run in ``checkpoint``, its state put into the rest."""
    state: dict[str, Any] | None = checkpoint.read() if checkpoint is not None else None
    if state is None:
        return 0, 0, 0.0
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["tokens_seen"], state["seconds"]
