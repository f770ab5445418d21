"""Options that commands share."""

from __future__ import annotations

import re

import click

from ..errors import ConfigError
from ..formats import MIDI, suffix_of
from ..vocabulary import CLASS_COUNTS

#: Settings of every command: defaults are shown, ``-h`` helps.
SETTINGS = {"show_default": True, "help_option_names": ["-h", "--help"]}


class Path(click.Path):
    """Name of a file or folder; one that is empty is no name of the current folder."""

    def convert(self, value, param, ctx):
        if str(value) == "":
            self.fail("an empty name; give a file or a folder (is a variable not set?)", param, ctx)
        return super().convert(value, param, ctx)


def reading(path, note_map: str | None) -> dict[str, str]:
    """What `Transcription.load` is told of a file: a note map is for MIDI alone."""
    return {"note_map": note_map} if note_map and suffix_of(path) in MIDI else {}


inputs = click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=Path())


def no_pipe(ctx, param, value):
    """Callback of ``-o``: what is written appears whole, which a pipe cannot."""
    if str(value) == "-":
        raise click.BadParameter("a pipe cannot be written to; name a file or a folder")
    return value


skip_existing = click.option(
    "--skip-existing", is_flag=True, help="Keep outputs that exist, do the rest.")

force = click.option("--force", is_flag=True, help="Replace outputs that exist.")


demix = click.option("--demix/--no-demix", default=True,
                     help="Separate the drums before detecting onsets.")


def classes(default: int, what: str):
    """Option ``--classes`` with a default; `what` is its help."""
    return click.option("--classes", type=click.Choice(CLASS_COUNTS), default=default, help=what)


class Tolerance(click.FloatRange):
    """Seconds above 0 and up to 1."""

    def __init__(self):
        super().__init__(0, 1, min_open=True)

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value} is not a number", param, ctx)
        return number


class _Device(click.ParamType):
    """Name of a device; whether it is there, the models find out."""

    name = "device"

    def convert(self, value, param, ctx):
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            self.fail(f"{value!r} is not one of auto, cpu, cuda, cuda:N, mps", param, ctx)
        return value


def device(default: str):
    """Option ``--device`` with a default."""
    return click.option("--device", metavar="DEVICE", type=_Device(), default=default,
                        help="auto (an NVIDIA GPU if there is one), cpu, cuda, cuda:N or mps.")


def two_numbers(option: str, text: str, form: str) -> tuple[float, float]:
    """What ``A:B`` says; `form` tells the user how to write it.

    Raises
    ------
    ConfigError
        If that is no two numbers.
    """
    try:
        first, second = (float(x) for x in text.split(":"))
    except ValueError:
        raise ConfigError(f"{option} {text}: write {form}") from None
    return first, second
