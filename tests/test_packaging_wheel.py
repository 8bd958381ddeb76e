"""The wheel: configs and the zoo are in it, and it works beside its dependencies, away from a checkout."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def run(command: list[str], cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."], ROOT)
    (built,) = folder.glob("ttscale-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder that holds the installed wheel alone; its dependencies are the environment's."""
    site = wheel.parent / "site"
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)],
        wheel.parent,
    )
    return site


def test_every_dependency_is_imported_somewhere():
    """One that only tests import belongs to the extra ``dev``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    trees = [ast.parse(path.read_text()) for path in (ROOT / "ttscale").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {"pillow": "PIL", "hydra-core": "hydra", "array-api-compat": "array_api_compat"}
    needed = [dependency.split(">=")[0] for dependency in project["dependencies"]]
    assert [name for name in needed if names.get(name, name) not in imported] == []


def test_what_ships_is_small():
    """The package as it is tracked, or as it lies there where there is no git: below 15 MB."""
    listed = subprocess.run(["git", "ls-files", "-z", "ttscale"], cwd=ROOT, capture_output=True, text=True)
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name] if listed.returncode == 0 else []
    files = tracked or [path for path in (ROOT / "ttscale").rglob("*") if "__pycache__" not in path.parts]
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert 1e6 < size < 15e6


def test_wheel_holds_configs_and_zoo_and_nothing_of_the_checkout(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"ttscale/configs/{path.relative_to(ROOT / 'configs')}" for path in (ROOT / "configs").rglob("*.yaml")}
    zoo = {str(path.relative_to(ROOT)) for path in (ROOT / "ttscale" / "zoo").rglob("*") if path.is_file()}
    assert configs <= names and zoo <= names and configs and zoo
    assert {name.split("/")[0] for name in names} == {"ttscale", "ttscale-0.1.0.dist-info"}


def test_installed_wheel_finds_its_own_configs(installed: Path, tmp_path: Path):
    show = "from ttscale.cli.paths import configs_folder; print(configs_folder())"
    assert run([sys.executable, "-c", show], tmp_path, PYTHONPATH=str(installed)).strip() == str(
        installed / "ttscale" / "configs"
    )


def test_demo_config_from_another_folder(installed: Path, tmp_path: Path):
    shown = run([str(installed / "bin" / "ttscale"), "demo", "--cfg", "job"], tmp_path, PYTHONPATH=str(installed))
    config = yaml.safe_load(shown)
    assert (config["models"], config["data"]["spec"], config["out"]) == ("zoo:*", "fashion-mnist", "runs/demo")
    assert not list(tmp_path.iterdir())


def test_installed_wheel_brings_models_and_images(installed: Path, tmp_path: Path):
    count = "from ttscale import load_data; from ttscale.models.zoo import ZOO_FOLDER, zoo_names; "
    code = count + "print(ZOO_FOLDER, len(zoo_names()), len(load_data('fashion-mnist')))"
    folder, n_models, n_images = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(installed)).split()
    assert Path(folder) == installed / "ttscale" / "zoo" and int(n_models) >= 12 and n_images == "10000"


def test_help_from_another_folder(installed: Path, tmp_path: Path):
    program = str(installed / "bin" / "ttscale")
    assert "  demo " in run([program, "--help"], tmp_path, PYTHONPATH=str(installed))
    assert "fashion_mnist*" in run([program, "sweep", "--help"], tmp_path, PYTHONPATH=str(installed))
