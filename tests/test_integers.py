"""Layers in integers of eight bits: exact sums, and networks that say what they say in floats."""

import copy
import pickle

import numpy as np
import pytest
import torch

from adt import integers, network, weights
from adt.data.kits import read_kit
from adt.data.render import render
from adt.demo import groove
from adt.detectors import OnsetDetectors, stem_decibel
from adt.features import N_BANDS, audio_to_bands, reference_level, scaled, to_decibel
from adt.integers import HALF, TOP, Convolution, Product, counted
from adt.network import load_network
from adt.streaming import through
from adt.synth import write_kit
from adt.training.ranges import largest
from adt.vocabulary import STEMS
from separation import UNetBank
from separation.integer_net import IntegerNet

pytestmark = pytest.mark.skipif(not integers.usable(), reason="no fast integers here")
CPU = torch.device("cpu")


def conv(inputs, outputs, kernel=3, **settings):
    torch.manual_seed(3)
    layer = torch.nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **settings)
    return layer.requires_grad_(False)


def whole(shape, most, seed=0):
    """Random steps, channels last."""
    x = torch.randint(0, most + 1, shape, generator=torch.Generator().manual_seed(seed))
    return x.to(torch.uint8).contiguous(memory_format=torch.channels_last)


# -- layers ---------------------------------------------------------------------------


def test_floats_are_rounded_to_the_nearest_step():
    x = torch.tensor([-3.0, -0.4, 0.4, 0.6, 1.5, 2.5, 126.6, 127.4, 300.0, 1e9])
    assert counted(x).tolist() == [0, 0, 0, 1, 2, 2, 127, 127, 127, 127]
    assert counted(x).dtype == torch.uint8


def rounded(layer, taken, most):
    """Weights of a convolution of steps after rounding, shape as they are."""
    weight = layer.weight * taken.view(1, -1, 1, 1)
    size = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / most
    return (weight / size).round() * size


@pytest.mark.parametrize("most, top, zero", [(TOP, TOP, 0), (HALF, 2 * TOP + 1, 0),
                                             (HALF, 2 * TOP + 1, 64)])
def test_convolutions_are_exact(most, top, zero):
    """Also where all activations and weights are as large as they may be."""
    layer, taken = conv(24, 16), torch.linspace(0.5, 2.0, 24)
    for x in (whole((1, 24, 9, 12), top), torch.full((1, 24, 9, 12), top, dtype=torch.uint8)):
        for sign in (0, 1, -1):
            if sign:
                layer.weight[:] = sign / taken.view(1, -1, 1, 1)
            expected = torch.nn.functional.conv2d(
                x.double() - zero, rounded(layer, taken, most).double(), layer.bias.double(),
                padding=1)
            found = Convolution(layer, taken, most=most, zero=zero)(
                x.contiguous(memory_format=torch.channels_last))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-2)


def test_convolutions_give_steps_and_never_more_than_there_are():
    layer, x = conv(8, 8), whole((1, 8, 10, 12), TOP)
    taken, given = torch.full((8,), 0.1), torch.linspace(0.005, 0.05, 8)
    inner = torch.nn.functional.conv2d(x * 0.1, rounded(layer, taken, TOP) / 0.1, layer.bias,
                                       padding=1) / given.view(1, -1, 1, 1)
    found = Convolution(layer, taken, given)(x)
    assert found.dtype == torch.uint8 and found.max() == TOP and inner.max() > 300
    np.testing.assert_allclose(found.float(), inner.clamp(0, TOP), atol=0.51)
    centred = Convolution(layer, taken, given, centre=64)(x)
    assert centred.max() == 128 and centred.min() == 0
    np.testing.assert_allclose(centred.float(), (inner + 64).clamp(0, 128), atol=0.51)


def test_products_are_exact_and_add_in_place():
    torch.manual_seed(4)
    weight, bias = torch.randn(16, 24), torch.randn(16)
    x, taken = whole((40, 24, 1, 1), TOP)[:, :, 0, 0].contiguous(), torch.rand(24) + 0.1
    scaled = weight * taken
    size = scaled.abs().amax(dim=1, keepdim=True) / TOP
    expected = x.float() @ ((scaled / size).round() * size).T + bias
    layer = Product(weight, bias, taken)
    np.testing.assert_allclose(layer(x), expected.relu(), rtol=1e-5, atol=1e-2)
    to = 100 * torch.randn(40, 16)
    summed = (expected + to).relu()
    layer.add(x, to)
    np.testing.assert_allclose(to, summed, rtol=1e-5, atol=1e-2)
    assert (summed == 0).any() and (summed > 0).any()


# -- networks -------------------------------------------------------------------------


