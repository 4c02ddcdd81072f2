"""``frontpay completion``: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from frontpay_async.cli.app import root
from frontpay_async.cli.options import CommandContext, PlainCommand


@click.command(cls=PlainCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(command: CommandContext, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: eval "$(frontpay completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"completion for {shell} is not available")
    source = kind(root, {}, "frontpay", "_FRONTPAY_COMPLETE").source()
    if command.output.as_json:
        command.output.result({"shell": shell, "script": source})
    else:
        command.output.text(source)
