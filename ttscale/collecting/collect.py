"""``collect``: run every draw once and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from ttscale.collecting.checks import check_arguments, check_together, check_unused
from ttscale.collecting.language_run import collect_texts
from ttscale.collecting.vision_run import collect_images
from ttscale.data.dataset import Dataset
from ttscale.data.problems import Problems
from ttscale.draws.sampling import Sampling, sampling
from ttscale.draws.views import ViewSet
from ttscale.models.load import AnyModel
from ttscale.records.read import read_records
from ttscale.records.records import Records


def collect(
    models: AnyModel | Sequence[AnyModel],
    data: Dataset | Problems,
    *,
    draws: str | ViewSet | Sampling | None = None,
    out: str | Path,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    workers: int = 1,
    channels_last: bool = True,
    fold: bool = True,
    compile: bool = False,
    log_probs_dtype: str = "auto",
    on_bad_item: str = "error",
    dtype: str = "auto",
    prefill: str = "shared",
    progress: bool = True,
    command: str | None = None,
) -> Records:
    """Run every draw of every member on every item, into Records: views of images, or samples of language models.

    A run that was killed goes on at its last complete block when it is called again with the same arguments (batch size
    included) and versions, and gives the Records of an unbroken run; what a served model had already answered is not
    asked again. A batch that does not fit in memory is halved, from where on results are the same within rounding. The
    modules are as they were after the run.

    Args:
        models: one or several members: classifiers with the same classes, or language models (local, served, or both).
        data: the items: a Dataset for classifiers, Problems for language models.
        draws: view set, as :func:`ttscale.views` takes it (default: the image as it is), or a
            :func:`ttscale.sampling` (default: greedy decoding and 16 samples).
        out: folder of the Records; new, or begun by the same call.
        seed: of the keyed noise of random views, and of sampling.
        batch_size: items a forward (vision), or samples a step (language); None picks one from the sizes and the
            device.
        device: ``"auto"`` (CUDA where there is one), or a torch device.
        threads: torch's CPU threads during the run; None leaves torch's setting.
        workers: vision: threads that decode and preprocess ahead; with more than one, ``data.load`` must bear it.
        channels_last: vision: memory format of inputs and weights; the faster one for most convolutional networks.
        fold: vision: let convolutions do the batch norm after them, in copies that run in place of the members: faster,
            the same within rounding (in float32, 1e-4 of the largest output at most on some of the items and on noise,
            at every input size; in half precision, that of the format). FLOPs are those of the members as given.
        compile: vision: let torch compile the members for the run's batches (a minute each), as CUDA graphs on CUDA.
        log_probs_dtype: vision: ``"float32"``, ``"float16"``, ``"uint8"`` (codes, see :mod:`ttscale.records.codes`: a
            quarter of float32, and few decisions of votes change), or ``"auto"``: float16 when float32 would take over
            4 GiB.
        on_bad_item: vision: ``"error"`` stops at an unreadable item and names it; ``"skip"`` leaves it out, counts and
            reports it.
        dtype: numeric format that models work in: ``"auto"`` (on CUDA float16 for images and bfloat16 for language,
            else float32), ``"float32"``, ``"bfloat16"`` or ``"float16"``; for images by autocast.
        prefill: language: ``"shared"`` charges the prefill of a prompt once for all of its samples, and a beginning
            that prompts share once a run, in equal parts to the items that begin with it (so a share depends on their
            number); ``"per_sample"`` charges the whole prompt with every sample. A local model runs it once anyway. A
            server is charged it for every request that brought samples of it: with every one where it ignores ``n``.
        progress: show a bar with the time left.
        command: the command line, kept in the manifest.

    Raises:
        TtscaleError: unusable arguments (before anything runs), members that do not go with data or draws, an argument
            that this kind of run has no use for, an unreadable item, NaN in an output (item and member named), a
            prompt that does not fit in a model's context, a gold answer that cannot be read, a server that fails, or a
            folder that holds something else.
    """
    members: tuple[Any, ...] = (models,)
    if isinstance(models, Sequence) and not isinstance(models, str):
        members = tuple(models)
    check_together(members, data, draws)
    check_arguments(members, data, out, seed, batch_size, threads)
    common: dict[str, Any] = {
        "out": out, "seed": seed, "batch_size": batch_size, "device": device, "threads": threads,
        "dtype": dtype, "progress": progress, "command": command,
    }  # fmt: skip
    vision: dict[str, Any] = {
        "workers": workers, "channels_last": channels_last, "fold": fold, "compile": compile,
        "log_probs_dtype": log_probs_dtype, "on_bad_item": on_bad_item,
    }  # fmt: skip
    language: dict[str, Any] = {"prefill": prefill}
    if isinstance(data, Problems):
        assert isinstance(draws, Sampling | None)
        check_unused(vision, _DEFAULTS, "language models")
        return collect_texts(members, data, draws or sampling(), **common, **language)
    assert not isinstance(draws, Sampling)
    check_unused(language, _DEFAULTS, "classifiers")
    collect_images(members, data, draws or "identity", **common, **vision)
    return read_records(out, verify=False)  # the writer has just read every file for its checksum


_DEFAULTS = {name: parameter.default for name, parameter in signature(collect).parameters.items()}
