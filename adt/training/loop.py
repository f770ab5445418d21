"""The loop of trainings that go step by step: schedule, averaging, resume, curves."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from pathlib import Path
from typing import Any, Callable, Iterable

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import ConfigError
from ..output import atomic_path
from . import CHECKPOINT

PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
#: Settings that may be others when a run goes on, beside more steps.
_MAY_CHANGE = {"train.validate_every", "data.workers", "data.real", "data.validation_clips"}


def averaging(decay: float) -> Callable:
    """Exponential moving average of weights that does not remember its first steps."""
    def update(averaged, current, n) -> None:
        n = int(n)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averaged, current, n)

    return update


def precision(settings: dict) -> torch.dtype:
    """Type of the numbers that layers compute with: ``precision`` of a section of a config.

    Raises
    ------
    ConfigError
        If there is no such precision.
    """
    name = settings["precision"]
    if name not in PRECISIONS:
        raise ConfigError(f"precision {name!r}; choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def blend(model: torch.nn.Module, others: dict[str, torch.Tensor], share: float) -> None:
    """Move a model's weights towards others: half way, both keep what they do well.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022.

    Parameters
    ----------
    model : Module
    others : dict of str to Tensor
        State of a model of the same size.
    share : float
        Of the others in the result, 0 to 1.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(others[name].to(tensor.device), share)


def check_begun(out: Path, resume: bool) -> None:
    """Raise ConfigError if a run was begun in a folder, unless it is to go on."""
    if not resume and (checkpoint := out / CHECKPOINT).is_file():
        raise ConfigError(f"{checkpoint}: is there already; go on with it (--resume), remove it, "
                          "or give another --out")


