"""Options that commands share."""

from __future__ import annotations

import click

from ..errors import ConfigError

#: Settings of every command: defaults are shown, ``-h`` helps.
SETTINGS = {"show_default": True, "help_option_names": ["-h", "--help"]}

DEVICES = ("auto", "cpu", "cuda")

inputs = click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=click.Path())

skip_existing = click.option(
    "--skip-existing", is_flag=True, help="Keep outputs that exist, do the rest.")

force = click.option("--force", is_flag=True, help="Replace outputs that exist.")


def device(default: str):
    """Option ``--device`` with a default."""
    return click.option("--device", type=click.Choice(DEVICES), default=default,
                        help="Where to compute; auto takes a GPU if there is one.")


def pick_device(name: str) -> str:
    """Resolve ``auto`` and check that a GPU asked for is there.

    Raises
    ------
    ConfigError
        If there is no GPU.
    """
    if name == "cpu":
        return name
    import torch
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError("--device cuda: no CUDA GPU to be seen; use --device cpu")
    return "cuda" if available else "cpu"
