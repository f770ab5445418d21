"""Weights files: safetensors that carry their own description.

The metadata of a file holds one JSON document under the key ``adt``: kind of model,
hyper-parameters, what it was trained on, licence and metrics.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .errors import WeightsError
from .output import atomic_path

FOLDER = Path(__file__).parent / "models"
_LARGEST = "largest."  #: what names of tensors begin with that are no weights, see `load_largest`
REMEDY = "reinstall adt, or give the path of a .safetensors file written by `adt train`"


def available() -> list[tuple[str, Path]]:
    """Names and paths of the weights in the package."""
    return [(path.stem, path) for path in sorted(FOLDER.glob("*.safetensors"))]


def find(name: Path | str) -> Path:
    """Path of weights given by the name of a packaged model or by a path.

    Raises
    ------
    WeightsError
        If there is no such file.
    """
    packaged = FOLDER / f"{name}.safetensors"
    if packaged.is_file():
        return packaged
    if Path(name).is_file():
        return Path(name)
    raise WeightsError(f"{name}: no such weights; {REMEDY}")


def fingerprint(name: Path | str) -> str:
    """SHA-256 of a weights file, in hexadecimal.

    Raises
    ------
    WeightsError
        If there is no such file.
    """
    with find(name).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def describe(name: Path | str) -> dict[str, Any]:
    """Description of weights without loading them.

    Returns
    -------
    dict
        With at least ``kind``, ``model`` (hyper-parameters), ``training_data``,
        ``licence`` and ``metrics``.
    """
    return _open(find(name))[1]


def load_weights(name: Path | str) -> tuple[dict, dict[str, Any]]:
    """Tensors (float32) and description of weights.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or was not written by this package.
    """
    tensors, description = _open(find(name), tensors=True)
    return {k: v for k, v in tensors.items() if not k.startswith(_LARGEST)}, description


def load_largest(name: Path | str) -> dict:
    """Largest activations of the channels of layers, by the layers' names, as far as known.

    See `adt.integers`. Errors as of `load_weights`.
    """
    tensors, _ = _open(find(name), tensors=True, beginning=_LARGEST)
    return {k.removeprefix(_LARGEST): v for k, v in tensors.items()}


def _open(path: Path, tensors: bool = False, beginning: str = "") -> tuple[dict, dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            description = json.loads((handle.metadata() or {})["adt"])
            loaded = {k: handle.get_tensor(k) for k in handle.keys()
                      if tensors and k.startswith(beginning)}
        if not isinstance(description, dict):
            raise ValueError("no description")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{path}: not weights of this package ({error}); {REMEDY}") from error
    return {k: _copied(v) for k, v in loaded.items()}, description


def _copied(tensor):
    """A tensor (float32 if it is of floats) that is no view of its file, which may be replaced."""
    return tensor.float().clone() if tensor.is_floating_point() else tensor.clone()


def save_weights(path: Path | str, tensors: dict, description: dict[str, Any],
                 largest: dict | None = None) -> None:
    """Write weights, to a temporary name first.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Written in half the precision that they have: float32 as float16, float64 as float32.
    description : dict
        JSON-serialisable, see `describe`.
    largest : dict of str to Tensor, optional
        See `load_largest`.

    Raises
    ------
    WeightsError
        If there are tensors that are not finite in that precision.
    """
    import torch
    from safetensors.torch import save

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {**tensors, **{_LARGEST + k: v for k, v in (largest or {}).items()}}
    half = {torch.float64: torch.float32, torch.float32: torch.float16}
    small = {k: v.detach().cpu().to(half.get(v.dtype, v.dtype)).contiguous()
             for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    for name, tensor in small.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name} is not finite, or beyond {tensor.dtype}, so "
                               "nothing is written; train again with a lower learning rate")
    with atomic_path(path) as temporary:
        temporary.write_bytes(
            save(small, metadata={"adt": json.dumps(description, sort_keys=True)}))
