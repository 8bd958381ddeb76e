"""``profile``: the seconds of a decision with so many draws, on this device, put beside the Records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ttscale.collecting.checks import check_whole
from ttscale.collecting.environment import describe_device, pick_device, torch_threads
from ttscale.collecting.precision import image_format
from ttscale.collecting.profile_images import count_images, time_images
from ttscale.collecting.profile_language import count_questions, time_questions
from ttscale.collecting.progress import bar
from ttscale.errors import TtscaleError
from ttscale.generation.placement import numeric_format
from ttscale.models.language import LanguageModel
from ttscale.models.load import AnyModel
from ttscale.models.model import Model
from ttscale.records.profiles import PROFILES, without
from ttscale.records.read import read_records
from ttscale.records.records import Records
from ttscale.records.store import add_derived


def profile(
    records: Records | str | Path,
    models: AnyModel | Sequence[AnyModel],
    *,
    n_items: int = 4,
    repeats: int = 5,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    progress: bool = True,
) -> Records:
    """Time one decision with 1, 2, 4, … draws, up to those collected: views of an image, or samples of the plain prompt
    under every decoding.

    An item is alone on the device, as a question to a deployed plan is. All views of an image stand in one batch (those
    of another input size in another); the samples of a prompt, prefilled once, step together, and the beginning that it
    shares with prompts of the run is computed before the clock starts. The samples are those of the Records, so their
    lengths are, too. Every repeat goes once through all numbers of draws, so that a slow minute of the machine hits
    them alike. A profile of the same device (and number of threads) and numeric format takes the place of an older one;
    curves tell the seconds of the latest.

    The seconds of served models are not measured: they depend on who else asks the server.

    Args:
        records: in a folder (or its path).
        models: local members of these Records; the others are left without a profile.
        n_items: timed decisions of each kind; of text, items spread evenly over the Records, family after family,
            whose seconds are kept one by one. Quantiles and the slowest are of these items: 10 tell what 90 % of them
            take from what the slowest takes, 100 what 99 % take.
        repeats: of which the median is kept.
        device, dtype, threads: as in :func:`ttscale.collect`.

    Returns:
        The Records with ``profiles.parquet`` (columns of ``records.profiles.PROFILES``), from which curves take their
        seconds.

    Raises:
        TtscaleError: Records made of arrays, models that are no local members of them, or numbers below 1.
    """
    known = records if isinstance(records, Records) else read_records(records)
    folder = known.path
    if folder is None or (known.outcome == "text" and known.questions is None):
        raise TtscaleError(
            "records", expected="Records in a folder, of text with their questions", got=f"{known.outcome} of {folder}",
            fix="Give the `out` of a run.",
        )  # fmt: skip
    members: list[Any] = list(models) if isinstance(models, Sequence) else [models]
    check_whole(n_items=n_items, repeats=repeats, threads=threads)
    _check(known, members)
    target = pick_device(device)
    text = known.outcome == "text"
    count, time_all = (count_questions, time_questions) if text else (count_images, time_images)
    with (
        torch_threads(threads),
        bar("decisions", count(known, members, n_items, repeats), progress, title="profile") as advance,
    ):
        rows = time_all(known, members, n_items, repeats, target, dtype, advance)
        place = describe_device(target)
    used = str((numeric_format if text else image_format)(dtype, target)).removeprefix("torch.")
    kept = without(known.profiles(), place, used)
    new = [{**row, "device": place, "dtype": used} for row in rows]
    table = pa.Table.from_pylist([*kept, *new], schema=PROFILES)
    add_derived(folder, "profiles", {"profiles.parquet": table})
    return read_records(folder, verify=False)


def _check(records: Records, models: Sequence[Any]) -> None:
    kind, words = (LanguageModel, "local language models") if records.outcome == "text" else (Model, "classifiers")
    if not models or not all(isinstance(model, kind) for model in models):
        raise TtscaleError(
            "models", expected=f"{words} from load_model", got=repr(models)[:80],
            fix="Give members of these Records; a server's seconds depend on who else asks it, and need a load test.",
        )  # fmt: skip
    for model in models:
        if models.count(model) > 1:
            raise TtscaleError("models", expected="each member once", got=f"{model.name} twice", fix="Leave one out.")
        if records.member(model.name).fingerprint != model.fingerprint():
            raise TtscaleError(
                "models", expected=f"{model.name} as these Records know it", got="other weights or preprocessing",
                fix="Load the same weights.",
            )  # fmt: skip
