"""What a person sees who asks for help, completes a word or mistypes one: at once, in one sentence, without a load of modules."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.__main__ import main
from gateway.cli.options import ENVIRONMENT
from gateway.cli.root import COMPLETION, SECTIONS, root
from gateway.ops.terminal import harmless

HEAVY = ("aiohttp", "asyncio", "pydantic", "prometheus_client", "pymodbus", "config.settings", "config.loader", "gateway.app")
NAMES = [name for commands in SECTIONS.values() for name in commands]
WITHOUT_AN_ANSWER = ("serve", "lab", "simulate", "init", "certificate", "password", "api-key", "backup", "completion", "manual")
"""They run on, write what they were told to, or print what is pasted or piped as it is."""
_IMPORTED = f"""
import sys
from gateway.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(*sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)
"""


def imported(*arguments: str, **environment: str) -> tuple[str, list[str]]:
    """What a command prints, and which of the heavy modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )
    return done.stdout, done.stderr.split()


def completing(words: str, config: Path | None = None) -> dict[str, str]:
    """What the shell sets while `words` are typed."""
    known = {} if config is None else {ENVIRONMENT: str(config)}
    return {COMPLETION: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1), **known}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["status", "--help"], ["plan", "--help"]], ids=" ".join)
def test_help_does_not_wait_for_the_service_to_be_loaded(arguments: list[str]) -> None:
    out, heavy = imported(*arguments)
    assert (bool(out), heavy) == (True, [])


def test_a_word_is_completed_with_the_panels_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text('[[lines]]\nid = "a"\n[[lines.panels]]\nid = "lobby"\n[[lines.panels]]\nid = "loft"\n[[lines.panels]]\n')
    out, heavy = imported(**completing("panel-gateway status lo", config))
    assert (out.split(), heavy) == (["plain,lobby", "plain,loft"], [])
    out, _ = imported(**completing("panel-gateway trust-"))
    assert out.split() == ["plain,trust-store", "plain,trust-clock"]
    out, heavy = imported(**completing("panel-gateway doors "))
    assert (out.split(), heavy) == (["plain,list", "plain,show"], [])
    out, _ = imported(**completing("panel-gateway doors --j"))
    assert out.split() == ["plain,--json"]
    config.write_text("no [ table")
    out, heavy = imported(**completing("panel-gateway status lo", config))
    assert (out.split(), heavy) == ([], [])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_takes_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert COMPLETION in script
    if found := shutil.which(shell):
        done = subprocess.run([found, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_manual_has_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manual"]) == 0
    page = capsys.readouterr().out.replace("\\-", "-")
    for name in NAMES:
        command = root.get_command(root.make_context("panel-gateway", ["--help"], resilient_parsing=True), name)
        assert command is not None
        assert f"\n.SS {name}" in page
        assert all(option in page for param in command.params for option in param.opts if option.startswith("-"))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert left.value.code == 0
    assert f"Usage: panel-gateway {name}" in shown
    assert "Examples:" in shown
    assert "...\n" not in shown.partition("\n")[2]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_AN_ANSWER])
