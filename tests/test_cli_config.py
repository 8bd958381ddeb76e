"""The config tree: keys, types, groups, errors in the user's words, multirun, debug, completion."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import pytest
import yaml
from omegaconf import MISSING

from ttscale.cli.build import build, factory
from ttscale.cli.config_errors import group_of, keys_of
from ttscale.cli.groups import GROUPS, Data
from ttscale.cli.job import Job
from ttscale.cli.main import main
from ttscale.cli.paths import configs_folder
from ttscale.cli.schema import SCHEMAS, TrainConfig
from ttscale.cli.verb import VERBS
from ttscale.errors import TtscaleError
from ttscale.models.zoo import ZOO_FOLDER
from ttscale.scaling.fits.fit_law import check_fitting
from ttscale.scaling.fits.fitted import DELTA
from ttscale.scaling.laws.table import LAWS
from ttscale.scaling.summaries.summary import KIND, summarize
from ttscale.training.ladder import train_ladder
from ttscale.voting.merges import VOTES

OPTIONS = sorted(path for group in GROUPS for path in (configs_folder() / group).glob("*.yaml"))


@pytest.fixture
def fake_verb(monkeypatch, tmp_path):
    """Replace what a verb does by keeping its (config, job), or by raising; run in a folder of our own."""
    monkeypatch.chdir(tmp_path)
    calls: list[tuple[object, Job]] = []

    def install(verb: str, error: BaseException | None = None) -> list[tuple[object, Job]]:
        module = ModuleType(VERBS[verb].module)

        def run(config: object, job: Job) -> None:
            calls.append((config, job))
            if error:
                raise error

        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, VERBS[verb].module, module)
        return calls

    return install


def left_behind() -> list[str]:
    return sorted(str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*"))


# The tree


def targets_of(group: str) -> set[str]:
    """The factories that a group and its options name."""
    written = [yaml.safe_load(path.read_text()) for path in OPTIONS if path.parent.name == group]
    return {option["_target_"] for option in written if "_target_" in option}


def parameters_of(group: str) -> Mapping[str, inspect.Parameter]:
    """Of the factories that a group names; of the analysis where it names none."""
    named = [inspect.signature(factory(target)).parameters for target in sorted(targets_of(group))]
    return dict(ChainMap(*map(dict, named or [inspect.signature(summarize).parameters])))


def test_every_verb_has_a_schema_and_a_config():
    assert set(SCHEMAS) == set(VERBS)
    assert {path.stem for path in configs_folder().glob("*.yaml")} == set(VERBS) | {"base"}
    assert {path.name for path in configs_folder().iterdir() if path.is_dir()} == set(GROUPS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_option_keys_are_arguments_of_the_factory_it_names(option: Path):
    written = yaml.safe_load(option.read_text())
    target = written.pop("_target_", None)
    assert (target is None) == (option.parent.name in ("vote", "law", "report"))
    assert set(written) <= inspect.signature(factory(target) if target else summarize).parameters.keys()


def test_only_draws_and_train_have_a_choice_of_factories():
    """Views and samples; a ladder, a soup, students. A key of the one is null for the other."""
    assert {group for group in GROUPS if len(targets_of(group)) > 1} == {"draws", "train"}
    for group, schema in GROUPS.items():
        assert {field.default for field in fields(schema) if field.name == "_target_"} <= targets_of(group)
    for group in ("draws", "train"):
        assert all(field.default is None for field in fields(GROUPS[group]) if field.name != "_target_")


@pytest.mark.parametrize("group", GROUPS)
def test_group_keys_are_arguments_of_its_factory(group: str):
    assert {field.name for field in fields(GROUPS[group])} - {"_target_"} <= parameters_of(group).keys()


@pytest.mark.parametrize("group", ["vote", "law", "report"])
def test_the_analysis_is_not_for_choice(group: str, fake_verb, capsys):
    """What would be read by nothing cannot be written."""
    calls = fake_verb("analyze")
    assert main(["analyze", "records=x", f"+{group}._target_=no.such"]) == 2 and not calls
    assert capsys.readouterr().err.startswith(f"ttscale: {group}._target_: expected a known name")


@pytest.mark.parametrize("group", GROUPS)
def test_group_defaults_are_those_of_its_factory(group: str):
    parameters = parameters_of(group)
    for name, default in ((field.name, field.default) for field in fields(GROUPS[group]) if field.name != "_target_"):
        given = parameters[name].default
        left_to_it = group in ("draws", "train") or str(default).startswith("${")
        assert default == given or left_to_it or (default == MISSING and given is inspect._empty)


def test_train_leaves_to_each_kind_what_nobody_says():
    parameters = inspect.signature(train_ladder).parameters
    config = TrainConfig()
    assert {getattr(config, name) for name in ("widths", "seeds", "n_validation", "image_size")} == {None}
    for name in ("processes", "device"):
        assert getattr(config, name) == parameters[name].default


def test_every_vote_and_law_has_an_option():
    assert {path.stem for path in (configs_folder() / "vote").glob("*.yaml")} == {*VOTES, "auto", "weighted", "best"}
    others = {"auto", "stacked", "populations"}
    assert {path.stem for path in (configs_folder() / "law").glob("*.yaml")} == LAWS.keys() | others
    usual = GROUPS["law"]()
    check_fitting(usual.law, usual.loss, usual.delta)
    assert (usual.loss, usual.delta) == ("auto", DELTA)


def test_the_zoo_was_trained_by_the_recipe_of_its_option():
    cards = [json.loads(path.read_text()) for path in ZOO_FOLDER.glob("*.json")]
    recipe = yaml.safe_load((configs_folder() / "train" / "zoo.yaml").read_text())
    del recipe["_target_"]
    assert cards and all(card["recipe"] == {"n_train": None, **recipe} for card in cards)


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), *GROUPS.values()], ids=lambda schema: schema.__name__)
def test_every_key_has_a_meaning(schema: type):
    hints = get_type_hints(schema)
    for field in fields(schema):
        assert field.name == "_target_" or is_dataclass(hints[field.name]) or field.metadata["meaning"]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_option_composes(option: Path, capsys):
    verb = "train" if option.parent.name == "train" else "sweep"
    assert main([verb, f"{option.parent.name}={option.stem}", "--cfg", "job"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    written = yaml.safe_load(option.read_text())
    assert {key: shown[option.parent.name][key] for key in written} == written


def test_an_option_that_is_chosen_leaves_no_key_of_another(fake_verb):
    """What samples need, views refuse: an option must not carry over."""
    calls = fake_verb("sweep")
    assert main(["sweep", "models=zoo:a", "draws=samples", "draws.n=[4,2]", "draws.temperature=[0.7,1]"]) == 0
    draws = build(calls[0][0].draws)
    assert [(decoding.id, n) for decoding, n in draws.decodings] == [("greedy", 1), ("T0.7", 4), ("T1", 2)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["draws=flip", "draws.n=4"], "draws.n: expected null, got 4. ttscale.draws.grammar.views takes spec"),
        (["draws=samples", "draws.spec=flip"], "draws.spec: expected null, got 'flip'"),
        (["draws=flip", "draws.spec=null"], "draws.spec: expected a value, got null"),
        (["draws=samples", "draws.temperature=0"], "draws.temperature: expected different numbers of at least 0.001"),
    ],
)
def test_keys_of_other_draws_are_refused_by_name(given: list[str], said: str, capsys):
    assert main(["collect", "models=zoo:resnet8-w4-s0", *given]) == 2
    assert f"ttscale: {said}" in capsys.readouterr().err


# Help


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_every_key_group_and_option(verb: str, capsys):
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 120
    nested = keys_of(SCHEMAS[verb])
    for key, hint in nested.items():
        if group_of(hint):
            assert all(option.stem in text for option in (configs_folder() / key).glob("*.yaml"))
        elif not key.endswith("_target_"):
            assert f"\n  {key} " in text


def test_help_follows_overrides_and_own_options(capsys, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("spec: imagefolder\nroot: /my/photos\n")
    assert main(["sweep", "data=mine", "--config-dir", str(tmp_path), "report.ci=0.9", "--help"]) == 0
    text = capsys.readouterr().out
    assert "mine*" in text and "/my/photos" in text and "= 0.9 " in text


# Overrides and where results go


def test_overrides_reach_the_verb_as_plain_values(fake_verb):
    calls = fake_verb("sweep")
    assert (
        main(["sweep", "models=[timm:a,zoo:b-*]", "data.limit=8", "draws=flip", "seed=3", "out=~/x"]) == 2
    )  # ~ needs quotes
    assert main(["sweep", "models=[timm:a,zoo:b-*]", "data.limit=8", "draws=flip", "seed=3", "out='~/x'"]) == 0
    ((config, job),) = calls
    assert type(config) is SCHEMAS["sweep"]
    assert (config.models, config.data.limit, config.draws.spec, config.seed) == (["timm:a", "zoo:b-*"], 8, "flip", 3)
    assert job.out == Path.home() / "x"
    assert (
        job.command == "ttscale sweep 'models=[timm:a,zoo:b-*]' data.limit=8 draws=flip seed=3 'out='\"'\"'~/x'\"'\"''"
    )
    assert left_behind() == []


def test_out_is_a_dated_folder_by_default(fake_verb):
    calls = fake_verb("fetch")
    assert main(["fetch", "name=a"]) == 0
    out = calls[0][1].out
    assert out.parent == Path("runs") and time.strptime(out.name, "%Y-%m-%d_%H-%M-%S_fetch")
    assert left_behind() == []  # the verb makes the folder when it has something to put there


def test_out_that_is_a_file_is_refused_before_any_work(fake_verb, capsys):
    calls = fake_verb("fetch")
    Path("file").touch()
    assert main(["fetch", "name=a", "out=file"]) == 2
    assert not calls and "out: expected a folder, got the file file." in capsys.readouterr().err


def test_out_with_results_of_another_verb_is_refused_before_any_work(fake_verb, capsys):
    """A verb replaces what verbs of its kind wrote, and nothing else."""
    calls = fake_verb("analyze")
    given, file = ["analyze", "records=x", "out=kept"], Path("kept/summary.json")
    file.parent.mkdir()
    others = [verb for verb in VERBS if VERBS[verb].writes != KIND and verb not in ("collect", "import")]
    for verb in others:
        file.write_text(json.dumps({"kind": VERBS[verb].writes}))
        assert main(given) == 2
        assert f"got kept, which holds those of ttscale {verb}. Choose another `out`." in capsys.readouterr().err
    assert not calls and set(VERBS) - set(others) == {"sweep", "analyze", "report", "demo", "collect", "import"}
    for mine in (json.dumps({"kind": KIND}), "[]", "no json", '{"kind": "of nobody"}'):
        file.write_text(mine)
        assert main(given) == 0
    assert len(calls) == 4


def test_multirun_gives_each_job_a_folder(fake_verb, capfd):
    calls = fake_verb("sweep")
    assert main(["sweep", "--multirun", "models=a,b", "draws=flip,identity"]) == 0
    top = calls[0][1].out.parent
    assert [job.out for _, job in calls] == [top / str(i) for i in range(4)]
    assert [(config.models, config.draws.spec) for config, _ in calls] == [
        ("a", "flip"), ("a", "identity"), ("b", "flip"), ("b", "identity")
    ]  # fmt: skip
    assert calls[3][1].command == f"ttscale sweep models=b draws=identity out={top}/3"
    everything = left_behind()
    assert all(name == "runs" or name.startswith(str(top)) for name in everything)
    assert not any(name.endswith(".log") for name in everything)
    assert capfd.readouterr().out == ""


def test_multirun_goes_on_after_a_failed_job_and_exits_with_its_status(fake_verb, capsys):
    calls = fake_verb("fetch", TtscaleError("name", expected="a", got="b", fix="C."))
    assert main(["fetch", "-m", "name=a,b", "out=runs/x"]) == 2
    assert len(calls) == 2 and capsys.readouterr().err.count("name: expected a, got b. C.") == 2


# Errors


@pytest.mark.parametrize(
    ("override", "argument", "said"),
    [
        ("data.spilt=train", "data.spilt", "Did you mean data.split"),
        ("draws.limit=3", "draws.limit", "Did you mean data.limit?"),
        ("dta=imagefolder", "dta", "Did you mean data"),
        ("data=imagefoldr", "data", "Did you mean imagefolder or"),
        ("data=x", "data", "Known: arithmetic, choices, cifar10, fashion_mnist"),
        ("+data.x=1", "data.x", "Did you mean data."),
        ("+new=1", "new", "expected a known name"),
        ("data.limit=many", "data.limit", "expected a whole number or null, got 'many'"),
        ("data.limit=1.5", "data.limit", "expected a whole number or null, got '1.5'"),
        ("data.limit.x=1", "data.limit.x", "expected a known name"),
        ("report.ci=high", "report.ci", "expected a number, got 'high'"),
        ("report.ci=null", "report.ci", "expected a number, got 'null'"),
        ("debug=perhaps", "debug", "expected true or false, got 'perhaps'"),
        ("vote.vote=[mean]", "vote.vote", "expected text, got '[mean]'"),
        ("data.spec=[a]", "data.spec", "expected text, got '[a]'"),
        ("data=null", "config", "must be a string"),
        ("report.ci=${nope}", "report.ci", "'nope' not found"),
        ("models=a,b", "models", "For a list, write 'models=[a,b]'"),
        ("runs/x", "command line", "expected key=value, got 'runs/x'"),
        ("out=a=b", "command line", "'out=\"a=b\"'"),
        ("--config-dir=/no/such", "config", "'/no/such' not found"),
        ("--config-name=no", "config", "Cannot find primary config 'no'"),
        ("~models", "config", "Could not delete from config. 'models' does not exist. ttscale"),
        ("--nope", "command line", "unrecognized arguments: --nope"),
        ("--cfg=nope", "command line", "invalid choice: 'nope'"),
    ],
)
def test_config_error_is_one_message_and_exit_2(override, argument, said, fake_verb, capsys):
    calls = fake_verb("sweep")
    others = [] if override.startswith(("models", "~models")) else ["models=zoo:*"]
    assert main(["sweep", *others, override]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"ttscale: {argument}: expected") and said in captured.err
    assert captured.err.count("\n") == 1 and "Traceback" not in captured.err and captured.out == ""
    assert not calls and left_behind() == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("load = 5", "It cannot be called."),
        ("def load(spec): return spec", "got an unexpected keyword argument 'split'"),
        ("1 / 0", "division by zero"),
        ("load: (", "was never closed"),
    ],
)
def test_a_factory_of_the_users_that_does_not_work_is_told(source, said, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"mine_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(TtscaleError) as error:
        build(Data(_target_=f"{name}.load", spec="x"))
    assert error.value.argument == "data._target_" and said in str(error.value)


def test_missing_key_is_named(fake_verb, capsys):
    fake_verb("sweep")
    assert main(["sweep"]) == 2
    assert capsys.readouterr().err.startswith("ttscale: models: expected a value, got nothing. Give models=...")
    assert main(["sweep", "models=a", "data=torchvision"]) == 2
    assert capsys.readouterr().err.startswith("ttscale: data.spec: expected a value, got nothing.")


def test_flags_and_overrides_may_be_mixed(fake_verb):
    calls = fake_verb("fetch")
    assert main(["fetch", "debug=true", "-m", "name=a,b", "--config-dir", str(configs_folder()), "out=runs/x"]) == 0
    assert [(config.name, config.debug) for config, _ in calls] == [("a", True), ("b", True)]


def test_user_error_exits_2_and_debug_adds_the_traceback(fake_verb, capsys):
    fake_verb("fetch", TtscaleError("name", expected="a listed model", got="'x'", fix="Choose another."))
    assert main(["fetch", "name=x"]) == 2
    assert capsys.readouterr().err == "ttscale: name: expected a listed model, got 'x'. Choose another.\n"
    assert main(["fetch", "name=x", "debug=true"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["fetch", "nme=x", "debug=true"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [PermissionError(13, "Permission denied", "/x"), OSError(28, "No space left", "/x")])
def test_a_file_that_cannot_be_written_is_no_bug(kind, fake_verb, capsys):
    fake_verb("fetch", kind)
    assert main(["fetch", "name=x"]) == 2
    assert capsys.readouterr().err.startswith("ttscale: /x: expected a file or folder to write, got ")


def test_bug_exits_70_and_says_so(fake_verb, capsys):
    fake_verb("fetch", ZeroDivisionError("division by zero"))
    assert main(["fetch", "name=x"]) == 70
    said = capsys.readouterr().err
    assert "a bug in ttscale" in said and "debug=true" in said and "Traceback" not in said
    assert main(["fetch", "name=x", "debug=true"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("verb", "given", "said"), [
    ("fetch", ["name=x"], "interrupted."), ("collect", ["models=x", "out=runs/y"], "command with out=runs/y goes on"),
])  # fmt: skip
def test_ctrl_c_exits_130_and_says_how_to_go_on(verb, given, said, fake_verb, capsys):
    fake_verb(verb, KeyboardInterrupt())
    with pytest.raises(SystemExit) as stop:
        main([verb, *given])
    assert stop.value.code == 130
    assert said in capsys.readouterr().err


# Completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ttscale ", list(VERBS)),
        ("ttscale tr", ["tradeoff", "train"]),
        ("ttscale sweep draws=fl", ["draws=flip", "draws=flip_5crop"]),
        ("ttscale sweep draws=flip data=im", ["data=imagefolder", "data=imagenet"]),
        ("ttscale plan min", ["min_accuracy="]),
        ("ttscale plan da", []),
        ("ttscale nope da", []),
    ],
)
def test_completion(line, offered, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", line)
    assert main(["-sc", "query=bash"]) == 0
    found = capsys.readouterr().out.split()
    assert [word for word in found if word in offered or "min" in line] == offered
    if "plan da" not in line and "min" not in line:
        assert found == offered


def test_completion_script(capsys):
    assert main(["-sc", "install=bash"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("-F hydra_bash_completion ttscale")


def test_completion_in_a_real_shell():
    scripts = Path(sys.executable).parent
    script = (
        'eval "$(ttscale -sc install=bash)"; COMP_LINE="ttscale sweep vote=lo"; COMP_WORDS=(ttscale sweep vote=lo); '
        'COMP_CWORD=2; COMP_POINT=${#COMP_LINE}; hydra_bash_completion; echo "${COMPREPLY[@]}"'
    )
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=60
    )
    assert done.stdout.split() == ["vote=log_mean"], done.stderr


def test_real_ctrl_c(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time, pathlib\ndef load(**k):\n    pathlib.Path('here').touch()\n    time.sleep(60)\n"
    )
    command = [
        sys.executable,
        "-m",
        "ttscale.cli.main",
        "collect",
        "models=zoo:*",
        "data._target_=slow.load",
        "out=runs/a",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "here").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "out=runs/a goes on from there" in said and "Traceback" not in said
