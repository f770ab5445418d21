"""Training of the transformers of the decoder, a part of `adt train decoder`.

They learn from windows as the trees do (`adt.training.decoder`), but read each as a whole. In some
of them how the strokes sound is left out (`adt.decoder.sound`): bands of real songs sound like
nothing that was rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
import torch

from ..decoder.attention import StrokeTransformer
from .loop import precision

_ALIKE = 240  #: windows of about as many peaks, of which batches are drawn


@dataclass
class Window:
    """The peaks of all stems in a window, in the order of their time.

    Attributes
    ----------
    features : ndarray of float16, shape (n, N_FEATURES)
    frames : ndarray of int, shape (n,)
    strokes : ndarray of bool, shape (n,)
        Which of them are strokes.
    weight : ndarray, shape (n,)
    beat : int
        Frames.
    """

    features: np.ndarray
    frames: np.ndarray
    strokes: np.ndarray
    weight: np.ndarray
    beat: int


def _batch(windows: Sequence[Window], rng: np.random.Generator,
           most: int) -> dict[str, torch.Tensor]:
    """Windows side by side, of each `most` peaks in a row at most."""
    starts = [int(rng.integers(max(0, len(w.frames) - most) + 1)) for w in windows]
    parts = [slice(start, start + most) for start in starts]
    counts = torch.tensor([min(most, len(w.frames)) for w in windows])
    longest = int(counts.max())

    def padded(name: str) -> torch.Tensor:
        first = getattr(windows[0], name)
        out = np.zeros((len(windows), longest, *first.shape[1:]), np.float32)
        for row, window, part in zip(out, windows, parts):
            values = getattr(window, name)[part]
            row[:len(values)] = values
        return torch.from_numpy(out)

    return {"features": padded("features"), "frames": padded("frames"),
            "strokes": padded("strokes"), "weight": padded("weight"),
            "present": torch.arange(longest) < counts[:, None],
            "beat": torch.tensor([float(w.beat) for w in windows])}


def train_attention(model: StrokeTransformer, windows: Sequence[Window], settings: dict,
                    seed: int, device: torch.device) -> float:
    """Train one member, in place.

    Parameters
    ----------
    model : StrokeTransformer
    windows : sequence of Window
    settings : dict
        Section ``attention`` of the config.
    seed : int
    device : torch.device

    Returns
    -------
    float
        Mean loss of the last tenth of the steps.
    """
    from tqdm import tqdm

    torch.manual_seed(seed)
    dtype = precision(settings)
    rng, rate, steps = np.random.default_rng(seed), settings["learning_rate"], settings["steps"]
    windows = sorted((w for w in windows if len(w.frames)), key=lambda w: len(w.frames))
    drawn = rng.choice(len(windows), min(len(windows), 300), replace=False)
    known = np.concatenate([windows[i].features.astype(np.float32) for i in drawn])
    model.mean.copy_(torch.from_numpy(known.mean(axis=0)))
    model.scale.copy_(torch.from_numpy(known.std(axis=0) + 1e-3))
    model.to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1,
                                                   pct_start=0.1)
    losses = []
    for _ in tqdm(range(steps), desc="attention", disable=None):
        alike = int(rng.integers(max(0, len(windows) - _ALIKE) + 1))
        group = windows[alike:alike + _ALIKE]
        chosen = rng.choice(len(group), min(len(group), settings["batch"]), replace=False)
        batch = {name: value.to(device) for name, value in
                 _batch([group[i] for i in chosen], rng, settings["peaks"]).items()}
        noise = settings["noise"] * model.scale * torch.randn_like(batch["features"])
        heard = (torch.rand(len(chosen), device=device) >= settings["deaf"]).float()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(batch["features"] + noise, batch["frames"], batch["beat"],
                           batch["present"], heard)
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            logits.float(), batch["strokes"], reduction="none")
        loss = (each * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    model.to("cpu").eval()
    return float(np.mean(losses[-max(1, steps // 10):]))
