"""The layers of the design: imports go one way, and reading and analysing Records never needs torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).parents[1] / "ttscale"

# Each layer may import from its own row and from those before it.
LAYERS = (
    ("errors",),
    ("models", "data", "draws"),
    ("cost",),
    ("records",),
    ("generation",),
    ("collecting", "training"),
    ("voting",),
    ("scaling",),
    ("deploy",),
    ("reporting",),
    ("cli",),
)
LEVEL = {layer: level for level, row in enumerate(LAYERS) for layer in row}
WITHOUT_TORCH = ("records", "voting", "scaling", "reporting")


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_layers(source: str) -> Iterator[tuple[int, str]]:
    """(line, layer) of every import of ttscale in a module, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the full path of the module"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "ttscale" and rest:
                yield node.lineno, rest.split(".")[0]


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def test_every_module_stands_in_a_layer():
    assert {layer_of(path) for path in modules()} <= set(LEVEL)


def test_imports_go_one_way():
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {layer_of(path)} imports {layer}"
        for path in modules()
        for line, layer in imported_layers(path.read_text())
        if LEVEL[layer] > LEVEL[layer_of(path)]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_reader_of_imports_sees_every_form():
    source = (
        "import ttscale.cli.app\nfrom ttscale import scaling\ndef f():\n    from ttscale.reporting.page import draw\n"
    )
    assert list(imported_layers(source)) == [(1, "cli"), (2, "scaling"), (4, "reporting")]


def test_package_inits_are_empty_but_for_a_docstring():
    for path in PACKAGE.glob("*/__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body), path


def without_torch(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a new interpreter where importing torch fails."""
    guard = "import sys; sys.modules['torch'] = None; "
    return subprocess.run([sys.executable, "-c", guard + code], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("layer", WITHOUT_TORCH)
def test_layer_needs_no_torch(layer: str):
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in (PACKAGE / layer).glob("*.py")
    ]
    done = without_torch("; ".join(f"import {name.removesuffix('.__init__')}" for name in names))
    assert done.returncode == 0, done.stderr


def test_import_ttscale_needs_no_torch_and_no_plots():
    heavy = ("matplotlib", "plotly", "scipy", "hydra", "pyarrow")
    done = without_torch(f"import ttscale; found = set({heavy}) & set(sys.modules); assert not found, found")
    assert done.returncode == 0, done.stderr


USE = """
import numpy as np
from ttscale.records.records import Records
from ttscale.reporting.report import report
from ttscale.scaling.summaries.summary import summarize

rng = np.random.default_rng(0)
scores = rng.normal(size=(3, 60, 2, 4))
log_probs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
cards = {name: {"size": name, "train_flops": 10.0**i} for i, name in enumerate("abc", start=1)}
records = Records.from_arrays(
    dict(zip("abc", log_probs)), rng.integers(0, 4, 60), cards=cards, flops={"a": 1.0, "b": 2.0, "c": 4.0}
)
print(report(None, "page", summary=summarize(records, min_accuracy=0.1, n_boot=50)))
"""


def test_analysing_and_reporting_need_no_torch(tmp_path: Path):
    done = without_torch(USE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page" / "report.html").is_file()


def test_public_names_are_not_shadowed_by_subpackages():
    """Importing a submodule sets an attribute of the package; no public name may be called like a subpackage."""
    import ttscale

    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert not folders & set(ttscale.__all__)
    assert not any(isinstance(getattr(ttscale, name), ModuleType) for name in ttscale.__all__)