def beginning_alike(make, settings, inputs):
    """A network in floats, the same in integers, and its largest activations with inputs."""
    torch.manual_seed(5)
    first = make(**settings)
    for layer in first.modules():  # norms off 0 and 1; residual layers begin as nothing
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, std=0.3)
    second = make(**settings)
    second.load_state_dict(first.state_dict())
    found = largest(first, [inputs])
    for model in (first, second):
        network.fuse(model.eval()).requires_grad_(False)
    first.take_apart()
    second.take_apart(found)
    return first, second, found


def mixture(batch=1, frames=64):
    drawn = torch.randn(batch, frames, N_BANDS, generator=torch.Generator().manual_seed(0))
    return 20 * drawn - 30


def close(found, expected):
    """Whether values differ by much less than they vary."""
    assert found.shape == expected.shape and expected.std() > 0.01
    assert (found - expected).std() < 0.1 * expected.std()
    assert not torch.equal(found, expected)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("widths", [(8, 16), (8, 8, 16), (4, 8, 12, 16)])
def test_a_bank_in_integers_says_nearly_the_same(widths, batch):
    x = mixture(batch)
    floats, whole, _ = beginning_alike(UNetBank, {"widths": widths}, (x,))
    assert all(isinstance(net, IntegerNet) for net in whole.nets)
    with torch.inference_mode():
        close(whole(x), floats(x))


