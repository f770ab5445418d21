"""``adt render``: data sets of isolated drum pieces."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, outputs


@click.command(context_settings=options.SETTINGS)
@click.option("--groove-root", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder of the Groove MIDI Dataset (info.csv).")
@click.option("--kits-root", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder of sampled kits (each with kit.json).")
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder that gets the data set.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default=None,
              help="Split of Groove.  [default: all]")
@click.option("--kits", metavar="NAME", multiple=True,
              help="Kit to play, may be repeated.  [default: all that have the five stems]")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), default=None,
              help="Number of performances.  [default: all]")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=0, min_open=True),
              default=None, help="Longest clip in seconds.  [default: whole performances]")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Where round robins start.")
def command(groove_root, kits_root, out, split, kits, limit, seconds, seed):
    """Render performances on sampled kits to disk, in the layout of StemGMD.

    Nine WAV files a clip, with labels. Finished clips are kept, so that the same
    command goes on where it was interrupted.
    """
    from ..data.render import render_dataset
    outputs.check_writable([out])
    render_dataset(groove_root, kits_root, out, split=split, kits=kits or None, limit=limit,
                   seconds=seconds, seed=seed, progress=True)
