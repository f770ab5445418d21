"""``adt render-percussion``: tambourines, shakers and the like, for training."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, outputs


@click.command(context_settings=options.SETTINGS)
@click.option("--soundfont", metavar="FILE", type=options.Path(path_type=Path), required=True,
              help="Sound font (.sf2 or .sf3) that plays them.")
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder that gets a file a stroke.")
def command(soundfont, out):
    """Render hand percussion, which training clips play beside the drums.

    Needs the program fluidsynth.
    """
    from ..data.percussion import render_percussion
    from ..data.songs import check_soundfont
    check_soundfont(soundfont)
    outputs.check_writable([out])
    click.echo(f"{len(render_percussion(soundfont, out))} strokes are in {out}", err=True)
    return 0
