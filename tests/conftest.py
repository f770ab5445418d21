"""Small untrained models, so that tests need no weights."""

import json

import pytest

SMALL_BANK = {"widths": [4, 4, 8, 8]}
SMALL_ATTENTION = {"width": 24, "hidden": 8, "layers": 1, "heads": 1}
SMALL_DETECTORS = {"front": [4, 4, 4, 4], "width": 8, "dilations": [1, 2, 4]}


def _random(model, last):
    """Untrained tensors whose outputs nevertheless vary: norms off 0 and 1, a loud last layer."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    torch.nn.init.normal_(last.weight, std=0.5)
    return model.state_dict()


@pytest.fixture(scope="session")
def small_bank(tmp_path_factory):
    """Weights file of an untrained bank."""
    import torch

    from adt.weights import save_weights
    from separation import UNetBank

    torch.manual_seed(0)
    bank = UNetBank(**SMALL_BANK)
    path = tmp_path_factory.mktemp("weights") / "bank.safetensors"
    save_weights(path, _random(bank, bank.leave), {"kind": "bank", "model": SMALL_BANK})
    return path


@pytest.fixture(scope="session")
def small_detectors(tmp_path_factory):
    """Weights files of untrained detectors, by whether they read stems."""
    import torch

    from adt.detectors import OnsetDetectors
    from adt.weights import save_weights

    folder, files = tmp_path_factory.mktemp("weights"), {}
    for demix in (False, True):
        torch.manual_seed(1)
        settings = {"demix": demix, **SMALL_DETECTORS}
        model = OnsetDetectors(**settings)
        files[demix] = folder / f"detectors_{demix}.safetensors"
        save_weights(files[demix], _random(model, model.heads),
                     {"kind": "detectors", "model": settings})
    return files


@pytest.fixture(scope="session")
def small_beat_networks(tmp_path_factory):
    """Weights files of untrained beat and bar networks, by name."""
    import torch

    from adt.beats.bar_network import BarNetwork
    from adt.beats.beat_network import BeatNetwork
    from adt.weights import save_weights

    torch.manual_seed(2)
    folder, settings, files = tmp_path_factory.mktemp("weights"), {"width": 4, "dilations": [1]}, {}
    for name, kind in (("beats", BeatNetwork), ("bars", BarNetwork)):
        files[name] = folder / f"{name}.safetensors"
        save_weights(files[name], kind(**settings).state_dict(), {"kind": name, "model": settings})
    return files


@pytest.fixture(scope="session")
def untrained_models(tmp_path_factory):
    """Folder with weights of every packaged network, tiny and drawn at random."""
    import torch

    from adt.beats.bar_network import BarNetwork
    from adt.beats.beat_network import BeatNetwork
    from adt.decoder import Decoder
    from adt.detectors import OnsetDetectors
    from adt.velocity import VelocityNet
    from adt.weights import save_weights
    from separation import UNetBank

    torch.manual_seed(0)
    folder, beats = tmp_path_factory.mktemp("models"), {"width": 4, "dilations": [1]}
    for name, kind, make, model in (
            ("bank", "bank", UNetBank, SMALL_BANK),
            ("detectors", "detectors", OnsetDetectors, {"demix": True, **SMALL_DETECTORS}),
            ("detectors_mixture", "detectors", OnsetDetectors,
             {"demix": False, **SMALL_DETECTORS}),
            ("decoder", "decoder", Decoder,
             {**{part: {"trees": 2, "nodes": 3} for part in ("strokes", "cymbals")},
              "attention": {"members": 1, **SMALL_ATTENTION}}),
            ("velocity", "velocity", VelocityNet, {"hidden": 4, "members": 1}),
            ("beats", "beats", BeatNetwork, beats), ("bars", "bars", BarNetwork, beats)):
        save_weights(folder / f"{name}.safetensors", make(**model).state_dict(), {
            "kind": kind, "model": model, "training_data": [], "licence": "none", "metrics": {}})
    return folder


def run_training(name, data, out, settings, *more):
    """``adt train NAME`` on the CPU with changed settings; its exit status."""
    from adt.cli import main

    sets = [word for setting in settings for word in ("--set", setting)]
    return main(["train", name, "--data", str(data), "-o", str(out), "--device", "cpu", *sets,
                 *more])


def trained_alike(first, second, name):
    """Weights and description in two folders of one training, after the usual checks."""
    import torch

    from adt.weights import load_weights

    ours, description = load_weights(first / f"{name}.safetensors")
    theirs, _ = load_weights(second / f"{name}.safetensors")
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert description["kind"] == name and description["licence"]
    assert "Groove" in json.dumps(description["training_data"])
    return ours, description
