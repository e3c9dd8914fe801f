"""`feishu-batch sandbox`: the simulator of Feishu Project."""

import click

from sandbox.server import main as serve


@click.command(
    "sandbox",
    short_help="Run a simulator of Feishu Project.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.pass_context
def sandbox(ctx: click.Context) -> int:
    r"""Run a simulator of the Feishu Project API that enforces its rules and changes nothing real.

    Example:
      feishu-batch sandbox --port 8765
      FEISHU_BATCH_BASE_URL=http://127.0.0.1:8765 FEISHU_BATCH_PLUGIN_ID=demo \
      FEISHU_BATCH_PLUGIN_SECRET=demo FEISHU_BATCH_USER_KEY=7300000000000000001 feishu-batch up

    Prints its address; GET / lists its spaces, fields, items and people. Runs until Ctrl-C.

    Exit codes: 0 ended by Ctrl-C or SIGTERM; 2 wrong use, or the port is in use.
    """
    if {"-h", "--help"} & set(ctx.args):
        click.echo(ctx.get_help() + "\n")
    return serve(ctx.args)
