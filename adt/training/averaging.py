"""The mean of weights that began alike: `adt train average`.

Networks trained from the same weights on other clips, or with other settings, lie close together;
the mean of their weights often does better than any of them and costs no more (Wortsman et al.,
"Model soups", 2022). Networks of velocities begin each for itself, so theirs is the mean of what
they say: the members of all of them side by side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import torch

from ..errors import ConfigError
from ..network import load_network
from ..velocity import VelocityNet
from ..weights import load_weights, save_weights


def average_weights(paths: Sequence[Path | str], out: Path | str) -> Path:
    """Write the mean of several networks' weights.

    The description is that of the first, with one more line of ``history`` and empty
    ``metrics``: those were not measured with these weights.

    Parameters
    ----------
    paths : sequence of path
        Two or more weights of one kind and size, or names of packaged models.
    out : path
        The file to write.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ConfigError
        If there is one only, or they are of different kinds or sizes, or trees.
    """
    if len(paths) < 2:
        raise ConfigError("a mean needs two weights or more")
    loaded = [load_weights(path) for path in paths]
    first, description = loaded[0]
    if description.get("kind") == "decoder":
        raise ConfigError(f"{paths[0]}: a decoder's trees have no mean; average networks")

    def like(tensors: dict, other: dict) -> tuple:
        return (other.get("kind"), other.get("model"),
                {name: tensor.shape for name, tensor in tensors.items()})

    for path, weights in zip(paths, loaded):
        if like(*weights) != like(*loaded[0]):
            raise ConfigError(f"{path}: of another kind or size than {paths[0]}; only weights "
                              "that began alike have a mean")
    if description.get("kind") == "velocity":
        networks = [load_network(VelocityNet, "velocity", path, torch.device("cpu"))[0]
                    for path in paths]
        mean = _side_by_side(networks)
        members = description["model"]["members"] * len(loaded)
        description["model"] = {**description["model"], "members": members}
    else:
        mean = {name: torch.stack([tensors[name] for tensors, _ in loaded]).mean(dim=0)
                if tensor.is_floating_point() else tensor for name, tensor in first.items()}
    others = [other.get("history", ["weights of unknown history"])[-1] for _, other in loaded[1:]]
    description["history"] = [*description.get("history", []),
                              "the mean with " + "; with ".join(others)]
    description["metrics"] = {}
    save_weights(out, mean, description)
    return Path(out)


@torch.inference_mode()
def _side_by_side(networks: Sequence[VelocityNet]) -> dict[str, torch.Tensor]:
    """Weights of one network with the members of all, for what the first one's mean and scale
    make of the features: the first layers of the others take in the difference.

    It is exact but for features that are clipped: they are where the first one's scale ends.
    """
    first = networks[0]
    for kind in ("stems", "mixture"):
        mean, scale = (getattr(first, f"{kind}_{what}") for what in ("mean", "scale"))
        for other in networks[1:]:
            shift = (mean - getattr(other, f"{kind}_mean")) / getattr(other, f"{kind}_scale")
            for member in getattr(other, kind):
                layer = member[0]
                layer.bias += layer.weight @ shift
                layer.weight *= scale / getattr(other, f"{kind}_scale")
                getattr(first, kind).append(member)
    return first.state_dict()
