"""What every benchmark writes: JSON with its surroundings, tables, the README.

A result can be traced: versions, machine, date and the hashes of the weights
stand beside the figures.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from adt.cli.console import lossy_output
from adt.errors import AdtError, ConfigError, OutputError
from adt.output import atomic_path, check_place

from . import tables

_PACKAGES = ("torch", "numpy", "scipy", "mir_eval", "soxr", "soundfile", "av")


def weights_hashes() -> dict[str, str]:
    """SHA-256 of each weights file that the package finds, by name."""
    from adt.weights import available, fingerprint
    return {name: fingerprint(path) for name, path in available()}


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            for line in handle:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def environment(device: str = "cpu") -> dict:
    """Versions, machine, date and hashes of the weights, ready for JSON."""
    versions = {"python": platform.python_version()}
    for package in ("adt", *_PACKAGES):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    machine = {"system": platform.system(), "cpu": _cpu(), "cores": cores, "device": device}
    if device.startswith("cuda"):
        import torch
        machine["gpu"] = torch.cuda.get_device_name(device)
    return {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": versions, "machine": machine, "weights": weights_hashes()}


def _plain(value):
    """Only types that JSON has; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def write_json(path: Path | str, result: Mapping) -> None:
    """Write a result; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_plain(result), indent=1) + "\n", encoding="utf-8")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, except where there is none."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Checks the shared options first: what cannot be written after the work is lost."""

    names: Sequence[str] = ()  #: of the tables that there will be in any case

    def parse_args(self, args=None, namespace=None):
        found = super().parse_args(args, namespace)
        if found.seed < 0:
            raise ConfigError(f"--seed {found.seed}: must be zero or above")
        for path in (found.out, found.table):
            if path is not None:
                _check_place(path)
        if found.readme is not None:
            tables.check(found.readme, self.names)
        if found.device != "cpu":
            from adt.network import pick_device
            found.device = str(pick_device(found.device))
        return found


def _check_place(path: Path) -> None:
    """Raise `OutputError` unless a file of this name can be written."""
    check_place(path)
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: folder {path.parent} cannot be written to; choose another")


def make_folder(path: Path, option: str) -> None:
    """Make a folder for results; `OutputError`, which names the option, if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror}); "
                          f"choose another folder with {option}") from error


def parser(module: str, description: str,
           names: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Parser with the options that all benchmarks share.

    Parameters
    ----------
    module, description : str
    names : sequence of str
        Tables that there will be in any case, for which ``--readme`` must have places.

    Notes
    -----
    Its ``parse_args`` raises an `AdtError` if one of these cannot be used.
    """
    result = _Parser(
        prog=f"python -m {module}", description=description.strip().splitlines()[0],
        formatter_class=_Help)
    result.names = names
    result.add_argument("--out", type=Path, metavar="FILE.json", help="write all figures")
    result.add_argument("--table", type=Path, metavar="FILE.md", help="write the tables")
    result.add_argument("--readme", type=Path, metavar="README.md",
                        help="replace the tables between their markers in this file")
    result.add_argument("--device", default="cpu", help="cpu or cuda")
    result.add_argument("--seed", type=int, default=0, help="of choices and of the bootstrap")
    return result


def deliver(args: argparse.Namespace, result: Mapping, named: Mapping[str, str]) -> None:
    """Write what was asked for and print the tables.

    Parameters
    ----------
    args : Namespace
        Of a `parser`.
    result : mapping
        All figures, for ``--out``.
    named : mapping of str to str
        Marker name → markdown table.
    """
    text = "\n\n".join(f"**{name}**\n\n{table}" for name, table in named.items())
    if args.out:
        write_json(args.out, result)
    if args.table:
        with atomic_path(args.table) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if args.readme:
        tables.insert_tables(args.readme, named)
    print(text)


def run(main: Callable[[list[str] | None], None], argv: list[str] | None = None) -> int:
    """Run a benchmark's `main`; what went wrong goes to stderr as one line."""
    lossy_output()
    try:
        main(argv)
    except AdtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
