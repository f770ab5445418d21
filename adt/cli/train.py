"""``adt train``: the bank, the detectors, the decoder, the beat and bar networks."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError
from . import options, outputs


def _find_config(given: Path) -> Path:
    """A configuration file, or one of the project's by its name.

    The project's lie in the package, or beside it in a checkout.
    """
    if given.is_file():
        return given
    path = _project(given.with_suffix(".yaml").name) if given.parent == Path() else None
    if path is None:
        raise ConfigError(f"{given}: no such configuration; give a YAML file with --config")
    return path


def _project(name: str) -> Path | None:
    """One of the project's configurations, if there is such a one."""
    from ..config import PROJECT
    path = PROJECT / name
    return path if path.is_file() else None


def _training_options(default: str, by_steps: bool = True):
    """Options of a training command whose settings are the project's `default`.

    Those that do not train step by step have no checkpoint to go on from.
    """
    chosen = (
        click.option("--config", metavar="FILE", type=options.Path(path_type=Path), default=default,
                     help="YAML file of settings, or the name of one of the project's."),
        click.option("--data", metavar="DIR", type=options.Path(path_type=Path), required=True,
                     help="Folder below which the settings' data lies."),
        click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path),
                     required=True,
                     help="Folder that gets checkpoint, log, curves and weights." if by_steps
                     else "Folder that gets the weights and, of a training, its settings."),
        *([click.option("--resume", is_flag=True, help="Go on from the checkpoint in DIR.")]
          if by_steps else []),
        options.device("auto"),
        click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True,
                     help="Change a setting, e.g. train.steps=100; may be repeated."),
    )

    def decorate(function):
        for option in reversed(chosen):
            function = option(function)
        return function

    return decorate


def _train(name: str, config: Path, data: Path, out: Path, device: str,
           overrides: tuple[str, ...], resume: bool | None = None) -> None:
    from ..config import complete, lineage, load_config, save_config
    found = _find_config(config)
    settings = load_config(found, list(overrides))
    meant = [stem for link in lineage(found) if (stem := Path(link).stem) in command.commands]
    if meant and meant[-1] != name:
        raise ConfigError(f"{config}: settings of adt train {meant[-1]}; give "
                          f"adt train {name} settings of its own with --config")
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; give the data with --data")
    settings = complete(settings, _project(f"{name}.yaml"), config)
    outputs.check_writable([out])
    from .. import training
    train = getattr(training, f"train_{name}")
    going_on = {}
    if resume is not None:
        training.check_begun(out, resume)  # before data is read, which takes minutes
        going_on["resume"] = resume
    before = _kept(out)
    try:
        weights = train(settings, data, out, device=device, **going_on)
    except BaseException:
        if _kept(out) != before:  # or else these are not the settings of what is there
            save_config(settings, out / "config.yaml")
        raise
    save_config(settings, out / "config.yaml")
    click.echo(f"weights: {weights}")


def _kept(out: Path) -> list[int]:
    """When what an interrupted training leaves was written."""
    from ..training import CHECKPOINT, HEARD
    return [path.stat().st_mtime_ns for name in (CHECKPOINT, HEARD)
            if (path := out / name).is_file()]


@click.group(context_settings=options.SETTINGS)
def command():
    """Train the models on renders, on CPU or GPU with the same command."""


@command.command(context_settings=options.SETTINGS)
@_training_options("bank")
def bank(**settings):
    """Train the separation bank."""
    _train("bank", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("detectors")
def detectors(**settings):
    """Train the onset detectors."""
    _train("detectors", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("joint")
def joint(**settings):
    """Train bank and detectors side by side, on the same clips."""
    _train("joint", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("decoder", by_steps=False)
def decoder(**settings):
    """Train what judges strokes in the light of the whole song.

    What is heard in the clips is kept in DIR, and read again.
    """
    _train("decoder", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("velocity", by_steps=False)
def velocity(**settings):
    """Train what tells velocities from levels within a song."""
    _train("velocity", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("beats")
def beats(**settings):
    """Train the beat network."""
    _train("beats", **settings)


@command.command(context_settings=options.SETTINGS)
@_training_options("bars")
def bars(**settings):
    """Train the network that finds the bars."""
    _train("bars", **settings)


@command.command(context_settings=options.SETTINGS)
@click.argument("weights", metavar="WEIGHTS...", nargs=-1, required=True)
@click.option("-o", "--out", metavar="FILE", type=options.Path(path_type=Path), required=True,
              help="The .safetensors file to write.")
def average(weights: tuple[str, ...], out: Path):
    """Write the mean of weights that were trained from the same beginning.

    Of networks of velocities and a decoder's transformers, each from a beginning of its own, all
    are kept; the trees are those of the first decoder.
    """
    outputs.check_writable([out.parent])
    from .. import training
    click.echo(f"weights: {training.average_weights(weights, out)}")


@command.command(context_settings=options.SETTINGS)
@click.argument("weights", metavar="WEIGHTS...", nargs=-1, required=True)
@_training_options("detectors", by_steps=False)
def ranges(weights: tuple[str, ...], config: Path, data: Path, out: Path, device: str,
           overrides: tuple[str, ...]):
    """Measure the activations of banks and detectors, for layers in integers.

    Trainings do so when they end; this is for weights of other origin. Writes the weights anew.
    """
    from ..config import complete, load_config
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; give the data with --data")
    settings = complete(load_config(_find_config(config), list(overrides)),
                        _project("detectors.yaml"), config)
    outputs.check_writable([out])
    from .. import training
    for path in training.measure_ranges(weights, settings, data, out, device):
        click.echo(f"weights: {path}")
