"""``autotrack completion``: what a shell needs to complete commands, options, runs and experiments."""

from __future__ import annotations

import os

import click

from autotrack.errors import AutotrackError

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Let the shell complete.")
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print what makes bash, zsh or fish complete commands, options, runs and experiments.

    \b
    eval "$(autotrack completion bash)"                                     in ~/.bashrc
    eval "$(autotrack completion zsh)"                                      in ~/.zshrc, after compinit
    autotrack completion fish > ~/.config/fish/completions/autotrack.fish

    SHELL: that of $SHELL if none is named.
    """
    from click.shell_completion import get_completion_class

    chosen = shell or os.path.basename(os.environ.get("SHELL", ""))
    if chosen not in SHELLS:
        raise AutotrackError(f"no completion for the shell {chosen!r}; there is one for {', '.join(SHELLS)}")
    made = get_completion_class(chosen)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "autotrack", "_AUTOTRACK_COMPLETE").source(), nl=False)
