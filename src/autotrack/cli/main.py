"""The command line. Commands import what they need when they run, so that --help is quick."""

from __future__ import annotations

import click

from autotrack.cli import admin, completion, demo, doctor, edit, export, launch, runs, ui
from autotrack.cli import top as watching
from autotrack.cli.doors import Group


def version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        import autotrack

        click.echo(f"autotrack {autotrack.__version__}")
        ctx.exit()


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Every training run, remembered.

    \b
    autotrack run train.py     record an unchanged program
    autotrack ls               what was recorded
    autotrack top              what is going on, live
    autotrack show --last      parameters, curves, environment of the last run
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (
    launch.run,
    runs.ls,
    watching.top,
    runs.show,
    runs.compare,
    runs.search,
    ui.ui,
    edit.tag,
    edit.rename,
    edit.note,
    edit.rm,
    export.export,
    admin.gc,
    admin.where,
    doctor.doctor,
    demo.demo,
    completion.completion,
):
    cli.add_command(command)


def main() -> None:
    """The entry point of ``autotrack`` and ``python -m autotrack``."""
    cli.main(prog_name="autotrack")
