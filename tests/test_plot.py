"""Picture of a transcription."""

import numpy as np
import pytest

from adt import Hit, Transcription
from adt.activations import Activations
from adt.beats import Beats
from adt.errors import ConfigError, OutputError
from adt.plot import check, plot

pytest.importorskip("matplotlib")


def test_hits_are_drawn(tmp_path):
    from matplotlib.image import imread
    zeros = np.zeros((201, 9), np.float32)
    activations = Activations(zeros, zeros, zeros, 2.0)
    bands = np.ones((201, 96), np.float32)
    empty = plot(activations, Transcription([], 2.0), tmp_path / "a.png", bands)
    struck = plot(activations, Transcription([Hit(1.0, "snare")], 2.0), tmp_path / "b.png", bands)
    changed = np.nonzero((imread(empty) != imread(struck)).any(axis=2))[1]
    width = imread(empty).shape[1]
    assert len(changed) and abs(changed.mean() / width - 0.5) < 0.1


def test_hits_are_drawn_over_activations(tmp_path):
    from matplotlib.image import imread
    onset = np.zeros((201, 9), np.float32)
    onset[90:111, 1] = 1.0
    picture = imread(plot(Activations(onset, onset, onset, 2.0),
                          Transcription([Hit(1.0, "snare", 100)], 2.0), tmp_path / "a.png"))
    red = (picture[..., 0] > 0.7) & (picture[..., 2] < 0.5) & (picture[..., 1] < 0.5)
    assert red.sum() > 20


def test_a_part_that_ends_behind_the_recording(tmp_path):
    """The spectrogram stays as long as the recording is."""
    from matplotlib.image import imread
    zeros = np.zeros((201, 9), np.float32)
    bands = np.full((201, 96), 1e-8, np.float32)
    bands[95:105] = 1.0  # around 1 s of the 2 s that there are
    picture = imread(plot(Activations(zeros, zeros, zeros, 2.0), Transcription([], 2.0),
                          tmp_path / "a.png", bands, end=4.0))
    bright = picture[len(picture) // 5, :, :3].min(axis=1)  # a row of the spectrogram
    found = np.flatnonzero((bright > 0.6) & (bright < 0.99))
    width = picture.shape[1]
    assert len(found) and abs(found.mean() / width - 0.28) < 0.1


@pytest.mark.parametrize("start, end", [(0.9, 0.2), (5, 6), (0, float("nan")), (-1, 1)])
def test_parts_that_are_none(tmp_path, start, end):
    zeros = np.zeros((201, 9), np.float32)
    with pytest.raises(ConfigError, match="no part from"):
        plot(Activations(zeros, zeros, zeros, 2.0), Transcription([], 2.0), tmp_path / "a.png",
             start=start, end=end)


def test_classes_have_no_picture(tmp_path):
    zeros = np.zeros((201, 9), np.float32)
    with pytest.raises(ConfigError, match="all nine pieces"):
        plot(Activations(zeros, zeros, zeros, 2.0),
             Transcription([Hit(1, "kick")], 2.0).reduce(5), tmp_path / "a.png")


def test_unknown_suffix(tmp_path):
    zeros = np.zeros((11, 9), np.float32)
    with pytest.raises(OutputError, match="a.xyz"):
        plot(Activations(zeros, zeros, zeros, 0.1), Transcription([], 0.1), tmp_path / "a.xyz")
    assert not list(tmp_path.iterdir())


def test_bar_lines_are_drawn(tmp_path):
    from matplotlib.image import imread
    zeros = np.zeros((201, 9), np.float32)
    activations = Activations(zeros, zeros, zeros, 2.0)
    plain = plot(activations, Transcription([], 2.0), tmp_path / "a.png")
    song = Transcription([], 2.0, beats=Beats([0.5, 1.0, 1.5], [4, 1, 2]))
    assert (imread(plain) != imread(plot(activations, song, tmp_path / "b.png"))).any()


def test_what_cannot_be_drawn_is_said_before(monkeypatch):
    check("song.PNG")
    with pytest.raises(ConfigError, match="song.gif: pictures end in .png"):
        check("song.gif")
    monkeypatch.setattr("adt.plot.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the library matplotlib; pip install matplotlib"):
        check("song.png")
