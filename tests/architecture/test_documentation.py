"""The command line and its description say the same."""

import re
from pathlib import Path
from typing import Any

import typer.main

from api.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "api" / "README.md")

GROUP: Any = typer.main.get_command(app)


def documentation() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def with_below(command: Any) -> list[Any]:
    """The command and, of a group, the commands in it."""
    return [command, *(c for below in getattr(command, "commands", {}).values() for c in with_below(below))]


def options_of(command: Any) -> set[str]:
    return {
        option for parameter in command.params for option in parameter.opts if option.startswith("--")
    } - {"--help"}


def test_every_command_option_and_variable_is_described() -> None:
    text = documentation()
    words = set(re.findall(r"--[a-z][a-z-]*", text))
    commands = {
        name for name in GROUP.commands if re.search(rf"jiebang (?:--\S+ \S+ )*{name}\b|`{name}\b", text)
    }
    assert sorted(set(GROUP.commands) - commands) == []
    options = set().union(*map(options_of, with_below(GROUP)))
    assert sorted(options - words) == []
    variables = {p.envvar for c in with_below(GROUP) for p in c.params if p.envvar}
    assert sorted(name for name in variables if name not in text) == []


def command_lines() -> list[str]:
    """What stands after ``jiebang`` in code, inline or in blocks; ``COMMAND`` and ``…`` stand for any command."""
    text = documentation()
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    found = re.findall(r"`(?:\S*/)?jiebang ([^`\n]+)`", text)
    found += re.findall(r"^(?:\$ )?(?:\S*/)?jiebang +(.+)$", blocks, re.MULTILINE)
    return [line.partition("#")[0] for line in found if line.split()[0] not in ("COMMAND", "…", "--help")]


def test_every_command_line_of_the_documentation_can_be_written_so() -> None:
    assert len(command_lines()) > 10
    for line in command_lines():
        words = line.replace("[", "").replace("]", "").split()
        names = [word for word in words if word in GROUP.commands]
        assert names, line
        known = options_of(GROUP).union(*map(options_of, with_below(GROUP.commands[names[0]])))
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}, line
