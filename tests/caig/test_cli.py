"""The command line: every verb resolves, ``--help`` is light, and errors have their exit codes."""

import importlib
import inspect
import subprocess
import sys

import pytest
from cyclopts import App

from caig import cli, version

every_verb = pytest.mark.parametrize("verb", list(cli.VERBS))


def python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )


def caig(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "caig", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@every_verb
def test_every_target_resolves_and_is_documented(verb):
    target, summary = cli.VERBS[verb]
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    documented = found.help if isinstance(found, App) else inspect.getdoc(found)
    assert isinstance(found, App) or callable(found)
    assert documented
    assert summary.endswith(".")


@every_verb
def test_every_verb_has_help(verb, capsys):
    assert cli.run([verb, "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"Usage: caig {verb}")
    assert captured.err == ""


def test_help_is_light():
    done = python(
        "import sys; from caig.cli import run\n"
        "code = run(['--help'])\n"
        "heavy = ('abtest', 'dashboards', 'reference_models', 'evaluation', 'polars', 'numpy')\n"
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    assert done.stderr == ""
    *page, verdict = done.stdout.splitlines()
    assert verdict == "0 []"
    assert [verb for verb in cli.VERBS if f"{verb} " not in "\n".join(page)] == []


def test_help_and_version_from_the_shell(tmp_path):
    assert caig("--help", cwd=tmp_path).returncode == 0
    shown = caig("--version", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, f"{version()}\n")


def test_an_unknown_verb_gets_a_suggestion():
    done = caig("lft")
    assert done.returncode == 2
    assert 'Unknown command "lft". Did you mean "lift"?' in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "--nonsense"], "Unknown option: --nonsense."),
        (["make-data", "--world", "moon"], 'Invalid value "moon" for --world.'),
        (["runs", "show"], "parameter --run requires an argument"),
    ],
)
def test_wrong_usage_is_exit_2(arguments, message):
    done = caig(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_user_error_is_exit_2_and_its_message_only(tmp_path):
    done = caig("make-data", "--set", "n_users=0", "--runs", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "caig make-data: configuration with --set n_users=0: 1 problem(s)\n"
        "  n_users: Input should be greater than or equal to 2 (got 0)\n"
    )
    assert not (tmp_path / "runs").exists()


ADD_VERB = """
import sys
from caig.cli import VERBS, run
from caig.errors import CaigError

def probe():
    \"\"\"Probe.\"\"\"
    print("before")
    {body}

VERBS["probe"] = ("__main__:probe", "Probe.")
sys.exit(run(["probe"]))
"""


def test_a_bug_keeps_its_traceback():
    done = python(ADD_VERB.format(body="return [][0]"))
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("IndexError: list index out of range\n")


@pytest.mark.parametrize(
    ("module", "extra"), [("cv2", "images"), ("torch.nn", "train"), ("streamlit", "dashboard")]
)
def test_a_package_that_is_not_there_is_named_with_its_extra(module, extra, monkeypatch, capsys):
    def needs_it(*_words, **_options):
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr(cli, "build_app", lambda **_: needs_it)
    assert cli.run(["generate"]) == 2
    said = capsys.readouterr().err
    assert said == f"caig generate needs more packages: pip install 'caig-toolkit[{extra}]'\n"


def test_a_module_of_our_own_that_is_not_there_is_a_bug(monkeypatch):
    def broken(*_words, **_options):
        raise ModuleNotFoundError("No module named 'caig.nowhere'", name="caig.nowhere")

    monkeypatch.setattr(cli, "build_app", lambda **_: broken)
    with pytest.raises(ModuleNotFoundError):
        cli.run(["generate"])


def test_an_interrupt_is_exit_130():
    done = python(ADD_VERB.format(body="raise KeyboardInterrupt"))
    assert done.returncode == 130
    assert done.stderr == "interrupted\n"


def test_an_error_names_its_verb_after_what_was_printed():
    done = python(ADD_VERB.format(body="raise CaigError('no such thing')"))
    assert (done.returncode, done.stdout) == (2, "before\n")
    assert done.stderr == "caig probe: no such thing\n"


@pytest.mark.parametrize(("body", "code"), [("return 3", 3), ("return None", 0), ("pass", 0)])
def test_a_verb_may_set_its_exit_code(body, code):
    assert python(ADD_VERB.format(body=body)).returncode == code


def test_main_exits_with_the_code(capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        cli.main(["runs", "show", "none", "--runs", "no-such-folder"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("caig runs: no-such-folder: 0 runs fit 'none'")
    monkeypatch.setattr(sys, "argv", ["caig", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