def test_every_command_that_has_an_answer_gives_it_to_scripts(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    every = command.commands.values() if isinstance(command, click.Group) else [command]
    assert [each.name for each in every if not any("--json" in param.opts for param in each.params)] == []


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("statsu", "panel-gateway: no such command 'statsu'; did you mean 'status'?"),
        ("help", "panel-gateway: no such command 'help'; did you mean '--help'?"),
        ("status --jsn", "panel-gateway status: no such option '--jsn'; did you mean '--json'?"),
        ("sync --config x", "panel-gateway sync: expected PANEL, got nothing"),
        ("sync --config x one two", "panel-gateway sync: got unexpected extra argument (two)"),
        (
            "status --config x --url ftp://a",
            "panel-gateway status: --url: expected a URL such as http://192.0.2.7:8080, got 'ftp://a'",
        ),
        ("status --config x --url a:b", "panel-gateway status: --url: expected a URL such as http://192.0.2.7:8080, got 'a:b'"),
        ("backup --config x --keep 0 y", "panel-gateway backup: --keep: expected a whole number from 1 to 1000000, got '0'"),
        (
            "when x y --config x --days 99999999",
            "panel-gateway when: --days: expected a whole number from 1 to 3660, got '99999999'",
        ),
        ("people shwo", "panel-gateway people: expected one of list, show, got 'shwo'; did you mean 'show'?"),
        ("people show --config x", "panel-gateway people show: expected PERSON, got nothing"),
        ("completion sh", "panel-gateway completion: SHELL: expected one of bash, zsh, fish, got 'sh'; did you mean 'zsh'?"),
        ("models chek x", "panel-gateway models: expected check, got 'chek'; did you mean 'check'?"),
        ("status --config", "panel-gateway status: --config: expected FILE, got nothing"),
        ("models --config", "panel-gateway models: --config: expected FILE, got nothing"),
        ("status --config x --json=x", "panel-gateway status: --json: expected no value"),
        ("status --help=x", "panel-gateway status: --help: expected no value"),
        ("doors --help=x", "panel-gateway doors list: --help: expected no value"),
        ("api-key x", "panel-gateway api-key: expected --role [viewer|operator|admin], got nothing"),
        ("lab --people 401", "panel-gateway lab: --people: expected a whole number up to 400, got '401'"),
        (
            "backup --config x y --keep " + "9" * 5000,
            "panel-gateway backup: --keep: expected a whole number from 1 to 1000000, got '999",
        ),
        ("scan x --units 1-" + "9" * 5000, "panel-gateway scan: --units: expected units such as 1-32, from 1 to 247, got "),
        (
            "api-key x --role viewr",
            "panel-gateway api-key: --role: expected one of viewer, operator, admin, got 'viewr'; did you mean 'viewer'?",
        ),
        (
            "status --config x --url http://a\u00a0b",
            "panel-gateway status: --url: expected a URL such as http://192.0.2.7:8080, got 'http://a\\xa0b'",
        ),
        (
            "lab --log-level loud",
            "panel-gateway lab: --log-level: expected one of debug, info, warning, error, got 'loud'",
        ),
    ],
)
def test_a_wrong_word_is_one_sentence_that_says_what_was_expected(
    typed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(typed.split(" "))
    said = capsys.readouterr()
    assert (left.value.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert said.err.startswith(told)


def _words(command: click.Command) -> Iterator[click.Parameter]:
    """Everything that somebody types to a command or one of its own, but moments and what an empty text is right for."""
    yield from (param for param in command.params if param.name not in ("when", "note", "names"))
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            yield from _words(command.get_command(click.Context(command), each) or command)


@pytest.mark.parametrize("name", [name for names in SECTIONS.values() for name in names])
def test_a_variable_of_a_script_that_is_empty_names_nothing(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    for param in _words(command):
        if not (isinstance(param, click.Option) and (param.is_flag or param.callback)):
            with pytest.raises(click.BadParameter):
                param.type.convert("", param, click.Context(command))


@pytest.mark.parametrize("word", ["\x1b[2J", "a\nb"])
def test_what_is_typed_or_named_moves_no_cursor_of_the_terminal(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", word]) == 1
    assert main(["diff", word, "--config", word]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"{harmless(word)}: file: not readable: No such file or directory"]
    assert "\x1b" not in said.out


def test_a_name_that_the_terminal_cannot_show_ends_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    for name, shown in (
        ("Łódź.toml", rb"\u0141\xf3d\u017a.toml: file: not readable"),
        ("\udcff", rb"\udcff: file: not readable"),
    ):
        assert main(["check", "--config", str(tmp_path / name)]) == 1
        sys.stdout.flush()
        assert shown in written.getvalue()


def test_without_a_configuration_its_places_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr("gateway.cli.options.INSTALLED", tmp_path / "none.toml")
    with pytest.raises(SystemExit) as left:
        main(["status"])
    told = capsys.readouterr().err
    assert (left.value.code, "--config FILE" in told, ENVIRONMENT in told, "none.toml" in told) == (2, True, True, True)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "gone.toml"))
    assert main(["status"]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'gone.toml'}: ")
