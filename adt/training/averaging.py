"""The mean of weights that began alike: `adt train average`.

Networks trained from the same weights on other clips, or with other settings, lie close together;
the mean of their weights often does better than any of them and costs no more (Wortsman et al.,
"Model soups", 2022). Networks of velocities and a decoder's transformers begin each for itself,
so theirs is the mean of what they say: the members of all of them side by side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import torch

from ..decoder import Decoder
from ..errors import ConfigError
from ..network import load_network
from ..velocity import VelocityNet
from ..weights import load_largest, load_weights, save_weights
from .provenance import joined


def average_weights(paths: Sequence[Path | str], out: Path | str) -> Path:
    """Write the mean of several networks' weights.

    The description is that of the first, with the training data of all, one more line of
    ``history`` and empty ``metrics``: those were not measured with these weights.

    Parameters
    ----------
    paths : sequence of path
        Two or more weights of one kind and size, or names of packaged models. Of decoders
        the trees are the first's; the transformers may be of different numbers.
    out : path
        The file to write.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ConfigError
        If there is one only, they are of different kinds, sizes or licences, or decoders of
        trees alone.
    """
    if len(paths) < 2:
        raise ConfigError("a mean needs two weights or more")
    loaded = [load_weights(path) for path in paths]
    first, description = loaded[0]

    def like(tensors: dict, other: dict) -> tuple:
        if other.get("kind") == "decoder":
            return ("decoder", {**other["model"].get("attention", {}), "members": None})
        return (other.get("kind"), other.get("model"),
                {name: tensor.shape for name, tensor in tensors.items()})

    for path, weights in zip(paths, loaded):
        if like(*weights) != like(*loaded[0]):
            raise ConfigError(f"{path}: of another kind or size than {paths[0]}; only weights "
                              "that began alike have a mean")
        if weights[1].get("licence") != description.get("licence"):
            raise ConfigError(f"{path}: its licence is {weights[1].get('licence')}, that of "
                              f"{paths[0]} {description.get('licence')}; give weights of one "
                              "licence")
    if description.get("kind") == "velocity":
        networks = [load_network(VelocityNet, "velocity", path, torch.device("cpu"))[0]
                    for path in paths]
        mean = _side_by_side(networks)
        members = description["model"]["members"] * len(loaded)
        description["model"] = {**description["model"], "members": members}
    elif description.get("kind") == "decoder":
        mean, description["model"] = _with_all_transformers(paths)
    else:
        mean = {name: torch.stack([tensors[name] for tensors, _ in loaded]).mean(dim=0)
                if tensor.is_floating_point() else tensor for name, tensor in first.items()}
    what = "side by side with the transformers of " if description["kind"] == "decoder" \
        else "the mean with "
    others = [other.get("history", ["weights of unknown history"])[-1] for _, other in loaded[1:]]
    description["history"] = [*description.get("history", []),
                              what + "; with ".join(others)]
    description["training_data"] = joined([other.get("training_data", {}) for _, other in loaded])
    description["metrics"] = {}
    save_weights(out, mean, description, _largest(paths))
    return Path(out)


def _largest(paths: Sequence[Path | str]) -> dict[str, torch.Tensor]:
    """Largest activations of any of the networks, where they are known of all: of networks that
    began alike, those of their mean are no larger to speak of."""
    known = [load_largest(path) for path in paths]
    return {name: torch.stack([largest[name] for largest in known]).amax(dim=0)
            for name in known[0] if all(name in largest for largest in known)}


def _with_all_transformers(paths: Sequence[Path | str]) -> tuple[dict[str, torch.Tensor], dict]:
    """Weights and sizes of the first decoder with the transformers of all."""
    tensors: dict[str, torch.Tensor] = {}
    model, members = {}, 0
    for path in paths:
        network, described = load_network(Decoder, "decoder", path, torch.device("cpu"))
        if "attention" not in described["model"]:
            raise ConfigError(f"{path}: has no transformers, and trees have no mean; train them "
                              "with attention.members=1 or more")
        model = model or described["model"]
        for name, tensor in network.state_dict().items():
            part, *rest = name.split(".")
            if part == "attention":
                kind, member, *rest = rest
                tensors[".".join((part, kind, str(members + int(member)), *rest))] = tensor
            elif path == paths[0]:
                tensors[name] = tensor
        members += described["model"]["attention"]["members"]
    return tensors, {**model, "attention": {**model["attention"], "members": members}}


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
