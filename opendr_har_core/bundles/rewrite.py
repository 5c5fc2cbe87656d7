"""Writing of a bundle with another head: the same file but for one metadata property, without the `onnx` package."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, Optional, Tuple, Union

from opendr_har_core.bundles.file_check import check_onnx_file
from opendr_har_core.bundles.head import Head
from opendr_har_core.bundles.metadata import HEAD, BundleMetadata
from opendr_har_core.bundles.protobuf import Fields, field, mapped
from opendr_har_core.errors import ModelError
from opendr_har_core.storage.atomic import atomic_path, remove_abandoned

# Of onnx.proto: the properties in a ModelProto, and what each consists of.
PROPERTY, KEY, VALUE = 14, 1, 2
CHUNK = 1 << 20


def write_with_head(source: Union[str, Path], head: Optional[Head], target: Union[str, Path]) -> Path:
    """Write the bundle `source` with `head` in place of the one it may have, or without one, to `target`, atomically.

    All other bytes stay as they are. `target` may be `source`. Raises ModelError for a source that is no bundle or has
    no features, a head that does not fit it, and a target that can't be written.
    """
    source, target = Path(source), Path(target)
    check_onnx_file(source)
    with mapped(source) as data:
        properties, old = _properties(data)
        properties.pop(HEAD, None)
        metadata = BundleMetadata.from_properties(properties, str(source))
        if head is not None:
            head.check(metadata.features, metadata.spec)
        try:
            remove_abandoned(target.parent)
            with atomic_path(target) as temporary, temporary.open("wb") as file:
                _copy_without(old, data, file)
                if head is not None:
                    file.write(field(PROPERTY, field(KEY, HEAD.encode()) + field(VALUE, head.to_text().encode())))
        except OSError as error:
            raise ModelError(f"can't write the bundle {target}: {error}") from None
    return target


def _properties(data: mmap.mmap) -> Tuple[Dict[str, str], List[Tuple[int, int]]]:
    """The metadata properties of a model, and where the entries of a head begin and end."""
    fields, properties, heads = Fields(data), {}, []
    begin = 0
    for number, _, start, stop in fields.of(0, len(data)):
        if number == PROPERTY:
            entry = {inner: data[at:end].decode(errors="replace") for inner, _, at, end in fields.of(start, stop)}
            properties[entry.get(KEY, "")] = entry.get(VALUE, "")
            if entry.get(KEY) == HEAD:
                heads.append((begin, stop))
        begin = stop
    return properties, heads


def _copy_without(parts: List[Tuple[int, int]], data: mmap.mmap, file: BinaryIO) -> None:
    """Copy all bytes but those parts."""
    for start, stop in _between(parts, len(data)):
        for position in range(start, stop, CHUNK):
            file.write(data[position : min(position + CHUNK, stop)])


def _between(parts: List[Tuple[int, int]], length: int) -> Iterator[Tuple[int, int]]:
    starts, stops = [0, *(stop for _, stop in parts)], [*(start for start, _ in parts), length]
    yield from zip(starts, stops)
