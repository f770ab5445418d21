"""Command line: one module per command, loaded only when it is used."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from .. import __version__
from . import console
from .wildcards import expanded

_COMMANDS = {
    "transcribe": "Transcribe songs or drum tracks to drum MIDI.",
    "separate": "Split songs or drum tracks into five drum stems.",
    "report": "Write a page on each song: hits, stems, score, downloads, offline.",
    "score": "Compare a transcription with a reference and list the worst seconds.",
    "render": "Render Groove performances on sampled kits, as a data set.",
    "render-songs": "Render the bands of MIDI songs, with their drums kept, for training.",
    "render-percussion": "Render tambourines, shakers and the like, for training.",
    "render-kits": "Make drum kits drawn at random, for training.",
    "pseudo-label": "Label recordings by what is heard in them, for training.",
    "train": "Train the models, or average their weights.",
    "info": "Show the models, what they were trained on, licence and metrics.",
    "demo": "Make a short groove, transcribe it and score the result.",
}


class _LazyGroup(click.Group):
    """Group that imports ``adt.cli.NAME`` (attribute ``command``) on use."""

    def list_commands(self, ctx):
        return list(_COMMANDS)

    def get_command(self, ctx, cmd_name):
        if cmd_name not in _COMMANDS:
            return None
        return import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="adt")
def cli():
    """Open automatic drum transcription: a song in, drum MIDI out."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done; 1 failed, said in one line on stderr; 2 wrong usage;
        130 interrupted.
    """
    console.lossy_output()
    if argv is None:
        argv = expanded(sys.argv[1:]) if os.name == "nt" else sys.argv[1:]
    with console.plain_warnings(), console.exit_on_termination():
        try:
            status = cli.main(argv, prog_name="adt", standalone_mode=False,
                              windows_expand_args=False)  # which reads [1] in names as a pattern
            return status if isinstance(status, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help())
            return 2
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "adt"
            message = error.format_message().rstrip(".")
            console.error(f"{message}; see '{where} --help'")
            return 2
        except click.ClickException as error:
            console.error(error.format_message())
            return 1
        except (click.Abort, KeyboardInterrupt):
            console.say("interrupted")
            return 130
        except Exception as error:  # AdtError says what is wrong, others that it is a bug
            console.error(console.describe(error))
            return 1