@pytest.mark.parametrize("demix", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
def test_detectors_in_integers_say_nearly_the_same(demix, batch):
    x = mixture(batch)
    inputs = (x, x[:, None] - 5 * torch.arange(5)[None, :, None, None])
    floats, whole, _ = beginning_alike(OnsetDetectors, {
        "demix": demix, "front": (8, 8, 8, 8), "width": 16, "dilations": (1, 2, 8),
        "exchange": (0, 2)}, inputs)
    with torch.inference_mode():
        seen = whole.look(*inputs)
        close(seen, floats.look(*inputs))
        close(whole.listen(seen), floats.listen(seen))


@pytest.mark.parametrize("step", [1, 7, 40])
def test_songs_in_parts_sound_as_a_whole(step):
    x = mixture(frames=100)
    _, whole, _ = beginning_alike(OnsetDetectors, {
        "demix": False, "front": (4, 4, 4, 4), "width": 8, "dilations": (1, 2, 8),
        "exchange": (0, 2)}, (x,))
    with torch.inference_mode():
        seen = whole.look(x)
        layers, parts = whole.streamed(), seen.split(step, dim=-1)
        heard = [through(layers, part, last=i == len(parts) - 1) for i, part in enumerate(parts)]
        np.testing.assert_allclose(torch.cat([h for h in heard if h is not None], dim=2),
                                   whole.listen(seen), rtol=1e-5, atol=1e-5)


def test_a_block_is_the_same_wherever_it_was_cut():
    x = mixture(frames=640)
    _, whole, _ = beginning_alike(UNetBank, {"widths": (4, 8, 8)}, (x,))
    with torch.inference_mode():
        assert torch.equal(whole(x[:, 160:480])[:, :, 80:240], whole(x)[:, :, 240:400])


def test_sums_do_not_wrap_around():
    """However far activations go beyond those that were measured."""
    x = mixture() + 40
    net, _, found = beginning_alike(UNetBank, {"widths": (8, 8, 16)}, (x,))
    model = UNetBank((8, 8, 16))
    network.fuse(model.eval()).requires_grad_(False).take_apart(
        {name: values / 50 for name, values in found.items()})
    skips, below, sums = [], [], []
    for layers, kept in ((model.nets[0].down, skips), (model.nets[0].narrow, below)):
        for layer in layers:
            layer.register_forward_hook(lambda _, given, out, kept=kept: kept.append(out.int()))
    for layer in model.nets[0].up:
        layer.register_forward_pre_hook(lambda _, given: sums.append(given[0].int()))
    with torch.inference_mode():
        model(x)
    for skip, under, added in zip(skips[-2::-1], below, sums, strict=True):
        assert torch.equal(added, skip + under.repeat_interleave(2, 2).repeat_interleave(2, 3))
        assert added.max() > TOP


def test_networks_in_integers_are_copied_and_pickled():
    x = mixture()
    _, whole, _ = beginning_alike(UNetBank, {"widths": (4, 8)}, (x,))
    with torch.inference_mode():
        expected = whole(x)
        for again in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
            assert torch.equal(again(x), expected)


@pytest.mark.parametrize("short", [torch.float32, torch.bfloat16])
def test_an_exchange_keeps_a_bank_in_floats(tmp_path, monkeypatch, short):
    bank = UNetBank((4, 8), exchange=4)
    found = largest(bank, [(mixture(),)])
    assert not found
    weights.save_weights(tmp_path / "a.safetensors", bank.state_dict(), {
        "kind": "bank", "model": {"widths": (4, 8), "exchange": 4}}, found)
    monkeypatch.setattr(network, "short_floats", lambda device: short)
    bank, _ = load_network(UNetBank, "bank", tmp_path / "a.safetensors", CPU)
    assert len(bank.nets) == (len(STEMS) if short == torch.float32 else 0)
    assert {p.dtype for p in bank.deep.parameters()} == {short} and not bank.in_integers


# -- weights --------------------------------------------------------------------------


@pytest.fixture
def measured(small_bank, tmp_path):
    """Weights of a small bank with its largest activations."""
    tensors, description = weights.load_weights(small_bank)
    bank = UNetBank(**description["model"])
    bank.load_state_dict(tensors, strict=False)
    path = tmp_path / "measured.safetensors"
    weights.save_weights(path, tensors, description, largest(bank, [(mixture(),)]))
    return path


@pytest.mark.parametrize("instructions, usable, in_integers, apart", [
    ((), False, False, True),
    (("avx2",), True, True, True),
    (("avx2", "avx512_vnni", "avx512_bf16"), True, True, True),
    (("avx2", "avx512_vnni", "avx512_bf16"), False, False, False),
    (("avx2", "avx512_vnni", "avx512_bf16", "amx_bf16"), True, True, True),
    (("avx2", "avx512_vnni", "avx512_bf16", "amx_bf16"), False, False, False)])
def test_integers_are_used_where_they_are_faster(measured, monkeypatch, instructions, usable,
                                                 in_integers, apart):
    monkeypatch.setattr(integers, "capable", lambda name: name in instructions)
    monkeypatch.setattr(integers, "usable", lambda: usable)
    bank, _ = load_network(UNetBank, "bank", measured, CPU)
    assert bank.in_integers == in_integers
    assert bool(bank.nets) == apart
    short = {p.dtype for p in bank.deep.parameters()} == {torch.bfloat16}
    assert short == (not apart)


def test_weights_without_largest_activations_stay_in_floats(small_bank, measured):
    assert not load_network(UNetBank, "bank", small_bank, CPU)[0].in_integers
    found = weights.load_largest(measured)
    assert found.keys() == UNetBank((4, 4, 8, 8)).measured().keys()
    tensors, description = weights.load_weights(measured)
    assert not [name for name in tensors if "largest" in name]
    del found["deep.0"]
    weights.save_weights(measured, tensors, description, found)
    assert not load_network(UNetBank, "bank", measured, CPU)[0].in_integers


def test_largest_activations_of_another_network_are_refused(measured, monkeypatch):
    monkeypatch.setattr(network, "prefers_integers", lambda device: True)
    tensors, description = weights.load_weights(measured)
    found = weights.load_largest(measured)
    found["narrow.0"] = found["narrow.0"][:-5]
    weights.save_weights(measured, tensors, description, found)
    with pytest.raises(weights.WeightsError, match="measured.safetensors: largest activations"):
        load_network(UNetBank, "bank", measured, CPU)


def test_packaged_networks_compute_in_integers(monkeypatch, tmp_path):
    """And say nearly what they say in floats."""
    monkeypatch.setattr(network, "short_floats", lambda device: torch.float32)
    audio, _ = render(groove(), read_kit(write_kit(tmp_path)))
    power = audio_to_bands([audio / np.abs(audio).max()])[:400]
    x = torch.from_numpy(to_decibel(power, reference_level(power)))[None]
    for name in ("bank", "detectors", "detectors_mixture"):
        make, kind = (UNetBank, "bank") if name == "bank" else (OnsetDetectors, "detectors")
        monkeypatch.setattr(network, "prefers_integers", lambda device: True)
        whole, _ = load_network(make, kind, name, CPU)
        monkeypatch.setattr(network, "prefers_integers", lambda device: False)
        floats, _ = load_network(make, kind, name, CPU)
        assert whole.in_integers and not floats.in_integers
        with torch.inference_mode():
            if name == "bank":
                logits, expected = whole(x), floats(x)
                close(logits, expected)
                stems = stem_decibel(x, expected)
            else:
                heard, expected = whole(x, stems), floats(x, stems)
                close(heard[:, 0], expected[:, 0])
                assert (heard[:, 0].sigmoid() - expected[:, 0].sigmoid()).abs().max() < 0.1


def test_largest_activations_are_measured_over_all_inputs():
    bank = UNetBank((4, 8)).train()
    x = mixture(batch=2)
    both = largest(bank, [(x[:1],), (x[1:],)])
    assert bank.training
    for name, values in largest(bank, [(x,)]).items():
        torch.testing.assert_close(both[name], values)
        assert torch.equal(both[name], torch.maximum(largest(bank, [(x[:1],)])[name],
                                                     largest(bank, [(x[1:],)])[name]))
    with torch.inference_mode():
        seen = bank.eval().enter(scaled(x[:, None])).amax(dim=(0, 2, 3))
        torch.testing.assert_close(both["enter.1"], seen)
