"""``adt demo``: hear, transcribe and score a groove of our own making."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import OutputError
from . import options, outputs


@click.command(context_settings=options.SETTINGS)
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), default=None,
              callback=options.no_pipe,
              help="Folder that gets demo.wav, demo.mid and truth.mid.  [default: none]")
@options.demix
@options.device("cpu")
@options.force
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the groove and of the kit.")
def command(out, demix, device, force, seed):
    """Make a short groove with the package's drum synthesiser, transcribe and score it."""
    from ..demo import FILES, run_demo
    if out is not None:
        for name in FILES:
            if (out / name).exists() and not force:
                raise OutputError(f"{out / name}: exists already; add --force to replace it")
        outputs.check_writable([out])
    run_demo(out, demix=demix, device=device, seed=seed, echo=click.echo)
