"""``gguf:FILE``: quantised language models, dequantised once into a safetensors folder of the cache."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from ttscale.data.cache import cache_folder, writing_to_cache
from ttscale.data.files import sha256_file
from ttscale.data.paths import to_path
from ttscale.errors import TtscaleError, require
from ttscale.models.hf_models import CARD_FILE, load_folder, quietly
from ttscale.models.language import LanguageModel
from ttscale.models.module import VISION_OPTIONS, Options

CONVERSION = 1  # of folders; raised when what a conversion writes changes


def load_gguf(file: str, options: Options) -> LanguageModel:
    """A GGUF file, converted on first use; see :func:`ttscale.models.load.load_model`."""
    options.refuse(f"gguf:{file}", *VISION_OPTIONS)
    path = to_path("models", file)
    if not path.is_file():
        raise TtscaleError("models", expected="a GGUF file", got=f"no file {path}", fix="Check the path.")
    digest = sha256_file(path)
    folder = cache_folder() / "gguf" / f"{path.stem}-{digest[:16]}"
    converted(path, digest, folder, {"source": path.name})
    return load_folder(folder, spec=f"gguf:{file}", name=options.name or path.stem)


def converted(file: Path, sha256: str, folder: Path, facts: Mapping[str, Any], *, progress: bool = True) -> Path:
    """``folder`` with the model of a GGUF file as transformers loads it in a second: made, unless it is there, whole.

    Made in a folder beside it and renamed, one process at a time.

    Args:
        file: the GGUF file. sha256: of it, already checked.
        facts: for the card beside the weights. progress: say on stderr that a conversion is under way.

    Raises:
        TtscaleError: not a GGUF file, an architecture that transformers cannot read, or a cache that cannot be written.
    """
    with writing_to_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if is_whole(folder, sha256):
                return folder
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".convert-") as scratch:
                made = Path(scratch) / "made"
                with _converting(file.name, progress):
                    _convert(file, made)
                _write_card(made, {**facts, "dequantised_from": f"{file.name} (sha256 {sha256})"}, sha256)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(made, folder)
    return folder


@contextlib.contextmanager
def _converting(name: str, progress: bool) -> Iterator[None]:
    """A line on stderr that counts the seconds; the bars of other packages stay out of it."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress, redirect_stderr=False) as line:
        line.add_task(f"Converting {name} (once)", total=None)
        with contextlib.redirect_stderr(io.StringIO()):
            yield


def is_whole(folder: Path, sha256: str) -> bool:
    """Whether ``folder`` is what a conversion of the file with this SHA-256 wrote, to the byte."""
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        made = card["files"]
        return (made["gguf"], made["conversion"]) == (sha256, CONVERSION) and all(
            sha256_file(folder / name) == digest for name, digest in made["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _convert(file: Path, into: Path) -> None:
    transformers = require("transformers", install="ttscale[lm]", needed_for="GGUF files")
    for package in ("gguf", "accelerate"):
        require(package, install="ttscale[lm]", needed_for="GGUF files")
    from_file = {"gguf_file": file.name, "local_files_only": True}
    try:
        with quietly():
            tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, **from_file)
            read = transformers.AutoModelForCausalLM.from_pretrained(file.parent, **from_file, dtype=torch.float32)
            config = read.config
            if hasattr(config, "quantization_config"):
                del config.quantization_config
            # save_pretrained refuses a model that came from GGUF, so its weights move into a fresh one
            with torch.device("meta"):
                fresh = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            fresh.load_state_dict(read.state_dict(), strict=True, assign=True)
            fresh.tie_weights()
            fresh.generation_config = read.generation_config
            fresh.save_pretrained(into)
            tokenizer.save_pretrained(into)
    except OSError:
        raise
    except Exception as error:  # gguf and transformers raise what comes to hand on a file that they cannot read
        raise TtscaleError(
            "models", expected="a GGUF file of a language model that transformers can read",
            got=f"{file}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}",
            fix="Check the file, or give the model's safetensors folder as hf:FOLDER.",
        ) from error  # fmt: skip


def _write_card(folder: Path, facts: Mapping[str, Any], sha256: str) -> None:
    """The card, last, with the SHA-256 of every file; all of it on disk before the folder gets its name."""
    digests = {}
    for path in sorted(folder.iterdir()):
        digests[path.name] = sha256_file(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    made = {"gguf": sha256, "conversion": CONVERSION, "sha256": digests}
    with (folder / CARD_FILE).open("w", encoding="utf-8") as out:
        json.dump({**facts, "files": made}, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
