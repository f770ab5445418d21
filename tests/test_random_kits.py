"""Kits drawn at random: what they sound like, and how often training plays them."""

import os

import numpy as np
import pytest

from adt.cli import main
from adt.data.kits import read_kits
from adt.data.random_kits import LAYERS, SYNTHETIC, random_kit
from adt.data.random_machines import random_machine
from adt.errors import DataError
from adt.frames import SAMPLE_RATE
from adt.training.spectral import ClipMaker
from adt.vocabulary import ARTICULATIONS, STEMS


def _centroid(x):
    """Middle of the power spectrum in octaves above 20 Hz."""
    power = np.abs(np.fft.rfft(x)) ** 2
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE), 20) / 20)
    return (power * octaves).sum() / power.sum()


def _lasts(x):
    """Seconds until nine tenths of the energy are over."""
    energy = np.cumsum(x.astype(float) ** 2)
    return np.searchsorted(energy, 0.9 * energy[-1]) / SAMPLE_RATE


@pytest.fixture(scope="module")
def machines():
    return [random_machine(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def kits(machines):
    return [random_kit(seed) for seed in range(6)] + machines


def test_low_hats_are_struck_too():
    """Seed 116 has a pedal hat below the noise of the stick."""
    assert all(np.isfinite(x).all() for layers in random_kit(116).values() for (x,) in layers)


def test_a_kit_is_complete_and_gets_louder(kits):
    for kit in kits:
        assert set(kit) <= set(ARTICULATIONS) and len(kit) == 13
        for name, layers in kit.items():
            assert len(layers) == len(LAYERS)
            peaks = [np.abs(takes[0]).max() for takes in layers]
            assert 0 < peaks[0] < 0.12 * peaks[-1] and peaks[-1] < 1, name
            assert (np.diff(peaks) > 0).all(), name
            assert all(x.dtype == np.float32 and np.isfinite(x).all() for (x,) in layers)
            assert np.abs(layers[-1][0][:int(0.06 * SAMPLE_RATE)]).max() > 0.3 * peaks[-1], name


def test_drums_are_what_they_are_called(kits):
    for kit in kits:
        loud = {name: layers[-1][0] for name, layers in kit.items()}
        high, mid, floor = (_centroid(loud[f"tom_{which}"][4410:])
                            for which in ("high", "mid", "floor"))
        assert floor < mid < high
        assert _centroid(loud["kick"]) < _centroid(loud["snare"]) < _centroid(
            loud["hihat_closed"])
        assert _lasts(loud["hihat_closed"]) < _lasts(loud["hihat_open"])
        assert _lasts(loud["splash"]) < _lasts(loud["crash"])


def test_the_same_seed_is_the_same_kit_and_another_another(kits):
    again = random_kit(1)
    for name, layers in kits[1].items():
        for (x,), (y,) in zip(layers, again[name]):
            np.testing.assert_array_equal(x, y)
    lasting = {round(_lasts(kit["snare"][-1][0]), 3) for kit in kits}
    assert len(lasting) == len(kits)


def test_a_machine_plays_the_same_sound_louder(machines):
    for machine in machines:
        for name, layers in machine.items():
            soft, loud = layers[0][0].astype(float), layers[-1][0].astype(float)
            np.testing.assert_allclose(soft / np.abs(soft).max(), loud / np.abs(loud).max(),
                                       atol=1e-4, err_msg=name)


def test_kick_and_toms_of_a_machine_are_one_circuit(machines):
    """Late in the sound each is a sine: nearly all of its power lies within a third."""
    for machine in machines:
        for name in ("kick", "tom_high", "tom_mid", "tom_floor"):
            x = machine[name][-1][0]
            x = x[len(x) // 8: len(x) // 2]
            power = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 16)) ** 2
            top = power.argmax()
            near = power[int(top / 1.3):int(top * 1.3) + 2].sum()
            assert near > 0.6 * power.sum(), name


def test_the_foot_is_heard_below_the_hats():
    """Shut with the foot, hats thump between 100 and 700 Hz; struck, they hardly do."""
    def below(x):
        power = np.abs(np.fft.rfft(x)) ** 2
        f = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
        return 10 * np.log10(power[(f > 100) & (f < 700)].sum() / power.sum())

    for seed in range(6):
        kit = random_kit(seed)
        foot = below(kit["hihat_pedal"][-1][0])
        assert -22 < foot < -2 and foot > below(kit["hihat_closed"][-1][0])


def test_the_command_writes_kits_that_training_reads(tmp_path, capsys):
    assert main(["render-kits", "-o", str(tmp_path / "kits"), "--count", "2", "--seed", "4"]) == 0
    assert "2 kits" in capsys.readouterr().err
    read = read_kits(tmp_path / "kits")
    assert [kit.name for kit in read] == ["random-004", "random-005"]
    for kit in read:
        assert kit.kind == SYNTHETIC and kit.family == kit.name and kit.stems() == STEMS
    sample = read[0].layers["kick"][-1][0]
    np.testing.assert_allclose(sample.audio[0, sample.onset:], random_kit(4)["kick"][-1][0],
                               atol=2e-4)
    assert (tmp_path / "kits" / "random-004" / "kit.json").is_file()


def test_the_command_writes_machines_that_training_reads(tmp_path):
    assert main(["render-kits", "-o", str(tmp_path), "--count", "1", "--machines"]) == 0
    (kit,) = read_kits(tmp_path)
    assert kit.name == "machine-000" and kit.kind == SYNTHETIC and kit.stems() == STEMS


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
def test_a_link_to_a_kit_that_leads_nowhere_is_an_error(tmp_path):
    assert main(["render-kits", "-o", str(tmp_path), "--count", "1"]) == 0
    (tmp_path / "gone").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="gone.*leads nowhere"):
        read_kits(tmp_path)


def test_a_kit_that_cannot_be_written_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["render-kits", "-o", str(tmp_path / "file"), "--count", "1"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("share", (0.0, 0.25, 1.0))
def test_training_plays_them_as_often_as_asked(share):
    from dataclasses import dataclass

    @dataclass(eq=False)
    class Named:
        kind: str
        family: str

        def stems(self):
            return STEMS

    kits = [Named("acoustic", "a"), Named("acoustic", "b"), Named("electronic", "c"),
            *(Named(SYNTHETIC, f"random-{n}") for n in range(20))]
    maker = ClipMaker([], kits, None, [], {"clip_seconds": 1.0, "swap": 0.0, "synthetic": share})
    rng = np.random.default_rng(0)
    drawn = [maker._kit(rng)["kick"].kind == SYNTHETIC for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(share, abs=0.06)
