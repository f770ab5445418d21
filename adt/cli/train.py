"""``adt train``: the bank and the detectors."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError
from . import options, outputs


def _packaged_config(name: str) -> Path:
    """A configuration of the project: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{name}: no such configuration in the package; give one with --config")


def _training_options(function):
    for option in reversed((
        click.option("--config", metavar="FILE", type=click.Path(path_type=Path), default=None,
                     help="YAML file of settings.  [default: the project's own]"),
        click.option("--data", metavar="DIR", type=click.Path(path_type=Path), required=True,
                     help="Folder below which the settings' data lies."),
        click.option("-o", "--out", metavar="DIR", type=click.Path(path_type=Path),
                     required=True,
                     help="Folder that gets checkpoint, log, curves and weights."),
        click.option("--resume", is_flag=True, help="Go on from the checkpoint in DIR."),
        options.device("auto"),
        click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
                     help="Change a setting, e.g. train.steps=100; may be repeated."),
    )):
        function = option(function)
    return function


def _train(name: str, config: Path | None, data: Path, out: Path, resume: bool, device: str,
           overrides: tuple[str, ...]) -> None:
    from ..config import load_config
    settings = load_config(config or _packaged_config(f"{name}.yaml"), list(overrides))
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; give the data with --data")
    outputs.check_writable([out])
    device = options.pick_device(device)
    from .. import training
    train = getattr(training, f"train_{name}")
    weights = train(settings, data, out, resume=resume, device=device)
    click.echo(f"weights: {weights}")


@click.group(context_settings=options.SETTINGS)
def command():
    """Train the models on renders, on CPU or GPU with the same command."""


@command.command(context_settings=options.SETTINGS)
@_training_options
def bank(**settings):
    """Train the separation bank."""
    _train("bank", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options
def detectors(**settings):
    """Train the onset detectors."""
    _train("detectors", **settings)
