"""``adt info``: the models of the package."""

from __future__ import annotations

import json

import click

from ..errors import WeightsError
from . import options


@click.command(context_settings=options.SETTINGS)
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(names, as_json):
    """Show models: kind, size, hyper-parameters, training data, licence and metrics.

    MODEL is a name or a weights file; without any, those of the package are shown.
    """
    from .. import weights
    models = list(names) or [name for name, path in weights.available()]
    if not models:
        raise WeightsError(f"{weights.FOLDER}: no models in the package; install adt again")
    descriptions = {}
    for name in models:
        path = weights.find(name)
        descriptions[str(name)] = {
            "file": str(path), "size_mb": round(path.stat().st_size / 1e6, 2),
            **weights.describe(name)}
    if as_json:
        click.echo(json.dumps(descriptions, indent=2, ensure_ascii=False))
        return
    import yaml
    for name, description in descriptions.items():
        text = yaml.safe_dump({name: description}, sort_keys=False, allow_unicode=True, width=96)
        click.echo(text, nl=True)
