"""What tests share: small untrained models, and a little data to train on."""

import json
import shutil

import mido
import numpy as np
import pytest
import soundfile

from adt.frames import SAMPLE_RATE

SMALL_BANK = {"widths": [4, 4, 8, 8]}
SMALL_ATTENTION = {"width": 24, "hidden": 8, "layers": 1, "heads": 1}
SMALL_DETECTORS = {"front": [4, 4, 4, 4], "width": 8, "dilations": [1, 2, 4]}
#: Settings of a training of two steps on `data`.
SMALL = [
    "data.accompaniment=[band]", "data.real=none", "data.workers=0", "data.validation_clips=2",
    "randomise.clip_seconds=1.0", "train.steps=2", "train.batch=2", "train.precision=fp32",
    "train.validate_every=1"]


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


def _midi(path, seed):
    rng = np.random.default_rng(seed)
    midi = mido.MidiFile()
    midi.tracks.append(track := mido.MidiTrack())
    for _ in range(24):
        note = int(rng.choice([36, 38, 42, 46, 48, 51, 49, 37]))
        track.append(mido.Message("note_on", note=note, velocity=int(rng.integers(30, 127)),
                                  time=int(rng.integers(60, 240))))
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)


def write_small_kit(folder, source, family):
    """One sample of each stroke: enough, and quick to read."""
    shutil.copytree(source, folder)
    meta = json.loads((folder / "kit.json").read_text())
    meta.update(name=family, family=family, pieces={
        name: [dict(files[-1], velocity_lo=1, round_robin=1)]
        for name, files in meta["pieces"].items()})
    (folder / "kit.json").write_text(json.dumps(meta))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Folder for ``--data``: a training and a validation kit, a tiny Groove, a band of noise."""
    from adt.synth import write_kit

    root = tmp_path_factory.mktemp("data")
    full = write_kit(tmp_path_factory.mktemp("kit") / "full")
    write_small_kit(root / "kits" / "own", full, "synth-0")
    write_small_kit(root / "kits" / "held_out", full, "sams-sonor")
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,"
            "audio_filename,duration,split"]
    for number, split in enumerate(("train", "train", "validation", "test"), 1):
        name = f"drummer1/session1/{number}_rock_120_beat_4-4.mid"
        rows.append(f"drummer1,drummer1/session1,drummer1/session1/{number},rock,120,beat,4-4,"
                    f"{name},,3,{split}")
        _midi(root / "groove" / name, number)
    (root / "groove" / "info.csv").write_text("\n".join(rows) + "\n")
    (root / "band").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE)
    soundfile.write(root / "band" / "noise.wav", noise, SAMPLE_RATE)
    return root


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
