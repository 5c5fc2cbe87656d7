"""A learner's model in a folder: weights, metadata in OpenDR's format and, after `optimize`, a bundle.

Saving never overwrites: every save writes the files of a new version, and the metadata last, which makes it complete.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

import torch

from opendr_har_core.errors import ConfigError, HarError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import X3D_CONFIGS, x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import CLIP, ModelSpec
from opendr_har_core.storage import download
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.storage.reading import read_text

WEIGHTS, BUNDLE, METADATA = ".pth", ".onnx", ".json"
CHECKPOINTS = (".pth", ".pyth", ".ckpt")
PREPROCESSING = ("image_size", "stride", "train_fps", "mean", "std")
LARGEST_METADATA = 16 << 20


@dataclass(frozen=True)
class ModelRecord:
    """Content of a metadata file, or a file of weights or a bundle alone.

    Attributes:
        path: the file.
        version: number of the save in its folder; -1 in OpenDR's own metadata, which have none.
        architecture, size: of the network; "" if unknown.
        spec, labels: None if unknown, as in OpenDR's own metadata.
        weights: file of weights; None for a bundle alone.
        bundle: `.onnx` file; None for weights alone.
        training: saved training arguments, not checked.
    """

    path: Path
    version: int = -1
    architecture: str = ""
    size: str = ""
    spec: Optional[ModelSpec] = None
    labels: Optional[LabelMap] = None
    weights: Optional[Path] = None
    bundle: Optional[Path] = None
    training: Mapping[str, Any] = field(default_factory=dict)


def save_model(
    path: Union[str, Path],
    spec: ModelSpec,
    labels: LabelMap,
    network: Optional[X3D],
    bundle: Optional[Path],
    training: Mapping[str, Any],
) -> Path:
    """Write the folder `path` (last part: name) with model_name.pth, model_name.onnx and name.json; return the last.

    If files of these names exist, the new ones end in _1, _2, ... Raises ModelError when the folder can't be written;
    the earlier versions are then intact, and nothing of the new one is left.
    """
    folder = Path(path).expanduser().absolute()
    written: List[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stem, version = _free_name(folder)
        for suffix, content_of in ((WEIGHTS, network), (BUNDLE, bundle)):
            if content_of is not None:
                target = folder / f"model_{stem}{suffix}"
                with atomic_path(target) as temporary:
                    _write(content_of, temporary)
                written.append(target)
        names = {file.suffix: file.name for file in written}
        content = json.dumps(_metadata(spec, labels, names, version, training), sort_keys=True, indent=4)
        metadata = folder / f"{stem}{METADATA}"
        with atomic_path(metadata) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")
    except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError on a full disk
        for file in written:
            file.unlink()
        raise ModelError(f"the model can't be saved in {folder}: {error}; earlier versions are intact") from None
    return metadata


def newest_model(path: Union[str, Path], architecture: str, size: str) -> Path:
    """The file to load from a folder: its newest metadata, or the pretrained weights x3d_`size`.pyth.

    Metadata of the given architecture take precedence over those of the other one, whose weights also fit. Raises
    ModelError if there is nothing to load.
    """
    folder = Path(path)
    records = _records(folder)
    if records:
        return max(records, key=lambda record: (record.architecture == architecture, *_age(record))).path
    pretrained = folder / f"x3d_{size}.pyth"
    if pretrained.is_file():
        return pretrained
    found = sorted(file.name for file in folder.iterdir())
    raise ModelError(f"{folder} holds no saved model and no {pretrained.name}, only {found[:8]}; name a file to load")


def download_pretrained(folder: Path, names: Union[str, Iterable[str]]) -> Dict[str, Path]:
    """Download the published weights of some sizes, check that they fit, and return their paths.

    Raises ConfigError for an unknown size, DownloadError or CheckpointError for an incomplete or unusable file.
    """
    wanted = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
    strays = sorted(str(name) for name in wanted if name not in download.SIZES)
    if strays or not wanted:
        raise ConfigError(f"model_names are {strays or 'empty'}, expected some of {download.SIZES}")

    def fetched(size: str) -> Path:
        def check(path: Path) -> None:
            load_weights(X3D(x3d_config(size)), path)

        return download.download_weights(size, folder, url=download.WEIGHTS_URL, check=check)

    return {size: fetched(size) for size in download.SIZES if size in wanted}


def read_model(path: Path) -> ModelRecord:
    """What is known of a metadata file, of weights, which a checkpoint of training describes, or of a bundle.

    Raises ConfigError for another suffix, ModelError if the file can't be used.
    """
    if path.suffix == METADATA:
        record = read_record(path)
        _check_preprocessing(record)
        return record
    if path.suffix == BUNDLE:
        return ModelRecord(path, bundle=path)
    if path.suffix not in CHECKPOINTS:
        raise ConfigError(f"can't load {path}, expected a folder or one of *{METADATA}, {CHECKPOINTS}, *{BUNDLE}")
    facts = NetworkFacts.read(path)
    if facts is None:
        return ModelRecord(path, weights=path)
    return ModelRecord(path, size=facts.spec.size, spec=facts.spec, labels=facts.labels, weights=path)


def read_record(path: Union[str, Path]) -> ModelRecord:
    """Read a metadata file of this package or of OpenDR; raises ModelError if it can't be used."""
    path = Path(path)
    content = _read_json(path)
    try:
        return _record(path, content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{path} is not the metadata of a model: {reason}; expected a file of save()") from None
    except HarError as error:
        raise ModelError(f"{path} is not usable: {error}") from None


def _check_preprocessing(record: ModelRecord) -> None:
    """Raise ModelError if a model was saved with another preprocessing than this version has."""
    if record.spec is not None and record.weights is not None and record.size in X3D_CONFIGS:
        theirs, ours = record.spec.to_dict(), x3d_config(record.size).clip_spec(1).to_dict()
        differing = [name for name in PREPROCESSING if theirs[name] != ours[name]]
        if differing:
            raise ModelError(f"{record.path} was saved with another {differing} than this version has; save it again")


def _record(path: Path, content: Dict[str, Any]) -> ModelRecord:
    parameters = content["inference_params"]
    spec = ModelSpec.from_dict(content["spec"]) if "spec" in content else None
    labels = LabelMap(content["labels"]) if "labels" in content else None
    if spec and labels and len(labels) != spec.num_classes:
        raise ModelError(f"{len(labels)} class names for {spec.num_classes} classes")
    training = content.get("optimizer_info", {})
    if not isinstance(training, dict):
        raise ValueError(f"optimizer_info is a {type(training).__name__}")
    given = content["model_paths"]
    names = [given] if isinstance(given, str) else list(given)
    files = {Path(name).suffix: _beside(path, name) for name in names}
    return ModelRecord(
        path=path,
        version=int(content.get("version", -1)),
        architecture=spec.architecture if spec else _architecture(path),
        size=spec.size if spec else str(parameters["backbone"]),
        spec=spec,
        labels=labels,
        weights=files.get(WEIGHTS),
        bundle=files.get(BUNDLE),
        training=training,
    )


def _metadata(
    spec: ModelSpec, labels: LabelMap, names: Mapping[str, str], version: int, training: Mapping[str, Any]
) -> Dict[str, Any]:
    return {
        "model_paths": names[WEIGHTS] if list(names) == [WEIGHTS] else list(names.values()),
        "framework": "pytorch" if WEIGHTS in names else "onnx",
        "format": "pth" if WEIGHTS in names else "onnx",
        "has_data": False,
        "optimized": BUNDLE in names,
        "inference_params": {"backbone": spec.size, "network_head": "classification", "threshold": 0.0},
        "optimizer_info": dict(training),
        "version": version,
        "spec": spec.to_dict(),
        "labels": list(labels),
    }


def _free_name(folder: Path) -> Tuple[str, int]:
    """The first unused stem of file names, and its number, which is above that of every save in the folder."""
    version = max((record.version for record in _records(folder)), default=-1) + 1
    while True:
        stem = f"{folder.name}_{version}" if version else folder.name
        files = (f"model_{stem}{WEIGHTS}", f"model_{stem}{BUNDLE}", f"{stem}{METADATA}")
        if not any((folder / name).exists() for name in files):
            return stem, version
        version += 1


def _records(folder: Path) -> List[ModelRecord]:
    """All metadata files of models in a folder; other JSON files are ignored."""
    found = []
    for path in sorted(folder.glob(f"[!.]*{METADATA}")):
        content = _read_json(path)
        if "inference_params" in content and "model_paths" in content:
            found.append(read_record(path))
    return found


def _age(record: ModelRecord) -> Tuple[int, int]:
    return record.version, record.path.stat().st_mtime_ns


def _read_json(path: Path) -> Dict[str, Any]:
    try:
        content = json.loads(read_text(path, LARGEST_METADATA))
    except FileNotFoundError:
        raise ModelError(f"there is no metadata file {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} can't be read as JSON: {error}; name the file to load, or save again") from None
    return content if isinstance(content, dict) else {}


def _architecture(path: Path) -> str:
    """OpenDR names the metadata of both networks like the clip network."""
    return "cox3d" if path.stem.startswith("cox3d") else CLIP


def _beside(path: Path, name: str) -> Path:
    """A file in the folder of `path`; raises ValueError for a name that leads outside of it."""
    if Path(name).name != name or name == ".." or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file in the same folder")
    return path.parent / name


def _write(content: Union[X3D, Path], file: Path) -> None:
    """The weights of a network, or a copy of a bundle."""
    if isinstance(content, Path):
        shutil.copyfile(content, file)
    else:
        torch.save({key: tensor.detach().cpu() for key, tensor in content.state_dict().items()}, file)
