"""Training, from clips to weights that transcribe: two steps on a little synthetic data."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from conftest import SMALL, SMALL_BANK, run_training, write_small_kit
from hypothesis import given, settings
from hypothesis import strategies as st

from adt import audio, config, weights
from adt.cli import main
from adt.config import made
from adt.detectors import OnsetDetectors
from adt.errors import ConfigError, DataError, WeightsError
from adt.features import DB_RANGE, N_BANDS
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.inference import Transcriber
from adt.synth import write_kit
from adt.training import (
    augment,
    dataset,
    endless,
    loop,
    material,
    oneshots,
    spectral,
    targets,
    validation,
)
from adt.training.bank import sdr_loss
from adt.training.endless import loader
from adt.training.widening import widen
from adt.vocabulary import ARTICULATIONS, STEM_COLUMNS, STEMS
from separation import WIENER, Separator, UNetBank

CONFIGS = Path(config.__file__).parents[1] / "configs"

QUIET = targets.INAUDIBLE_WEIGHT


def train(name, data, out, *overrides, resume=False, config=None):
    """``adt train NAME`` with small settings; its exit status."""
    return run_training(name, data, out, (*SMALL, *overrides), *(["--resume"] if resume else []),
                        *(["--config", str(config)] if config else []))


BANK = (f"model.widths={SMALL_BANK['widths']}",)
DETECTORS = ("model.front=[4,4,4,4]", "model.width=8", "model.dilations=[1,2]")


@pytest.fixture(scope="session")
def bank(data, tmp_path_factory):
    """Folder of a trained bank."""
    out = tmp_path_factory.mktemp("bank")
    assert train("bank", data, out, *BANK) == 0
    return out


def log(out):
    with (out / "log.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def checks(out, name, figures):
    """What every training leaves behind."""
    assert {p.name for p in out.iterdir()} == {
        "checkpoint.pt", "config.yaml", "log.csv", "curves.png", f"{name}.safetensors"}
    rows = log(out)
    assert [row["step"] for row in rows] == ["1", "2"]
    for row in rows:
        assert all(np.isfinite(float(value)) for value in row.values())
        assert {"lr", "loss_total", *figures} <= set(row)
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    description = weights.describe(out / f"{name}.safetensors")
    assert description["name"] == name and description["licence"] and description["adt_version"]
    assert description["train"]["steps"] == 2 and description["loss"]
    assert description["randomise"]["clip_seconds"] == 1.0
    told = json.dumps(description["training_data"])
    assert "Groove" in told and "synth-0" in told and "sams-sonor" not in told
    assert set(figures) <= set(*description["metrics"].values())
    return description


# -- whole runs -----------------------------------------------------------------------


def test_bank(bank):
    description = checks(bank, "bank", ["nsdr", *(f"nsdr_{s}" for s in STEMS)])
    assert description["kind"] == "bank" and description["model"] == SMALL_BANK
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    stems = Separator(bank / "bank.safetensors")(audio, SAMPLE_RATE)
    assert all(np.isfinite(stem).all() for stem in stems.values())


def test_a_bank_by_its_sdr(data, tmp_path):
    assert train("bank", data, tmp_path, *BANK, "loss.sdr=0.3") == 0
    for row in log(tmp_path):
        total, masked, sdr = (float(row[f"loss_{n}"]) for n in ("total", "masks", "sdr"))
        assert total == pytest.approx(masked + 0.3 * sdr, abs=1e-4) and sdr != 0


def test_sdr_loss_by_hand():
    """Of two stems and the residual, in a frame of equal bands: dB as they would be measured."""
    mixture = torch.full((1, 1, N_BANDS), -20.0)
    target = torch.tensor([0.5, 0.0, 0.5])[None, :, None, None].expand(1, 3, 1, N_BANDS)

    def loss(masks):  # what the separator makes of them, after sharpening
        masks = torch.tensor(masks).clamp(min=1e-20)
        logits = (masks[:-1] / masks[-1]).log() / (WIENER / 2)
        return float(sdr_loss(logits[None, :, None, None].expand(1, 2, 1, N_BANDS),
                              mixture, target))

    floor = 1e-4
    even = np.log10((0.25 + floor) / (0.5 + floor))  # two of one level: 3 dB
    assert loss([0.5, 0.0, 0.5]) == pytest.approx(2 * even / 3, abs=1e-4)
    lost = np.log10((0.5 * 0.6 ** 2 + 0.5 * 0.4 ** 2 + floor) / (0.5 + floor))
    leak = np.log10((0.1 ** 2 + floor) / floor)  # to one that is silent
    assert loss([0.4, 0.1, 0.5]) == pytest.approx((lost + leak + even) / 3, abs=1e-4)
    assert loss([0.5, 0.0, 0.5]) < loss([0.45, 0.05, 0.5]) < loss([0.4, 0.1, 0.5])


@pytest.mark.parametrize("demix", [True, False], ids=["stems", "mixture"])
def test_detectors(data, bank, tmp_path, demix):
    name = "detectors" if demix else "detectors_mixture"
    own = (f"bank={bank / 'bank.safetensors'}",) if demix else ()
    assert train("detectors", data, tmp_path, *DETECTORS, *own,
                 config=None if demix else CONFIGS / "detectors_mixture.yaml") == 0
    description = checks(tmp_path, name, ["f9_renders", "f5_renders"])
    assert description["kind"] == "detectors" and description["model"]["demix"] is demix
    transcriber = Transcriber(demix, bank=bank / "bank.safetensors",
                              detectors=tmp_path / f"{name}.safetensors")
    audio = 0.1 * np.random.default_rng(0).standard_normal((1, 20_000)).astype(np.float32)
    assert transcriber(audio, SAMPLE_RATE).duration == pytest.approx(20_000 / SAMPLE_RATE)


def test_bank_and_detectors_side_by_side(data, bank, tmp_path):
    """The bank begins as a narrower one; both weights separate and transcribe."""
    wider = [w + 2 for w in SMALL_BANK["widths"]]
    assert train("joint", data, tmp_path, f"start.bank={bank / 'bank.safetensors'}",
                 "start.detectors=null", f"model.bank.widths={wider}", "model.bank.exchange=4",
                 *(s.replace("model.", "model.detectors.") for s in DETECTORS),
                 "model.detectors.exchange=[1]", "data.songs=null", "data.percussion=null",
                 "data.synthetic=null") == 0
    rows = log(tmp_path)
    assert [row["step"] for row in rows] == ["1", "2"]
    assert {"loss_total", "loss_onset", "loss_masks", "nsdr", "f9_renders"} <= set(rows[0])
    heard = Transcriber(bank=tmp_path / "bank.safetensors",
                        detectors=tmp_path / "detectors.safetensors")
    activations = heard.activations(np.zeros(SAMPLE_RATE, np.float32) + 1e-3, SAMPLE_RATE)
    assert activations.onset.shape[1] == 9 and np.isfinite(activations.onset).all()
    description = weights.describe(tmp_path / "bank.safetensors")
    assert description["model"] == {"widths": wider, "exchange": 4}
    assert len(description["history"]) == 2  # the narrower one's and its own
    assert len(weights.describe(tmp_path / "detectors.safetensors")["history"]) == 1


def test_a_wider_bank_begins_as_the_narrower_one(bank):
    tensors, description = weights.load_weights(bank / "bank.safetensors")
    narrow = UNetBank(**description["model"])
    narrow.load_state_dict(tensors)
    torch.manual_seed(0)
    wide = UNetBank([w + 3 for w in narrow.widths], exchange=4)
    drawn = [p.clone() for p in wide.parameters()]
    widen(wide, tensors, len(STEMS))
    decibel = torch.randn(1, 32, N_BANDS) * 10 - 30
    assert torch.allclose(wide.eval()(decibel), narrow.eval()(decibel), atol=1e-5)
    wide.train()(decibel).square().sum().backward()
    # every new filter learns, or is heard by something that does
    assert all(p.grad.abs().sum() > 0 for name, p in wide.named_parameters()
               if "exchange" not in name)
    assert any(not torch.equal(a, b) for a, b in zip(drawn, wide.parameters()))


def test_a_bank_is_trained_from_a_narrower_one(data, bank, tmp_path, capsys):
    start = f"start={bank / 'bank.safetensors'}"
    wider = [w + 2 for w in SMALL_BANK["widths"]]
    assert train("bank", data, tmp_path / "wider", f"model.widths={wider}", start) == 0
    description = weights.describe(tmp_path / "wider" / "bank.safetensors")
    assert description["model"] == {"widths": wider} and len(description["history"]) == 2
    narrow, own = (weights.load_weights(folder / "bank.safetensors")[0]["enter.0.0.weight"]
                   for folder in (bank, tmp_path / "wider"))
    filters = narrow.reshape(len(STEMS), -1, *narrow.shape[1:])
    assert torch.allclose(own.reshape(len(STEMS), -1, *own.shape[1:])[:, :filters.shape[1]],
                          filters, atol=0.02)  # two steps away
    assert train("bank", data, tmp_path / "levels", "model.widths=[8,8]", start) == 1
    assert "are weights of 4 levels" in capsys.readouterr().err
    assert train("joint", data, tmp_path / "joint", "model.bank.widths=[8,8]",
                 start.replace("start", "start.bank"), "start.detectors=null") == 1
    assert "are weights of 4 levels" in capsys.readouterr().err
    assert train("bank", data, tmp_path / "narrow", "model.widths=[1,1,1,1]", start) == 1
    assert "has shape" in capsys.readouterr().err


def test_an_exchange_is_not_widened():
    narrow, wide = (UNetBank([w + more for w in SMALL_BANK["widths"]], exchange=20)
                    for more in (0, 5))
    with pytest.raises(ConfigError, match="start: exchange.* has shape"):
        widen(wide, narrow.state_dict(), len(STEMS))


@pytest.mark.parametrize("widths, words", [((1, 1, 1, 1), "has shape"), (None, "has no")])
def test_a_narrower_network_cannot_begin_as_a_wider_one(bank, widths, words):
    tensors, _ = weights.load_weights(bank / "bank.safetensors")
    if widths is None:
        widths, tensors = SMALL_BANK["widths"], {**tensors, "more": torch.zeros(5)}
    with pytest.raises(ConfigError, match=words):
        widen(UNetBank(widths), tensors, len(STEMS))


def test_the_same_seed_gives_the_same_weights(data, bank, tmp_path):
    assert train("bank", data, tmp_path, *BANK) == 0
    assert [r["loss_total"] for r in log(tmp_path)] == [r["loss_total"] for r in log(bank)]
    ours, _ = weights.load_weights(tmp_path / "bank.safetensors")
    theirs, _ = weights.load_weights(bank / "bank.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_resume_goes_on_where_it_stopped(data, tmp_path, monkeypatch, capsys):
    """A run that is cut off ends like one that was not."""
    overrides = (*BANK, "train.steps=4", "train.validate_every=2")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train("bank", data, whole, *overrides) == 0
    monkeypatch.setattr(loop.torch, "save", _only_first(torch.save))
    assert train("bank", data, cut, *overrides) == 130
    assert (cut / "checkpoint.pt").is_file() and not (cut / "bank.safetensors").exists()
    monkeypatch.undo()
    seen = []
    make = endless.Endless.__init__

    def noted(self, maker, seed, first=0, *rest):
        seen.append(first)
        make(self, maker, seed, first, *rest)

    monkeypatch.setattr(endless.Endless, "__init__", noted)
    capsys.readouterr()
    assert train("bank", data, cut, *overrides, resume=True) == 0
    assert "resumed at step 2" in capsys.readouterr().out
    assert seen == [4], "not the clip after those of the first two steps"
    assert [row["step"] for row in log(cut)] == ["2", "4"]
    for name in ("nsdr", "loss_total"):
        assert log(cut)[-1][name] == log(whole)[-1][name]
    ours, _ = weights.load_weights(cut / "bank.safetensors")
    theirs, _ = weights.load_weights(whole / "bank.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_resume_draws_the_same_numbers(tmp_path):
    """Of layers that draw at random, too: dropout, and detectors that see nothing beside."""
    class Dropping(torch.nn.Sequential):
        def __init__(self):
            torch.manual_seed(0)
            super().__init__(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

    def run(out, resume=False, stop=None):
        config = {"data": {"workers": 0}, "train": {
            "steps": 6, "batch": 2, "learning_rate": 1e-2, "weight_decay": 0.0, "seed": 3,
            "average": 0.9, "precision": "fp32", "validate_every": 2}}
        validated = 0

        def validate(model):
            nonlocal validated
            validated += 1
            if validated == stop:
                raise KeyboardInterrupt
            return {"figure": float(torch.rand(()))}

        torch.manual_seed(0)
        return loop.fit(
            Dropping(), lambda model, batch: {"total": model(batch["x"]).square().mean()},
            partial(loader, lambda rng: {"x": rng.standard_normal(8).astype(np.float32)}, config),
            validate, config, out, torch.device("cpu"), resume)[0].state_dict()

    def logged(out):
        with (out / "log.csv").open(newline="") as handle:
            return [row["step"] for row in csv.DictReader(handle)]

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop=2)
    assert logged(tmp_path / "cut") == ["2"]
    again = run(tmp_path / "cut", resume=True)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert logged(tmp_path / "cut") == ["2", "4", "6"]


def test_a_run_does_not_replace_another(data, begun, capsys, monkeypatch):
    from adt.training import dataset
    monkeypatch.setattr(dataset, "training_maker", None)  # it is refused before data is read
    before = {path.name: path.read_bytes() for path in begun.iterdir()}
    assert train("bank", data, begun, *BANK) == 1
    assert "--resume" in _error(capsys)
    assert {path.name: path.read_bytes() for path in begun.iterdir()} == before


def test_settings_are_kept_beside_what_was_made_with_them(data, bank, tmp_path, monkeypatch):
    shutil.copytree(bank, tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    before = (tmp_path / "run" / "config.yaml").read_bytes()

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "read_kits", interrupted)
    assert train("bank", data, tmp_path / "run", *BANK, "train.steps=99") == 130
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def _only_first(save):
    """`torch.save` that stops a run from storing its second checkpoint."""
    count = []

    def first(*arguments, **options):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        save(*arguments, **options)
    return first


def test_weights_may_be_blended_with_those_begun_with(data, bank, tmp_path):
    before, results = bank / "bank.safetensors", []
    for share in (0.0, 0.25):
        out = tmp_path / str(share)
        assert train("bank", data, out, *BANK, f"start={before}",
                     f"train.start_share={share}") == 0
        results.append(weights.load_weights(out / "bank.safetensors"))
    (trained, _), (blended, description) = results
    start, _ = weights.load_weights(before)
    assert not torch.equal(start["leave.weight"], trained["leave.weight"])
    for name, tensor in blended.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(
                tensor, 0.75 * trained[name] + 0.25 * start[name], rtol=2e-3, atol=2e-3)
    assert "share of 0.25" in description["history"][-1]


def test_largest_activations_come_with_weights(data, bank, tmp_path):
    """And can be measured later, for weights that have none, by the same figures."""
    path = bank / "bank.safetensors"
    tensors, description = weights.load_weights(path)
    there = weights.load_largest(path)
    assert there.keys() == UNetBank(**description["model"]).measured().keys()
    assert all((values >= 0).all() and values.max() > 0 for values in there.values())
    bare, out = tmp_path / "bare.safetensors", tmp_path / "out"
    weights.save_weights(bare, tensors, description)
    assert weights.load_largest(bare) == {}
    sets = [word for setting in SMALL for word in ("--set", setting)]
    assert main(["train", "ranges", str(bare), "--data", str(data), "-o", str(out), *sets,
                 "--device", "cpu"]) == 0
    again, same = weights.load_weights(out / "bare.safetensors")
    assert same == description and all(torch.equal(again[n], tensors[n]) for n in tensors)
    for name, values in weights.load_largest(out / "bare.safetensors").items():
        torch.testing.assert_close(values, there[name], rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("demix", ["true", "false"])
def test_largest_activations_of_detectors(data, bank, tmp_path, demix):
    assert train("detectors", data, tmp_path, *DETECTORS, f"model.demix={demix}",
                 f"bank={bank / 'bank.safetensors'}") == 0
    path = tmp_path / "detectors.safetensors"
    _, description = weights.load_weights(path)
    found = weights.load_largest(path)
    assert found.keys() == OnsetDetectors(**description["model"]).measured().keys()
    assert len(found["tcn.0.found"]) == 8 * len(STEMS)


def test_largest_activations_of_two_files_of_one_name(data, bank, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    other = shutil.copy(bank / "bank.safetensors", tmp_path / "other")
    assert main(["train", "ranges", str(bank / "bank.safetensors"), str(other), "--data",
                 str(data), "-o", str(tmp_path / "out")]) == 1
    assert "two of the weights have one name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_largest_activations_need_clips(data, bank, tmp_path, capsys):
    assert main(["train", "ranges", str(bank / "bank.safetensors"), "--data", str(data), "-o",
                 str(tmp_path / "out"), "--set", "data.validation_clips=0", "--set",
                 "data.accompaniment=[band]"]) == 1
    assert "nothing to validate on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name, said", [("beats", "weights of 'beats', which compute in floats"),
                                        ("none.safetensors", "no such weights")])
def test_largest_activations_of_other_networks_are_refused(data, tmp_path, capsys, name, said):
    assert main(["train", "ranges", name, "--data", str(data), "-o", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weights_have_a_mean(data, bank, tmp_path):
    one = bank / "bank.safetensors"
    assert train("bank", data, tmp_path / "other", *BANK, "train.seed=5") == 0
    other, out = tmp_path / "other" / "bank.safetensors", tmp_path / "mean.safetensors"
    assert main(["train", "average", str(one), str(other), "-o", str(out)]) == 0
    (a, _), (b, _), (mean, description) = map(weights.load_weights, (one, other, out))
    assert not torch.equal(a["leave.weight"], b["leave.weight"])
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (a[name] + b[name]) / 2, rtol=2e-3, atol=1e-4)
    assert description["kind"] == "bank" and description["metrics"] == {}
    known = [weights.load_largest(path) for path in (one, other, out)]
    for name, values in known[2].items():
        assert torch.equal(values, torch.maximum(known[0][name], known[1][name]))
    assert "the mean with" in description["history"][-1] and "seed 5" in description["history"][-1]


def test_networks_of_velocities_have_the_mean_of_what_they_say(tmp_path):
    from adt.velocity import N_FEATURES, VelocityNet

    generator = torch.Generator().manual_seed(0)
    features = torch.randn(50, N_FEATURES, generator=generator)
    paths, said = [], []
    for seed in range(2):
        torch.manual_seed(seed)
        network = VelocityNet(hidden=8, members=3).eval()
        for kind in ("stems", "mixture"):
            getattr(network, f"{kind}_mean").copy_(0.2 * torch.randn(N_FEATURES))
            getattr(network, f"{kind}_scale").copy_(1.0 + torch.rand(N_FEATURES))
        paths.append(tmp_path / f"{seed}.safetensors")
        weights.save_weights(paths[-1], network.state_dict(), {
            "kind": "velocity", "model": {"hidden": 8, "members": 3}, "metrics": {}})
        with torch.inference_mode():
            said.append([network(features, demix) for demix in (True, False)])
    out = tmp_path / "all.safetensors"
    assert main(["train", "average", *map(str, paths), "-o", str(out)]) == 0
    tensors, description = weights.load_weights(out)
    assert description["model"]["members"] == 6
    network = VelocityNet(**description["model"]).eval()
    network.load_state_dict(tensors)
    for i, demix in enumerate((True, False)):
        with torch.inference_mode():
            told = network(features, demix)
        torch.testing.assert_close(told, (said[0][i] + said[1][i]) / 2, rtol=0, atol=4e-3)
        assert not torch.allclose(told, said[0][i], atol=4e-3)


def test_decoders_keep_all_transformers(tmp_path, capsys):
    from adt.decoder import Decoder

    size = {"hidden": 8, "heads": 2, "layers": 1, "width": 48}
    trees = {"strokes": {"trees": 2, "nodes": 3}, "cymbals": {"trees": 2, "nodes": 3}}
    paths, decoders = [], []
    for seed, members in ((0, 1), (1, 2), (2, 0)):
        torch.manual_seed(seed)
        shape = {**trees, **({"attention": {"members": members, **size}} if members else {})}
        decoders.append(Decoder(**shape))
        decoders[-1].strokes["stems"].threshold.fill_(0.1 + seed)
        paths.append(str(tmp_path / f"{seed}.safetensors"))
        weights.save_weights(paths[-1], decoders[-1].state_dict(), {
            "kind": "decoder", "model": shape, "metrics": {}, "history": [f"run {seed}"]})
    out = tmp_path / "all.safetensors"
    assert main(["train", "average", *paths[:2], "-o", str(out)]) == 0
    tensors, description = weights.load_weights(out)
    assert description["model"] == {**trees, "attention": {"members": 3, **size}}
    assert description["history"] == ["run 0", "side by side with the transformers of run 1"]
    Decoder(**description["model"]).load_state_dict(tensors)
    assert tensors["strokes.stems.threshold"].unique().item() == pytest.approx(0.1, abs=1e-6)
    for member, (decoder, own) in enumerate([(0, 0), (1, 0), (1, 1)]):
        for name, tensor in decoders[decoder].attention["stems"][own].state_dict().items():
            torch.testing.assert_close(tensors[f"attention.stems.{member}.{name}"], tensor,
                                       rtol=2e-3, atol=1e-4)
    assert main(["train", "average", paths[2], paths[2], "-o", str(tmp_path / "no")]) == 1
    assert "2.safetensors: has no transformers" in capsys.readouterr().err


def test_weights_of_other_sizes_have_no_mean(data, bank, tmp_path, capsys):
    one, out = bank / "bank.safetensors", tmp_path / "mean.safetensors"
    assert train("bank", data, tmp_path / "wide", "model.widths=[4,8,8,8]") == 0
    wide = tmp_path / "wide" / "bank.safetensors"
    assert main(["train", "average", str(one), str(wide), "-o", str(out)]) == 1
    assert str(wide) in capsys.readouterr().err and not out.exists()
    assert main(["train", "average", str(one), "decoder", "-o", str(out)]) == 1
    assert "of another kind" in capsys.readouterr().err and not out.exists()
    assert main(["train", "average", str(one), "-o", str(out)]) == 1
    assert "two" in capsys.readouterr().err and not out.exists()


def test_resume_of_a_finished_run_writes_its_weights_again(data, bank, tmp_path):
    for name in ("checkpoint.pt", "log.csv"):
        shutil.copy(bank / name, tmp_path)
    assert train("bank", data, tmp_path, *BANK, resume=True) == 0
    ours, _ = weights.load_weights(tmp_path / "bank.safetensors")
    theirs, _ = weights.load_weights(bank / "bank.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture
def begun(bank, tmp_path):
    """Folder with the checkpoint and the log of a bank of two steps."""
    for name in ("checkpoint.pt", "log.csv"):
        shutil.copy(bank / name, tmp_path)
    return tmp_path


def _error(capsys):
    """The one line that says what is wrong."""
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    return line


@pytest.mark.parametrize("changes, words", [
    (["train.seed=5", "randomise.room=0.1"], "(randomise.room=0.5, train.seed=1)"),
    (["train.steps=1"], "has 2 steps already")])
def test_resume_refuses_other_settings(data, begun, capsys, changes, words):
    assert train("bank", data, begun, *BANK, *changes, resume=True) == 1
    line = _error(capsys)
    assert words in line and "checkpoint.pt" in line and not (begun / "config.yaml").exists()


def test_resume_refuses_other_data_of_one_name(data, begun, tmp_path, capsys):
    other = shutil.copytree(data, tmp_path / "other")
    write_small_kit(other / "kits" / "second", write_kit(tmp_path / "full"), "synth-1")
    assert train("bank", other, begun, *BANK, resume=True) == 1
    assert "training_data.kits" in (line := _error(capsys)) and len(line) < 600
    assert loop._short(["kit"] * 100) == "100 others" and loop._short([1, 2]) == "[1, 2]"
    state = torch.load(begun / "checkpoint.pt")
    settings = json.loads(state["settings"])
    del settings["training_data"]  # as earlier versions
    torch.save({**state, "settings": json.dumps(settings)}, begun / "checkpoint.pt")
    assert train("bank", other, begun, *BANK, resume=True) == 0


def test_resume_takes_more_steps_and_another_validation(data, begun):
    assert train("bank", data, begun, *BANK, "train.steps=3", "train.validate_every=3",
                 "data.validation_clips=1", "data.real=null", resume=True) == 0
    assert [row["step"] for row in log(begun)] == ["1", "2", "3"]
    state = torch.load(begun / "checkpoint.pt", weights_only=True)
    assert json.loads(state.pop("settings"))["train"]["steps"] == 3
    torch.save(state, begun / "checkpoint.pt")  # as before settings were kept
    assert train("bank", data, begun, *BANK, "train.steps=4", "train.seed=5", resume=True) == 0


@pytest.mark.parametrize("damage", [
    lambda b: b"", lambda b: b"hello", lambda b: b[:len(b) // 2], lambda b: b[:-10]],
    ids=["empty", "text", "half", "cut"])
def test_a_damaged_checkpoint_is_named(data, begun, capsys, damage):
    path = begun / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    assert train("bank", data, begun, *BANK, resume=True) == 1
    assert "checkpoint.pt: damaged" in (line := _error(capsys)) and "remove it" in line


def test_a_foreign_checkpoint_is_named(data, begun, capsys):
    for state in ([1], {"model": {}}, {"model": [], "average": 1, "optimiser": {}, "step": 1}):
        torch.save(state, begun / "checkpoint.pt")
        assert train("bank", data, begun, *BANK, resume=True) == 1
        assert "checkpoint.pt: " in _error(capsys)


def test_logs_and_curves_of_changing_figures(tmp_path):
    path = tmp_path / "log.csv"
    rows = [{"step": 1, "loss_a": 0.5, "f": 1}, {"step": 2, "loss_a": 0.4, "f": 2, "real": 3},
            {"step": 3, "loss_a": 0.3}]
    for row in rows:
        loop._log(path, row)
        loop.plot_curves(path, tmp_path / "curves.png")
    assert [list(row.values()) for row in log(tmp_path)] == [
        ["1", "0.5", "1", ""], ["2", "0.4", "2", "3"], ["3", "0.3", "", ""]]
    path.write_text("step,loss_a\n1,0.5,7\n2\n")  # of earlier versions
    loop._log(path, rows[1])
    loop.plot_curves(path, tmp_path / "curves.png")
    assert [row["real"] for row in log(tmp_path)] == ["", "", "3"]


def test_nothing_is_blended_with_weights_drawn_at_random(data, tmp_path, capsys):
    assert train("bank", data, tmp_path, *BANK, "train.start_share=0.5") == 1
    assert "set start, or train.start_share=0" in _error(capsys)
    both = {"train": {"start_share": 0.5}, "start": {"bank": "bank", "detectors": None}}
    with pytest.raises(ConfigError, match="start.bank and start.detectors"):
        loop._share(both)
    both["start"]["detectors"] = "detectors"
    assert loop._share(both) == 0.5


def test_what_was_heard_with_other_weights_is_refused(data, small_bank, small_detectors, tmp_path):
    from adt.training import decoder
    from adt.training.listener import Listener
    own = {"bank": small_bank, "detectors": small_detectors[True],
           "detectors_mixture": small_detectors[False]}
    own = {name: shutil.copy(path, tmp_path / name) for name, path in own.items()}
    changed = config.load_config(CONFIGS / "decoder.yaml", [
        "data.accompaniment=[band]", "data.workers=0", "data.songs=null", "data.percussion=null",
        "data.clips=1", "louder.clips=1", "randomise.clip_seconds=1.0",
        *(f"{name}={path}" for name, path in own.items())])

    def listen():
        listener = Listener(changed, torch.device("cpu"))
        return decoder.listen(listener, changed, data, tmp_path / "heard.npz")

    assert len(listen()[0]) == len(listen()[0]) == 2
    before, data = data, shutil.copytree(data, tmp_path / "data")
    write_small_kit(data / "kits" / "second", write_kit(tmp_path / "full"), "synth-1")
    with pytest.raises(ConfigError, match=r"heard\.npz: .*other settings"):
        listen()
    data = before
    tensors, described = weights.load_weights(own["bank"])
    weights.save_weights(own["bank"], tensors, {**described, "name": "another"})
    with pytest.raises(ConfigError, match=r"heard\.npz: .*weights"):
        listen()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_is_named(data, tmp_path, capsys, split):
    root = shutil.copytree(data, tmp_path / "data")
    path = root / "groove" / "info.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(True)
                            if not line.endswith(f",{split}\n")))
    assert train("bank", root, tmp_path / "out", *BANK) == 1
    assert f"info.csv: no performances of the split {split}" in _error(capsys)


def test_kits_that_do_not_suffice_are_named(data, settings_of_clips):
    (kit,) = dataset.read_kits(data / "kits", "train")
    some, others = (replace(kit, layers={name: kit.layers[name] for name in names}) for names in (
        ("kick", "snare", "crash"), ("tom_mid", "hihat_closed")))
    for kits, words in (([some], "none of synth-0 plays toms or hihat"),
                        ([some, others], "four stems or more")):
        with pytest.raises(DataError, match=words):
            spectral.ClipMaker([], kits, None, [], settings_of_clips["randomise"])


def test_kits_to_validate_on_are_named(data, tmp_path, capsys):
    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "kits" / "held_out")
    assert train("bank", tmp_path / "data", tmp_path / "out", *BANK) == 1
    assert "no kits (validation) found" in (line := _error(capsys)) and "sams-sonor" in line


def test_samples_without_a_sound_are_named(tmp_path):
    from adt.data.kits import read_kit
    sound = np.zeros(8_000, np.float32)
    sound[:4_000] = 0.5
    for name, samples in (("silent", 0 * sound), ("empty", sound[:0]), ("late", sound)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", samples, SAMPLE_RATE)
        file = {"file": "a.wav", "velocity_hi": 127, "onset_ms": 100 if name == "late" else 0}
        (tmp_path / name / "kit.json").write_text(json.dumps(
            {"name": name, "pieces": {"kick": [file]}}))
        sample = read_kit(tmp_path / name).layers["kick"][0][0]
        with pytest.raises(DataError, match="a.wav: nothing sounds after its onset"):
            assert sample.audio is None
    (tmp_path / "late" / "kit.json").write_text(json.dumps(
        {"name": "late", "pieces": {"kick": [{**file, "onset_ms": 80}]}}))
    assert read_kit(tmp_path / "late").layers["kick"][0][0].audio.any()


def test_without_validation_nothing_is_trained(data, tmp_path, capsys):
    assert train("bank", data, tmp_path, *BANK, "data.validation_clips=0") == 1
    assert "data.validation_clips" in _error(capsys)
    for name in ("beats", "bars"):  # Groove here lasts three seconds
        sets = ["data.midi=[]", "data.workers=0", "train.steps=1", "model.width=4"]
        assert run_training(name, data, tmp_path, sets) == 1
        assert "no long performances of the split train" in _error(capsys)
        assert run_training(name, data, tmp_path, [*sets, "data.shares.groove=0"]) == 1
        assert "no long performances of the split validation" in _error(capsys)


def test_a_band_and_recordings_may_be_left_out(data, tmp_path):
    assert train("detectors", data, tmp_path, *DETECTORS, "data.real=null",
                 "data.accompaniment=null", config=CONFIGS / "detectors_mixture.yaml") == 0
    described = weights.describe(tmp_path / "detectors_mixture.safetensors")
    told = described["training_data"]
    assert described["made_with"] == {}  # no bank: they read the mixture
    assert told["accompaniment"].startswith("0 ")


@pytest.mark.parametrize("missing, words", [
    ("kits", "no kits"), ("groove", "no info.csv"), ("band", "no such file or folder"),
    ("held_out", r"no kits (validation)")])
def test_missing_data_is_named_in_one_line(data, tmp_path, capsys, missing, words):
    root = tmp_path / "data"
    shutil.copytree(data, root, copy_function=lambda a, b: shutil.copyfile(a, b))
    shutil.rmtree(root / "kits" / missing if missing == "held_out" else root / missing)
    assert train("bank", root, tmp_path / "out", *BANK) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and words in errors[0]


# -- clips ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def settings_of_clips():
    return config.load_config(CONFIGS / "bank.yaml", SMALL)


@pytest.fixture(scope="session")
def maker(data, settings_of_clips):
    return dataset.training_maker(settings_of_clips, data)


def _clips(maker, seed, first=0, stop=None):
    return endless.Endless(lambda rng: vars(maker(rng)), seed, first, stop)


def test_clips_are_what_a_model_reads(maker):
    heard = 0
    for clip in _clips(maker, seed=3, stop=12):
        assert clip["mixture"].shape == (100, N_BANDS)
        assert clip["shares"].shape == (len(STEMS), 100, N_BANDS)
        assert all(bool(torch.isfinite(value).all()) for value in clip.values())
        assert DB_RANGE[0] <= clip["mixture"].min() <= clip["mixture"].max() <= DB_RANGE[1]
        assert clip["shares"].min() >= 0 and clip["shares"].sum(dim=0).max() <= 1 + 1e-4
        assert clip["onset"].max() <= 1
        assert set(clip["weight"].unique().tolist()) <= {np.float32(QUIET), 1.0}
        assert all(value.dtype == torch.float32 for value in clip.values())
        heard += int((clip["onset"] > 0.9).sum())
    assert heard > 12


def test_a_seed_and_a_number_make_a_clip(maker):
    clips = list(_clips(maker, seed=5, stop=4))
    again = list(_clips(maker, seed=5, first=2, stop=4))
    for ours, theirs in zip(again, clips[2:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    (other,) = _clips(maker, seed=6, stop=1)
    assert not torch.equal(other["mixture"], clips[0]["mixture"])
    assert not torch.equal(clips[1]["mixture"], clips[0]["mixture"])


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 4, 6])
def test_batches_do_not_depend_on_the_workers(workers, first):
    def make(rng):
        return {"drawn": rng.random(2)}

    settings = {"train": {"seed": 4, "batch": 2}, "data": {"workers": 0}}
    alone = list(endless.loader(make, settings, first, 13))
    settings["data"]["workers"] = workers
    shared = list(endless.loader(make, settings, first, 13))
    assert len(alone) == len(shared) == -(-(13 - first) // 2)
    for ours, theirs in zip(shared, alone):
        assert torch.equal(ours["drawn"], theirs["drawn"])


def test_validation_clips_never_change(data, settings_of_clips):
    first, second = (dataset.validation_clips(settings_of_clips, data, 2) for _ in range(2))
    assert len(first) == 2
    for ours, theirs in zip(first, second):
        for name in vars(ours):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_plain_clip_is_loud_where_it_is_struck(data, settings_of_clips):
    """Labels and spectra agree in time: power rises around every labelled onset."""
    from adt.data.groove import Performance
    plain = dict(settings_of_clips["randomise"], pattern=0, vary=0, swap=0, room=0, shaker=0,
                 accompaniment=0, low_pass=0, compress=0, gain_db=0, level=0, clip_seconds=3.0)
    kits = dataset.read_kits(data / "kits", "train")
    times = np.array([0.5, 1.0, 1.503, 2.0071, 2.5])
    strokes = Performance(times, np.array([0, 1, 0, 1, 0]), np.full(5, 100))
    maker = spectral.ClipMaker([strokes], kits, oneshots.OneShots(kits), [], plain)
    maker._performance = lambda rng: strokes
    clip = maker(np.random.default_rng(0))
    for time, piece in zip(times, (0, 1, 0, 1, 0)):
        frame = round(time * 100)
        assert clip.onset[:, piece][frame - 5:frame + 6].argmax() == 5
        stem = (clip.shares[piece] * 10 ** (clip.mixture / 10)).sum(axis=1)
        loudest = stem[frame - 5:frame + 12].argmax() - 5
        assert 0 <= loudest <= 4 and stem[frame - 4] < 0.1 * stem[frame + loudest]


def test_stemgmd_clips_train_too(data, settings_of_clips, tmp_path):
    from adt.data.render import render_dataset
    render_dataset(data / "groove", data / "kits", tmp_path, kits=["synth-0"], seconds=2.0,
                   seed=0, progress=False)
    changed = config.load_config(CONFIGS / "bank.yaml", [
        *SMALL, f"data.stemgmd={tmp_path}", "data.stemgmd_kits=[synth-0]",
        "randomise.stemgmd=1.0"])
    maker = dataset.training_maker(changed, data)
    assert len(maker.recorded) == 2  # of the split train
    clips = list(_clips(maker, seed=0, stop=6))
    assert all(bool(torch.isfinite(v).all()) for clip in clips for v in clip.values())
    assert any(float(clip["onset"].max()) > 0.9 for clip in clips)
    assert any(float(clip["shares"].max()) > 0.5 for clip in clips)
    (clip, *_) = maker.recorded
    whole = clip.performance()
    hats = np.isin(whole.pieces, STEM_COLUMNS[STEMS.index("hihat")])
    assert hats.any() and not hats.all()
    lacking = replace(clip, files={piece: path for piece, path in clip.files.items()
                                   if not piece.startswith("hihat")})
    kept = lacking.performance()  # nobody hears the others
    np.testing.assert_array_equal(kept.times, whole.times[~hats])
    changed["data"]["stemgmd_kits"] = ["nowhere"]
    with pytest.raises(DataError, match="no kit nowhere.*data.stemgmd_kits"):
        dataset.training_maker(changed, data)


def test_kits_that_are_held_out_do_not_train(data, settings_of_clips, tmp_path):
    for kit in ("synth-0", "sams-sonor", "roots"):
        path = tmp_path / f"drummer1/session1/1_rock_120_beat_4-4/{kit}/kick.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, np.zeros(9), SAMPLE_RATE)
    changed = {"data": {**settings_of_clips["data"], "stemgmd": str(tmp_path),
                        "stemgmd_kits": None}}
    assert [clip.kit for clip in dataset._recorded(changed, data)] == ["synth-0"]
    for kit in ("sams-sonor", "roots"):
        changed["data"]["stemgmd_kits"] = [kit, "synth-0"]
        with pytest.raises(ConfigError, match=f"data.stemgmd_kits: {kit} must not train"):
            dataset._recorded(changed, data)
    shutil.rmtree(tmp_path / "drummer1/session1/1_rock_120_beat_4-4/synth-0")
    changed["data"]["stemgmd_kits"] = None
    with pytest.raises(DataError, match="no clips of the split train"):
        dataset._recorded(changed, data)


@pytest.fixture
def songs(tmp_path):
    """A folder of one song: a steady tone and drums on the beat."""
    from adt.data.groove import Performance
    from adt.data.songs import write_drums
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(44_100 * 5) / 44_100)
    soundfile.write(tmp_path / "one.flac", tone, 44_100)
    times = np.arange(1, 9) * 0.5
    write_drums(Performance(times, np.array([0, 1, 9, 10, 11, 12, 13, 5]), np.arange(8) * 10 + 40),
                tmp_path / "one.mid")
    return tmp_path


def test_songs_keep_their_drums(songs):
    from adt.data.songs import read_songs
    (song,) = read_songs(songs)
    np.testing.assert_allclose(song.performance.times, np.arange(1, 9) * 0.5, atol=1e-3)
    assert song.performance.articulations.tolist() == [0, 1, 9, 10, 11, 12, 13, 5]
    assert song.performance.velocities.tolist() == (np.arange(8) * 10 + 40).tolist()
    with pytest.raises(DataError, match="render-songs"):
        read_songs(songs / "..")


def test_clips_of_songs_have_band_and_drums_in_time(data, settings_of_clips, songs):
    changed = config.load_config(CONFIGS / "bank.yaml", [
        *SMALL, f"data.songs={songs}", "randomise.song=1.0", "randomise.accompaniment=0"])
    maker = dataset.training_maker(changed, data)
    assert len(maker.songs) == 1
    rng = np.random.default_rng(0)
    for _ in range(5):
        band, drums = maker._song(rng)
        assert band.shape == (100, N_BANDS) and band[:10].sum() > 0
        assert (np.diff(drums.times) >= 0).all() and (drums.times >= 0).all()
    clips = [maker(np.random.default_rng(n)) for n in range(6)]
    maker.accompaniment.clear()  # then the song's own band is the only one
    assert all(maker._band(rng, band).any() for _ in range(20))
    # the tone is in the mixture and in no stem
    bins = [int((c.mixture.mean(axis=0)).argmax()) for c in clips]
    assert max(bins.count(b) for b in bins) >= 3
    assert all(float(c.shares.sum(axis=0).mean()) < 0.9 for c in clips)


def test_rendering_a_band_needs_fluidsynth(songs, tmp_path, monkeypatch):
    from adt.data import songs as module
    from adt.data.percussion import render_percussion
    from adt.errors import ConfigError
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="install it"):
        module.render_song(songs / "one.mid", "font.sf2", songs / "out")
    assert not (songs / "out").exists()
    with pytest.raises(ConfigError, match="install it"):
        render_percussion("font.sf2", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/usr/share/sounds/sf2/FluidR3_GM.sf2").is_file()
                    or shutil.which("fluidsynth") is None, reason="no fluidsynth, no sound font")
def test_a_band_is_rendered_without_its_drums(tmp_path):
    import pretty_midi

    from adt.data.songs import read_songs, render_song
    midi = pretty_midi.PrettyMIDI()
    drums, bass = pretty_midi.Instrument(0, is_drum=True), pretty_midi.Instrument(33)
    drums.notes = [pretty_midi.Note(100, 36, 0.5, 0.6)]
    bass.notes = [pretty_midi.Note(100, 40, 1.0, 1.5)]
    midi.instruments = [drums, bass]
    midi.write(str(tmp_path / "x.mid"))
    render_song(tmp_path / "x.mid", "/usr/share/sounds/sf2/FluidR3_GM.sf2", tmp_path / "out", 2.0)
    (song,) = read_songs(tmp_path / "out")
    assert song.performance.times.tolist() == [0.5]
    sound = np.abs(audio.load(song.audio)[0]).max(axis=0)
    assert sound[:40_000].max() < 0.01 < 0.1 < sound[44_100:60_000].max()
    flute = pretty_midi.Instrument(73)
    flute.notes = [pretty_midi.Note(100, 80, 0.2, 0.8)]
    midi.instruments.append(flute)
    midi.write(str(tmp_path / "y.mid"))
    for seed in range(6):  # one of the two plays alone, be it through an amplifier
        path = render_song(tmp_path / "y.mid", "/usr/share/sounds/sf2/FluidR3_GM.sf2",
                           tmp_path / f"solo{seed}", 2.0, distort=0.5, seed=seed, solo=1.0)
        sound = np.abs(audio.load(path)[0]).max(axis=0)
        both = sound[9_000:35_000].max(), sound[50_000:66_000].max()
        assert min(both) < 0.01 < 0.05 < max(both)


def test_songs_of_a_folder_are_rendered_with_one_set_of_options(songs, tmp_path, monkeypatch,
                                                                capsys):
    from adt.data import songs as module
    rendered = []
    monkeypatch.setattr(module, "render_song", lambda *given: rendered.append(given) or songs)
    (tmp_path / "font.sf2").write_bytes(b"")

    def render(*options):
        return main(["render-songs", str(songs), "--soundfont", str(tmp_path / "font.sf2"),
                     "-o", str(tmp_path / "out"), *options])

    assert render("--solo", "0.5") == render("--solo", "0.5") == 0 and len(rendered) == 2
    capsys.readouterr()
    assert render() == 1 and "another folder" in _error(capsys) and len(rendered) == 2


@pytest.mark.skipif(not Path("/usr/share/sounds/sf2/FluidR3_GM.sf2").is_file()
                    or shutil.which("fluidsynth") is None, reason="no fluidsynth, no sound font")
def test_percussion_is_rendered_stroke_by_stroke(tmp_path, monkeypatch):
    from adt.data import percussion
    monkeypatch.setattr(percussion, "NOTES", {54: 1, 70: 1})
    assert main(["render-percussion", "--soundfont", "/usr/share/sounds/sf2/FluidR3_GM.sf2",
                 "-o", str(tmp_path / "out")]) == 0
    found = percussion.read_percussion(tmp_path / "out")
    assert {note: len(files) for note, files in found.items()} == {54: 3, 70: 3}
    loud = [np.abs(audio.load(f)[0]).max() for f in found[54]]
    assert 0.01 < loud[0] < loud[1] < loud[2]
    assert not list((tmp_path / "out").glob("strokes*"))


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="no fluidsynth")
@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"RIFF\x08\x00\x00\x00sfbkjunk", b""])
def test_another_sound_font_is_not_taken_in_its_place(tmp_path, capsys, content):
    (tmp_path / "my.sf2").write_bytes(content)
    assert main(["render-percussion", "--soundfont", str(tmp_path / "my.sf2"),
                 "-o", str(tmp_path / "out")]) == 1
    assert "my.sf2: " in capsys.readouterr().err


def test_an_amplifier_adds_overtones_and_keeps_the_loudness():
    from adt.data.songs import amplify
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)[:, None]
    wet = amplify(tone.astype(np.float32), 20.0, 5000.0)
    assert wet.shape == tone.shape and wet.dtype == np.float32
    assert np.sqrt((wet ** 2).mean()) == pytest.approx(np.sqrt((tone ** 2).mean()), rel=0.01)
    partials = np.abs(np.fft.rfft(wet[:, 0]))[220 * np.arange(1, 8)]  # bins of 1 Hz
    assert (partials[1:] > 0.01 * partials[0]).all()
    clean = np.abs(np.fft.rfft(tone[:, 0]))[220 * np.arange(1, 8)]
    assert (clean[1:] < 1e-6 * clean[0]).all()


@pytest.fixture
def percussion(tmp_path):
    """A folder of a tambourine in two strengths and a triangle."""
    time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
    for name, hertz in (("54_50", 9000), ("54_120", 9000), ("81_85", 4000)):
        ring = 0.3 * np.exp(-time / 0.05) * np.sin(2 * np.pi * hertz * time)
        soundfile.write(tmp_path / f"{name}.flac", ring, SAMPLE_RATE)
    return tmp_path


def test_percussion_is_heard_and_in_no_stem(data, settings_of_clips, percussion):
    from adt.data.percussion import read_percussion
    assert {n: [p.stem for p in files] for n, files in read_percussion(percussion).items()} == {
        54: ["54_50", "54_120"], 81: ["81_85"]}
    with pytest.raises(DataError, match="render-percussion"):
        read_percussion(percussion / "none")
    changed = config.load_config(CONFIGS / "bank.yaml", [
        *SMALL, f"data.percussion={percussion}", "randomise.percussion=1.0",
        "randomise.accompaniment=0", "randomise.shaker=0"])
    maker = dataset.training_maker(changed, data)
    assert [(chance, len(strokes)) for chance, strokes in maker.percussion] == [(6, 2), (1, 1)]
    for content in (b"fLaC", b""):
        (percussion / "54_60.flac").write_bytes(content)
        with pytest.raises(DataError, match=r"54_60\.flac: stroke cannot be read"):
            material.load_percussion(percussion)
    soundfile.write(percussion / "54_60.flac", np.zeros(100), SAMPLE_RATE)
    with pytest.raises(DataError, match=r"54_60\.flac: .* without a sound"):
        material.load_percussion(percussion)
    (percussion / "54_60.flac").unlink()
    more = material.load_percussion(percussion, 3)
    assert [chance for chance, _ in more] == pytest.approx([6, 1, 14 / 3, 14 / 3, 14 / 3])
    for n in range(8):
        rng = np.random.default_rng(n)
        played = maker._percussion(rng, maker._performance(rng))
        assert played.shape == (maker.frames, N_BANDS)
        assert 0 < played.sum(axis=1).max() < 30
        assert played.sum(axis=0).argmax() > N_BANDS // 2  # high, as they are
    silent = dataset.training_maker(config.load_config(CONFIGS / "bank.yaml", [
        *SMALL, f"data.percussion={percussion}", "randomise.percussion=0",
        "randomise.accompaniment=0", "randomise.shaker=0"]), data)
    shares = [m(np.random.default_rng(3)).shares.sum(axis=0).mean() for m in (maker, silent)]
    assert shares[0] < shares[1]


def test_a_stem_may_be_absent(data, settings_of_clips):
    changed = config.load_config(CONFIGS / "bank.yaml", [*SMALL, "randomise.absent=1.0"])
    maker = dataset.training_maker(changed, data)
    rng = np.random.default_rng(0)
    gone = []
    for _ in range(60):
        whole = maker._performance(rng)
        part = maker._absent(whole, rng)
        stems = [{spectral._STEM_OF[a] for a in p.articulations} for p in (whole, part)]
        assert stems[1] <= stems[0] and len(stems[0] - stems[1]) <= 1
        gone += stems[0] - stems[1]
    assert gone.count(STEMS.index("hihat")) > 10


def test_nobody_may_play_or_one_stem_or_articulation_alone(data, settings_of_clips):
    def maker(*changes):
        return dataset.training_maker(config.load_config(
            CONFIGS / "bank.yaml", [*SMALL, *changes]), data)

    silent = maker("randomise.silent=1.0", "randomise.accompaniment=1.0")(np.random.default_rng(0))
    assert not silent.onset.any() and silent.shares.max() < 1e-6
    loud = 10 * np.log10((10 ** (silent.mixture / 10)).sum(axis=1).max())
    assert -12 < loud < 20  # as others are
    alone, stems, articulations = maker("randomise.alone=1.0"), set(), set()
    for n in range(40):
        rng = np.random.default_rng(n)
        whole = alone._performance(rng)
        part = alone._sparse(whole, rng)
        played = set(part.articulations.tolist())
        left = {spectral._STEM_OF[a] for a in played}
        assert len(left) == 1 or not len(whole)
        assert len(part) == np.isin(whole.articulations, list(played)).sum()
        stems |= left
        articulations.add(len(played))
    assert len(stems) >= 3 and articulations >= {1, 2}


@pytest.mark.parametrize("low, high", [(6, 12), (-12, -3), (-12, 6)])
@pytest.mark.parametrize("harsh", [0.2, 1.0])
def test_accompaniment_is_as_loud_as_asked_for(data, low, high, harsh):
    def rest(*range_of_db):
        maker = dataset.training_maker(config.load_config(CONFIGS / "bank.yaml", [
            *SMALL, f"randomise.accompaniment_db={list(range_of_db)}", "randomise.accompaniment=1",
            "randomise.shaker=0", "randomise.percussion=0", "randomise.rumble=0"]), data)
        return [maker._rest(None, None, 0.0, harsh, np.random.default_rng(n)).sum()
                for n in range(20)]

    levels = 10 * np.log10(np.array(rest(low, high)) / rest(0, 0))
    assert levels.min() >= low - 0.01 and levels.max() <= high + 0.01
    assert np.ptp(levels) > 0.5 or harsh * high < low


@pytest.mark.parametrize("text, words", [
    ("base: bank.yaml\nloss: {velocity: 9}\n", "no setting loss.velocity"),
    ("base: bank.yaml\nmodel: {demix: false}\n", "no setting model.demix"),
    ("base: bank.yaml\ntrain: {crops: 3}\n", "no setting train.crops"),
    ("base: bank.yaml\ntrain: {batch: 0}\n", "1 or more"),
    ("base: bank.yaml\ntrain: {validate_every: 0}\n", "1 or more"),
    ("base: bank.yaml\ntrain: {seed: -1}\n", "0 or more"),
    ("base: bank.yaml\ndata: {workers: -1}\n", "0 or more")])
def test_settings_of_other_commands_and_impossible_ones_are_refused(
        data, tmp_path, capsys, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["train", "bank", "--config", str(tmp_path / "mine.yaml"), "--data", str(data),
                 "-o", str(tmp_path / "out")]) == 1
    assert words in _error(capsys) and not (tmp_path / "out").exists()


def test_settings_without_a_base_are_checked_too(data, bank, tmp_path, capsys):
    text = (bank / "config.yaml").read_text().replace("train:\n", "train:\n  learning_rte: 1\n")
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["train", "bank", "--config", str(tmp_path / "mine.yaml"), "--data", str(data),
                 "-o", str(tmp_path / "out")]) == 1
    assert "learning_rte" in _error(capsys)


def test_samples_of_one_file_have_each_their_own_onset(tmp_path):
    from adt.data.kits import read_kit
    clicks = np.zeros(30_000, np.float32)
    clicks[1_000], clicks[20_000:20_400] = 0.5, 0.3 * np.sin(np.arange(400) / 3)
    (tmp_path / "kit").mkdir()
    soundfile.write(tmp_path / "kit" / "all.wav", clicks, SAMPLE_RATE)
    file = {"file": "all.wav", "velocity_hi": 127}
    (tmp_path / "kit" / "kit.json").write_text(json.dumps({"name": "one", "pieces": {
        "kick": [{**file, "onset_ms": 1_000 / 44.1}],
        "snare": [{**file, "onset_ms": 20_000 / 44.1}]}}))
    kit = read_kit(tmp_path / "kit")
    shots = oneshots.OneShots([kit])
    kick, snare = (shots.get(kit.layers[a][0][0], 0) for a in ("kick", "snare"))
    assert len(kick) != len(snare) or not np.allclose(kick, snare)
    assert kick[oneshots.LEAD].sum() > 0 and snare[oneshots.LEAD].sum() > 0


def test_kits_of_one_name_are_refused(tmp_path):
    from adt.data.kits import read_kits
    for seed in range(2):
        write_kit(tmp_path / f"kit{seed}", seed=seed)
        description = json.loads((tmp_path / f"kit{seed}" / "kit.json").read_text())
        (tmp_path / f"kit{seed}" / "kit.json").write_text(
            json.dumps({**description, "name": "Same"}))
    with pytest.raises(DataError, match="Same"):
        read_kits(tmp_path)


def test_rumble_is_low_and_comes_and_goes():
    for n in range(10):
        noise = augment.rumble(np.random.default_rng(n), 1000)
        assert noise.shape == (1000, N_BANDS) and noise.dtype == np.float32
        assert np.isfinite(noise).all() and noise.min() >= 0
        assert noise.sum(axis=0).cumsum()[30] > 0.9 * noise.sum()
        assert -25 < 10 * np.log10(np.median(noise.sum(axis=1))) < 10


def test_a_one_shot_may_decay_longer_but_not_begin_later():
    shot = np.exp(-np.arange(40.0))[:, None] * np.ones(N_BANDS, np.float32)
    kept = oneshots.LEAD + 3
    for factor, frames in ((2.0, 74), (0.5, 23)):
        other = spectral._stretched(shot, factor)
        assert len(other) == frames
        np.testing.assert_array_equal(other[:kept], shot[:kept])
        for frame in range(kept, frames, 4):
            np.testing.assert_array_equal(other[frame], shot[kept + int((frame - kept) / factor)])
    np.testing.assert_array_equal(spectral._stretched(shot[:kept], 2.0), shot[:kept])


def test_another_kit_may_sound_under_each_stroke(data, settings_of_clips):
    changed = config.load_config(CONFIGS / "bank.yaml", [*SMALL, "randomise.layer=1.0"])
    maker = dataset.training_maker(changed, data)
    snare = ARTICULATIONS.index("snare")
    rng = np.random.default_rng(0)
    sounds = [maker._articulation(rng, snare, 1.0) for _ in range(20)]
    assert all(sound["layer"]["kit"] in maker.kits for sound in sounds)
    assert len({sound["layer"]["gain"] for sound in sounds}) == 20
    shot = maker.shots.get(maker._any_snare(rng), 0)
    layer = sounds[0]["layer"]
    both = maker._layered(shot, layer, 0.8, 0)
    added = both.copy()
    added[:len(shot)] -= shot
    assert added.min() > -1e-3 * shot.max()
    assert added.sum(axis=1).max() == pytest.approx(
        layer["gain"] * shot.sum(axis=1).max(), rel=1e-3)
    one, two = (maker(np.random.default_rng(n)) for n in (1, 1))
    np.testing.assert_array_equal(one.mixture, two.mixture)
    for kit in maker.kits:
        kit.layers.pop("snare")
    assert maker._layer(rng, snare, 1.0) is None


def test_toms_are_tuned_together(data, settings_of_clips):
    maker = dataset.training_maker(settings_of_clips, data)
    rng = np.random.default_rng(0)
    for name in ("tom_high", "tom_mid", "tom_floor"):
        warp = maker._articulation(rng, ARTICULATIONS.index(name), 0.0, tuning=5.0)["warp"]
        np.testing.assert_array_equal(warp, oneshots.warp_matrix(5.0))
    assert maker._articulation(rng, ARTICULATIONS.index("kick"), 0.0, tuning=5.0)["warp"] is None


# -- labels ---------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 60), st.integers(0, 8), st.integers(1, 127),
                          st.booleans()), max_size=12))
def test_labels_peak_at_the_nearest_frame(strokes):
    columns = [np.array(c) for c in zip(*strokes)] or [np.zeros(0)] * 4
    onset, velocity, offset, weight = targets.labels(*columns, 50)
    for array in (onset, velocity, offset, weight):
        assert array.shape == (50, 9) and array.dtype == np.float32
    assert 0 <= onset.min() and onset.max() <= 1
    for time, piece, loud, heard in strokes:
        frame = round(time)
        if frame >= 50:
            continue
        assert onset[frame, piece] >= np.exp(-0.5 * (0.5 / targets.TARGET_WIDTH) ** 2) - 1e-6
        alone = [t for t, p, _, _ in strokes if p == piece and abs(t - time) < 6] == [time]
        if alone:
            assert onset[max(0, frame - 3):frame + 4, piece].max() == onset[frame, piece]
            assert velocity[frame, piece] == pytest.approx(loud / 127)
            assert frame + offset[frame, piece] == pytest.approx(time, abs=1e-4)
            around = weight[max(0, frame - 2):frame + 3, piece]
            assert (around == (1 if heard else np.float32(QUIET))).all()


def test_labels_between_two_near_strokes_belong_to_the_nearer():
    onset, velocity, offset, _ = targets.labels(
        np.array([10.0, 13.0]), np.array([2, 2]), np.array([127, 64]), np.array([True, True]), 30)
    assert onset[[10, 13], 2].tolist() == [1, 1]
    np.testing.assert_allclose(velocity[[11, 12], 2], [1.0, 64 / 127])
    np.testing.assert_allclose(offset[[11, 12], 2], [-1, 1])


def test_a_stroke_that_is_heard_counts_beside_one_that_is_not():
    for strokes in ([10.0, 12.2], [True, False]), ([12.2, 10.0], [False, True]):
        weight = targets.labels(np.array(strokes[0]), np.array([1, 1]), np.array([100, 20]),
                                np.array(strokes[1]), 30)[3]
        np.testing.assert_array_equal(weight[8:15, 1] == 1, [1, 1, 1, 1, 0, 0, 0])


def test_labels_become_the_events_again():
    from adt.training.validation import clip_events
    times = np.array([3.2, 20.6, 40.49, 60.0])
    wanted = targets.labels(times, np.array([0, 1, 0, 8]), np.full(4, 90), np.ones(4, bool), 80)
    events = clip_events(spectral.Clip(None, None, *wanted), 9)
    np.testing.assert_allclose(events["kick"], [0.032, 0.4049], atol=1e-6)
    np.testing.assert_allclose(events["snare"], [0.206], atol=1e-6)
    np.testing.assert_allclose(events["crash"], [0.6], atol=1e-6)


# -- parts of the renderer ------------------------------------------------------------


@pytest.mark.parametrize("position", range(oneshots.POSITIONS))
@pytest.mark.parametrize("onset", [0, 100, 3000])
def test_one_shots_begin_at_their_frame(position, onset):
    audio = np.zeros((1, 6000), np.float32)
    audio[0, onset] = 1.0
    power = oneshots.one_shot(audio, onset, position).sum(axis=1)
    centre = (power * np.arange(len(power))).sum() / power.sum()
    assert centre == pytest.approx(oneshots.LEAD + position / oneshots.POSITIONS, abs=0.02)
    assert len(power) < 2 * oneshots.LEAD + N_FFT // HOP + 3


def test_one_channel_is_as_loud_as_in_a_render():
    audio = np.random.default_rng(0).standard_normal((1, 3000)).astype(np.float32)
    both = np.repeat(audio, 2, axis=0) * np.float32(np.sqrt(0.5))  # panned to the middle
    np.testing.assert_allclose(oneshots.one_shot(audio, 0, 0), oneshots.one_shot(both, 0, 0),
                               rtol=1e-4)


def test_interference_keeps_the_mean_power():
    rng = np.random.default_rng(0)
    sources = rng.gamma(1.0, 1.0, (4, 400, N_BANDS)).astype(np.float32)
    mixed = augment.interfere(sources, rng)
    assert mixed.min() > 0
    np.testing.assert_allclose(mixed.sum(), sources.sum(), rtol=0.02)


def test_pitching_by_nothing_changes_nothing():
    np.testing.assert_allclose(oneshots.warp_matrix(0.0), np.eye(N_BANDS), atol=1e-5)


# -- configurations -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bank", "decoder", "detectors", "detectors_mixture"])
def test_configurations_are_whole(name):
    settings = config.load_config(CONFIGS / f"{name}.yaml")
    assert settings["name"] == name
    assert {"data", "randomise", "model", "train", "loss"} <= set(settings)
    assert type({**settings["model"], **settings["train"]}["learning_rate"]) is float
    assert "base" not in settings


def test_overrides_change_settings():
    settings = config.load_config(CONFIGS / "bank.yaml", [
        "train.learning_rate=2e-3", "train.steps=1e3", "model.widths=[1, 2]", "name=a=b",
        "randomise.level_db.kick=[-1, 1]", "data.stemgmd=here", "randomise.gain_db=3"])
    assert settings["train"]["learning_rate"] == 0.002
    assert settings["train"]["steps"] == 1000 and type(settings["train"]["steps"]) is int
    assert settings["model"]["widths"] == [1, 2] and settings["name"] == "a=b"
    assert settings["randomise"]["level_db"]["kick"] == [-1, 1]
    assert settings["randomise"]["level_db"]["toms"] == [-12, 5]
    assert settings["data"]["stemgmd"] == "here" and settings["randomise"]["gain_db"] == 3
    pitch = config.load_config(CONFIGS / "bank.yaml", ["randomise.pitch={kick: 9}"])["randomise"]
    assert pitch["pitch"] == {**settings["randomise"]["pitch"], "kick": 9}  # as a file would


@pytest.mark.parametrize("override", [
    "nope=1", "train.nope=1", "train.steps", "=1", "train.steps.x=1", "train.steps=many",
    "train.steps=", "train.steps=10.5", "train=5", "model.widths=4", "train.steps=[1", "name=5",
    "train={}", "randomise.pitch={}", "randomise.pitch={gong: 1}", "start={bank: bank}",
    "randomise.harsh=null", "randomise.level_db.kick=null", "data.kits=null", "licence=null"])
def test_bad_overrides_are_named(override):
    with pytest.raises(ConfigError) as caught:
        config.load_config(CONFIGS / "bank.yaml", [override])
    assert override in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text, words", [
    ("train: {learnin_rate: 1.0}", "no setting train.learnin_rate"),
    ("trian: {steps: 1}", "no setting trian"), ("base: nothing.yaml", "nothing.yaml"),
    ("base: mine.yaml", "mine.yaml"), ("train: 5", "train: a section, not a setting"),
    ("train:", "train: a section, not a setting"),
    ("data: {accompaniment: some/string}", "data.accompaniment: expected a value like"),
    ("train: {steps: many}", "train.steps: expected a value like 4000"),
    ("train: {steps: 1.5}", "train.steps: expected a whole number"),
    ("train: {learning_rate: true}", "train.learning_rate: expected"),
    ("name: {a: 1}", "name: expected a value like 'bank'")])
def test_a_configuration_of_ones_own(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text("base: bank.yaml\ntrain: {steps: 7}\n")  # one of the project's
    mine = config.load_config(path)
    assert mine == config.load_config(CONFIGS / "bank.yaml", ["train.steps=7"])
    config.save_config(mine, tmp_path / "out" / "config.yaml")
    assert config.load_config(tmp_path / "out" / "config.yaml") == mine
    path.write_text(text if "base" in text else f"base: bank.yaml\n{text}\n")
    with pytest.raises(ConfigError, match=words):
        config.load_config(path)


def test_numbers_of_a_file_are_numbers(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "base: bank.yaml\ntrain: {learning_rate: 1e-3, steps: 2.0e+3}\ndata: {real: null}\n")
    mine = config.load_config(tmp_path / "mine.yaml")
    assert mine["train"]["learning_rate"] == 0.001 and mine["data"]["real"] is None
    assert mine["train"]["steps"] == 2000 and type(mine["train"]["steps"]) is int


def test_bases_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(ConfigError, match=r"b\.yaml: base: a\.yaml leads back to itself"):
        config.load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["bank", "detectors", "decoder", "joint", "beats", "velocity"])
def test_configurations_suit_their_command(name):
    base = CONFIGS / f"{name}.yaml"
    for path in CONFIGS.glob(f"{name}*.yaml"):
        own = config.load_config(path)
        assert config.complete(own, base, path) == own


@pytest.mark.parametrize("value", ["[0.2]", "[1.0, 0.2]", "[a, b]", "[0.1, 0.2, 0.3]"])
def test_pairs_of_settings_are_two_numbers(data, tmp_path, capsys, value):
    for name in ("harsh", "level_db.kick"):
        assert run_training("bank", data, tmp_path / "out",
                            (f"randomise.{name}={value}",)) == 1
        assert f"randomise.{name}: " in (line := _error(capsys))
        assert "expected two numbers, the smaller one first" in line


def test_the_licence_of_weights_is_a_setting():
    from adt.training import provenance
    config_ = config.load_config(CONFIGS / "bank.yaml", ["licence=all rights reserved"])
    maker = SimpleNamespace(performances=[], kits=[], recorded=[], songs=[], percussion=[],
                            accompaniment=[], instruments=[])
    assert provenance.describe(config_, maker)["licence"] == "all rights reserved"


def test_what_weights_began_with_is_credited_too():
    from adt.training import provenance
    config_ = config.load_config(CONFIGS / "bank.yaml", ["licence=all rights reserved"])
    kit = SimpleNamespace(name="mine", licence="none", attribution="me", kind="sampled")
    maker = SimpleNamespace(performances=[], kits=[kit], recorded=[], songs=[], percussion=[],
                            accompaniment=[], instruments=[])
    before = weights.describe("bank")
    found = provenance.describe(config_, maker, before)
    assert found["begun_with"] == {"name": "bank", "licence": "CC BY 4.0"}
    assert found["training_data"]["kits"] == [*before["training_data"]["kits"],
                                              "mine (none; me)"]
    again = provenance.describe(config_, maker, found)
    assert again["training_data"] == found["training_data"]  # nothing is said twice
    assert "begun_with" not in provenance.describe(config_, maker)


def test_a_mean_of_weights_credits_all_of_them(data, bank, tmp_path, capsys):
    tensors, description = weights.load_weights(bank / "bank.safetensors")
    other, out = tmp_path / "other.safetensors", tmp_path / "mean.safetensors"
    theirs = {**description, "training_data": {"kits": ["theirs"], "songs": "one"}}
    weights.save_weights(other, tensors, theirs)
    assert main(["train", "average", str(bank / "bank.safetensors"), str(other),
                 "-o", str(out)]) == 0
    found = weights.describe(out)["training_data"]
    assert found["kits"] == [*description["training_data"]["kits"], "theirs"]
    assert found["songs"] == [description["training_data"]["songs"], "one"]
    weights.save_weights(other, tensors, {**theirs, "licence": "CC BY-NC-SA 4.0"})
    out.unlink()
    capsys.readouterr()
    assert main(["train", "average", str(bank / "bank.safetensors"), str(other),
                 "-o", str(out)]) == 1
    assert "its licence is CC BY-NC-SA 4.0" in _error(capsys) and not out.exists()


@pytest.mark.parametrize("text, words", [
    ("base: data.yaml", "lacks name, bank, start, model, train"),
    ("train: {steps: 1}", "lacks licence, data, "),
    (None, "train.learning_rate: expected a value like 0.002")])
def test_configurations_of_something_else_are_refused(data, tmp_path, capsys, text, words):
    path = tmp_path / "mine.yaml"
    config.save_config(config.load_config(CONFIGS / "detectors.yaml"), path)
    path.write_text(text or path.read_text().replace("learning_rate: 0.002", "learning_rate: x"))
    assert run_training("detectors", data, tmp_path / "out", (), "--config", str(path)) == 1
    line = _error(capsys)
    assert words in line and "mine.yaml: " in line
    assert text is None or "'base: detectors.yaml'" in line


def test_copies_of_the_configurations_can_be_read(tmp_path):
    for path in sorted(CONFIGS.glob("*.yaml")):
        (tmp_path / f"my_{path.name}").write_bytes(path.read_bytes())
        assert config.load_config(tmp_path / f"my_{path.name}") == config.load_config(path)
    (tmp_path / "bank.yaml").write_text("base: bank.yaml\ntrain: {steps: 3}\n")
    assert config.load_config(tmp_path / "bank.yaml")["train"]["steps"] == 3
    (tmp_path / "mine.yaml").write_text("base: decoder.yaml\n"
                                        "louder: {randomise: {synthetic: 0.5}}\n")
    mine = config.load_config(tmp_path / "mine.yaml")
    assert mine["louder"]["randomise"]["synthetic"] == 0.5


@pytest.mark.parametrize("make, settings", [
    (UNetBank, {"widths": [4]}),                              # the class says what is wrong
    (UNetBank, {"widths": [-4, 4]}), (UNetBank, {"widths": [16, 0]}),
    (UNetBank, {"widths": [16, "abc"]}), (OnsetDetectors, {"front": [4, 4, 4, 0]}),
    (OnsetDetectors, {"front": [4, 4, 4]}),                   # one layer is missing
    (OnsetDetectors, {"width": 0, "dilations": "1, 2"}),
])
def test_networks_of_impossible_sizes(make, settings):
    with pytest.raises(ConfigError, match=r"^model: no network is of these sizes \(.+\); set"):
        made(make, settings)


@pytest.mark.parametrize("setting, words", [
    ("train.start_share=2", "expected 0 to 1"), ("train.learning_rate=-1", "expected 0 to"),
    ("randomise.pattern=30", "pattern: 30; expected 0 to 1"),
    ("randomise.song=.nan", "expected 0 to 1"), ("randomise.gain_db=-1", "expected numbers from 0"),
    ("randomise.harsh=[-1, 1]", "expected numbers from 0"),
    ("randomise.pitch.kick=-1", "pitch.kick: -1; expected numbers from 0"),
    ("loss.quiet_weight=-5", "expected numbers from 0"),
    ("randomise.clip_seconds=0", "expected 1 to"), ("data.random_percussion=-1", "expected 0 to"),
    ("name=null", "expected a value like 'bank'"),
    ("name=a/b", "name of a file"), ("name=''", "name of a file")])
def test_settings_out_of_range_are_named(data, tmp_path, capsys, setting, words):
    assert run_training("bank", data, tmp_path / "out", (setting,)) == 1
    assert words in _error(capsys) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind, setting, words", [
    ("velocity", "train.crop_seconds=[8]", "two numbers, the smaller one first"),
    ("decoder", "train.seconds=[30, 8]", "two numbers, the smaller one first"),
    ("decoder", "unsettle.scale=[0]", "two numbers, the smaller one first"),
    ("decoder", "louder.randomise.song=2", "expected 0 to 1"),
    ("decoder", "attention.batch=0", "expected 1 or more"),
    ("decoder", "attention.precision=fp8", "choose one of")])
def test_settings_are_checked_before_hours_of_listening(data, tmp_path, capsys, kind, setting,
                                                        words):
    assert run_training(kind, data, tmp_path / "out", (setting,)) == 1
    assert words in _error(capsys)


def test_recordings_that_are_not_there_are_told(tmp_path):
    with pytest.warns(UserWarning, match="no such folder, so no recording is validated on"):
        assert validation.real_tracks({"data": {"real": "none"}}, tmp_path) == []


def test_a_run_that_diverges_ends(data, tmp_path, capsys):
    assert train("bank", data, tmp_path, *BANK, "train.learning_rate=1e29", "train.steps=6") == 1
    assert "start anew with a lower train.learning_rate" in _error(capsys)
    assert not (tmp_path / "bank.safetensors").exists()


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    with pytest.raises(WeightsError, match="layer is not finite, or beyond torch.float16"):
        weights.save_weights(tmp_path / "a.safetensors", {"layer": torch.tensor([7e4])}, {})
    with pytest.raises(WeightsError, match="layer is not finite"):
        weights.save_weights(tmp_path / "a.safetensors", {"layer": torch.tensor([np.nan])}, {})
    assert not list(tmp_path.iterdir())


def test_held_out_kits_do_not_come_in_with_the_random_ones(data):
    chosen = config.load_config(CONFIGS / "bank.yaml", [
        "data.synthetic=kits", "data.accompaniment=null"])
    assert {kit.family for kit in dataset.training_maker(chosen, data).kits} == {"synth-0"}


@pytest.mark.parametrize("kind", ["beats", "bars"])
def test_a_search_for_clips_ends(monkeypatch, kind):
    from adt.training import bars, beats
    monkeypatch.setattr(beats if kind == "beats" else bars, "ATTEMPTS", 20)
    chosen = config.load_config(CONFIGS / f"{kind}.yaml", ["randomise.tempo=[399.9,400]"])
    make = {"beats": beats.BeatClips, "bars": bars.BarClips}[kind]([], [], chosen)
    with pytest.raises(ConfigError, match="set a wider range"):
        make(np.random.default_rng(0))


def test_odd_eighths_of_groove_are_beats():
    from adt.data.groove import Performance
    from adt.data.rhythms import rhythm_of_groove
    none = np.zeros(1, int)
    rhythm = rhythm_of_groove(Performance(np.array([3.0]), none, none + 9, bpm=120,
                                          time_signature="5-8"))
    assert rhythm.beats.positions[:7].tolist() == [1, 2, 3, 4, 5, 1, 2]
    np.testing.assert_allclose(np.diff(rhythm.beats.times), 0.25)


def test_a_network_of_possible_sizes():
    assert made(UNetBank, {"widths": [4, 8]}).widths == (4, 8)
    with pytest.raises(ConfigError, match="^beside 'all'; choose one of"):
        made(OnsetDetectors, {"beside": "all"})


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"a: [1\n", b"\xff\xfe\x00", b"", b"text"])
def test_bad_configurations_are_named(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"c\.yaml: ") as caught:
        config.load_config(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load_config(tmp_path / "missing.yaml")