def fit(model: torch.nn.Module, loss: Callable, make_batches: Callable[[int], Iterable],
        validate: Callable[[torch.nn.Module], dict[str, float]], config: dict, out: Path,
        device: torch.device, resume: bool) -> tuple[torch.nn.Module, dict[str, float]]:
    """Train a model.

    Parameters
    ----------
    model : Module
    loss : callable
        ``loss(model, batch)`` → dict of named losses; ``total`` is minimised.
    make_batches : callable
        ``make_batches(first_clip)`` → iterable of batches, beginning with that clip.
    validate : callable
        ``validate(averaged model)`` → figures for the log.
    config : dict
        Its section ``train`` counts here. What comes of the training is blended with the
        weights that it began with by their ``start_share``.
    out : Path
        Gets ``checkpoint.pt``, ``log.csv`` and ``curves.png``.
    resume : bool
        Go on from ``checkpoint.pt`` if it is there.

    Returns
    -------
    Module
        The averaged model.
    dict
        Its validation figures.

    Raises
    ------
    ConfigError
        If there is nothing to blend with, or the checkpoint is damaged or of other settings.
    """
    settings, share = config["train"], _share(config)
    check_begun(out, resume)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    out.mkdir(parents=True, exist_ok=True)
    dtype = precision(settings)
    model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, use_buffers=True,
                            multi_avg_fn=averaging(settings["average"]))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"],
                                  weight_decay=settings["weight_decay"])
    steps = settings["steps"]
    checkpoint, log = out / CHECKPOINT, out / "log.csv"
    step, figures = 0, {}
    running: dict[str, float] = {}
    parts = {"model": model, "average": average, "optimiser": optimiser}
    if resume and checkpoint.is_file():
        step = _restore(checkpoint, parts, running, config, device)
        print(f"resumed at step {step}", flush=True)
    else:
        log.unlink(missing_ok=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(  # goes on where the optimiser stands
        optimiser, settings["learning_rate"], total_steps=steps + 1, pct_start=0.08,
        last_epoch=min(step, steps) - 1)
    started, began = time.perf_counter(), step

    def tell(drawn: dict[str, torch.Tensor]) -> dict[str, float]:
        """Validate and log what there is; `drawn` is where the generators go on from."""
        average.eval()
        found = validate(average.module)
        _set_random_state(drawn, device)  # as when the run goes on from the checkpoint
        speed = (step - began) / (time.perf_counter() - started)
        row = _row(step, schedule.get_last_lr()[0], speed, running, found)
        print(json.dumps(row), flush=True)
        _log(log, row)
        plot_curves(log, out / "curves.png")
        return found

    if step and str(step) not in {row.get("step") for row in _rows(log)}:
        # it was interrupted while it was validated
        figures = tell(_random_state(device))
    model.train()
    batches = iter(make_batches(step * settings["batch"])) if step < steps else iter(())
    while step < steps:
        losses = _losses(model, loss, next(batches), device, dtype)
        if not math.isfinite(losses["total"].detach()):
            raise ConfigError(f"the loss is {float(losses['total'].detach())} after {step} steps; "
                              "start anew with a lower train.learning_rate")
        optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        step += 1
        for name, value in losses.items():
            value = float(value.detach())
            running[name] = 0.98 * running.get(name, value) + 0.02 * value
        if step % settings["validate_every"] == 0 or step == steps:
            drawn = _random_state(device)
            _keep(checkpoint, parts, running, drawn, config, step)
            figures = tell(drawn)
    average.eval()
    if share:
        blend(average.module, before, share)
    return average.module, figures if figures and not share else validate(average.module)


def _losses(model, loss: Callable, batch: dict, device: torch.device,
            dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Losses of a batch, computed in `dtype`."""
    batch = {k: v.to(device, torch.float32, non_blocking=True) for k, v in batch.items()}
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        return loss(model, batch)


def _row(step: int, rate: float, speed: float, running: dict, figures: dict) -> dict:
    """What the log says of a step."""
    return {"step": step, "lr": rate, "steps_per_s": round(speed, 3),
            **{f"loss_{k}": round(v, 5) for k, v in running.items()},
            **{k: round(v, 5) for k, v in figures.items()}}


def _share(config: dict) -> float:
    """Share of the weights begun with in what is written; there must be such weights."""
    share, start = config["train"].get("start_share", 0.0), config.get("start")
    begun = {f"start.{name}": path for name, path in start.items()} \
        if isinstance(start, dict) else {"start": start}
    if share and not all(begun.values()):
        raise ConfigError(f"train.start_share: {share}, but there are no weights to blend with; "
                          f"set {' and '.join(begun)}, or train.start_share=0")
    return share


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Where the generators are that layers draw from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def _keep(checkpoint: Path, parts: dict[str, Any], running: dict[str, float],
          drawn: dict[str, torch.Tensor], config: dict, step: int) -> None:
    """Write what a run needs to go on."""
    with atomic_path(checkpoint) as temporary, temporary.open("wb") as file:
        kept = io.BytesIO()  # for torch tells of a full disk in words of its own
        torch.save({**{name: part.state_dict() for name, part in parts.items()}, "step": step,
                    "running": running, "random": drawn,
                    "settings": json.dumps(config, default=str)}, kept)
        file.write(kept.getbuffer())


def _restore(checkpoint: Path, parts: dict[str, Any], running: dict[str, float], config: dict,
             device: torch.device) -> int:
    """Read what `_keep` wrote, in place; the steps that were done."""
    state = _load(checkpoint, config, device)
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        running.update(state.get("running", {}))
        if "random" in state:  # earlier versions did not keep it
            _set_random_state(state["random"], device)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ConfigError(f"{checkpoint}: of a model of another size; give the settings it "
                          "was made with, or another --out") from error
    return state["step"]


def _load(checkpoint: Path, config: dict, device: torch.device) -> dict[str, Any]:
    """What a run with these settings kept."""
    try:
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        step, kept = int(state["step"]), json.loads(state.get("settings", "null"))
    except Exception as error:  # damaged files end in errors of any kind
        raise ConfigError(f"{checkpoint}: damaged, or no checkpoint of a training; remove it or "
                          "give another --out") from error
    if config["train"]["steps"] < step:
        raise ConfigError(f"{checkpoint}: has {step} steps already; set train.steps={step} or "
                          "more, or give another --out")
    if kept is not None:  # earlier versions did not keep them, or not what was trained on
        now = json.loads(json.dumps(config, default=str))
        if "training_data" not in kept:
            now.pop("training_data", None)
        _same(_flat(kept), _flat(now), checkpoint)
    return state


def _same(then: dict, now: dict, checkpoint: Path) -> None:
    """Refuse settings of a checkpoint that are others now and count."""
    if now["train.steps"] > then["train.steps"]:
        then["train.steps"] = now["train.steps"]
    was = [f"{name}={_short(then[name])}" if name in then else f"no {name}"
           for name in {**then, **now} if name not in _MAY_CHANGE
           and (name in then, then.get(name)) != (name in now, now.get(name))]
    if was:
        raise ConfigError(f"{checkpoint}: was made with other settings ({', '.join(was)}); go on "
                          "with those, or give another --out")


def _short(value: Any) -> str:
    """A setting in a message; of long lists, such as kits and whom to credit, only how many."""
    text = json.dumps(value)
    return text if len(text) <= 200 or not isinstance(value, list) else f"{len(value)} others"


def _flat(settings: dict, section: str = "") -> dict[str, Any]:
    """Settings by their names with those of the sections they are in."""
    flat = {}
    for key, value in settings.items():
        flat.update(_flat(value, f"{section}{key}.") if isinstance(value, dict)
                    else {f"{section}{key}": value})
    return flat


def _rows(path: Path) -> list[dict]:
    """Rows of a log, none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as handle:
        return list(csv.DictReader(handle, restkey=""))


def _log(path: Path, row: dict) -> None:
    """Add a row to a log; its columns are those of all rows."""
    rows = [*_rows(path), row]
    names = [name for name in dict.fromkeys(name for each in rows for name in each) if name]
    with atomic_path(path) as temporary, temporary.open("w", newline="",
                                                        encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def plot_curves(log: Path, picture: Path) -> None:
    """Draw a training log: losses on the left, validation figures on the right.

    Does nothing where matplotlib is not installed (extra ``train``).
    """
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = _rows(log)
    columns = [c for c in rows[0] if c not in ("step", "lr", "steps_per_s")]
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), constrained_layout=True)
    for axis, loss in zip(axes, (True, False)):
        for name in columns:
            if name.startswith("loss_") == loss:
                known = [row for row in rows if row[name]]
                axis.plot([int(r["step"]) for r in known], [float(r[name]) for r in known],
                          marker=".", label=name.removeprefix("loss_"))
        axis.set(xlabel="step", title="training loss" if loss else "validation")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.savefig(picture, dpi=100)
    plt.close(figure)
