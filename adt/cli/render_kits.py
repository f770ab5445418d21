"""``adt render-kits``: drum kits drawn at random, for training."""

from __future__ import annotations

from pathlib import Path

import click

from . import options, outputs


@click.command(context_settings=options.SETTINGS)
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder that gets a folder for each kit.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), default=32, show_default=True,
              help="Number of kits.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the first kit; each of the others has the next.")
@click.option("--machines", is_flag=True, help="Drum machines in place of drums.")
def command(out, count, seed, machines):
    """Make drum kits that nobody built, which training plays beside the sampled ones."""
    from ..data.random_kits import render_kits
    outputs.check_writable([out])
    made = render_kits(out, count, seed, progress=True, machines=machines)
    click.echo(f"{len(made)} kits are in {out}", err=True)
    return 0
