"""``hf:NAME_OR_FOLDER``: causal language models of the Hugging Face hub, or of a folder, with their tokenizers."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, require
from ttscale.models.hub import offline_when_unreachable
from ttscale.models.language import LanguageModel
from ttscale.models.module import VISION_OPTIONS, Options

CARD_FILE = "ttscale.json"  # facts beside the weights, where ttscale wrote the folder
UNREACHABLE = {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectionError", "ConnectError", "ConnectTimeout"}
UNKNOWN = {"RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError"}
NO_LIMIT = 2**31 - 1  # context of an architecture that has no longest input


def load_hf(name: str, options: Options) -> LanguageModel:
    """``NAME``, ``NAME@REVISION`` or a folder; see :func:`ttscale.models.load.load_model`.

    Weights become float32, on the CPU, in eval mode. No code that comes with a model is run.
    """
    options.refuse(f"hf:{name}", *VISION_OPTIONS)
    folder = to_path("models", name)
    if folder.is_dir():
        return load_folder(folder, spec=f"hf:{name}", name=options.name or folder.resolve().name)
    hub_name, _, revision = name.partition("@")
    return _load(hub_name, revision or None, f"hf:{name}", options.name or hub_name.rpartition("/")[2], {})


def load_folder(folder: Path, *, spec: str, name: str, facts: Mapping[str, Any] | None = None) -> LanguageModel:
    """A model that ``save_pretrained`` wrote, with its tokenizer; ``facts`` and a card beside it become its card."""
    if not (folder / "config.json").is_file():
        raise TtscaleError(
            "models", expected="a folder with config.json, weights and tokenizer", got=f"{folder} without config.json",
            fix="Give the folder that save_pretrained wrote, of the model and of its tokenizer.",
        )  # fmt: skip
    card = folder / CARD_FILE
    beside = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    return _load(str(folder), None, spec, name, {**{k: beside[k] for k in beside if k != "files"}, **(facts or {})})


def _load(place: str, revision: str | None, spec: str, name: str, facts: Mapping[str, Any]) -> LanguageModel:
    transformers = require("transformers", install="ttscale[lm]", needed_for="hf:, gguf: and pip: language models")
    more = {"revision": revision or "main", "trust_remote_code": False}
    with _errors_in_words(spec), quietly(), offline_when_unreachable():
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **more)
        module, loading = transformers.AutoModelForCausalLM.from_pretrained(
            place, **more, dtype=torch.float32, output_loading_info=True
        )
    unlike = [str(entry[0]) if isinstance(entry, tuple) else str(entry) for entry in loading["mismatched_keys"]]
    if missing := sorted([*loading["missing_keys"], *unlike]):
        raise TtscaleError(
            "models", expected=f"all weights of {type(module).__name__}",
            got=f"{spec} without {len(missing)} of them (such as {', '.join(missing[:2])})",
            fix="Give a causal language model; of another kind, or damaged, its missing weights would be random.",
        )  # fmt: skip
    module.eval()
    _check_causal(module, spec)
    config = module.config.get_text_config(decoder=True)
    card = {
        "n_params": sum(parameter.numel() for parameter in module.parameters()), "family": config.model_type,
        "architecture": type(module).__name__, "source": spec, **facts,
    }  # fmt: skip
    return LanguageModel(name, spec, module, tokenizer, context_of(config, tokenizer), card)


def context_of(config: Any, tokenizer: Any) -> int:
    """Most tokens of prompt and completion: by the config, else by the tokenizer, else :data:`NO_LIMIT`."""
    for key in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx"):
        if isinstance(length := getattr(config, key, None), int) and length > 0:
            return length
    return min(int(getattr(tokenizer, "model_max_length", NO_LIMIT)), NO_LIMIT)


@torch.no_grad()
def _check_causal(module: nn.Module, spec: str) -> None:
    """Raise unless the module gives a logit per token of the vocabulary that later tokens cannot change.

    Masked models load as causal ones without complaint, and would be sampled from as if they were.
    """
    logits = module(input_ids=torch.tensor([[5, 6, 7, 8], [5, 6, 9, 4]])).logits
    early, late = logits[:, :2], logits[:, 2:]
    looks_ahead = not torch.allclose(early[0], early[1], rtol=1e-3, atol=1e-3)
    if looks_ahead or torch.equal(late[0], late[1]) or not logits.isfinite().all():
        raise TtscaleError(
            "models", expected="a causal language model: a token's logits depend on it and on those before, alone",
            got=f"{spec} ({type(module).__name__}), whose logits {_fault(looks_ahead, logits)}",
            fix="Give a model that was trained to generate text.",
        )  # fmt: skip


def _fault(looks_ahead: bool, logits: torch.Tensor) -> str:
    if not logits.isfinite().all():
        return "are not finite"
    return "depend on later tokens" if looks_ahead else "do not depend on the tokens"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' progress bars and its remarks below errors."""
    from transformers.utils import logging as said

    before, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    said.set_verbosity(logging.ERROR)
    said.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        said.set_verbosity(before)
        if bars:
            said.enable_progress_bar()


@contextlib.contextmanager
def _errors_in_words(spec: str) -> Iterator[None]:
    """What the hub's client and transformers raise, as one error that says what to do."""
    try:
        yield
    except TtscaleError:
        raise
    except Exception as error:  # transformers lets the errors of a dozen libraries through
        kinds = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
        said = next((line for line in str(error).splitlines() if line.strip()), "no message")
        raise TtscaleError(
            "models", expected=f"a causal language model at {spec}", got=f"{type(error).__name__}: {said}",
            fix=_what_to_do(kinds, str(error)),
        ) from error  # fmt: skip


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _what_to_do(kinds: set[str], said: str) -> str:
    if "GatedRepoError" in kinds or "gated repo" in said:
        return "Accept the model's terms on its page, then log in with `hf auth login` or set HF_TOKEN."
    if kinds & UNREACHABLE:
        return "Connect to the network once to fill the cache, or give the folder of a model that is here."
    if kinds & UNKNOWN or "not a local folder" in said:
        return "Check the name (OWNER/NAME or OWNER/NAME@REVISION) or the folder; a private one needs HF_TOKEN."
    if "trust_remote_code" in said:
        return "Models that bring their own code are not run; load it yourself, or give another."
    return "Give the folder of a causal language model and its tokenizer, as save_pretrained writes them."
