"""Coverage-guided fuzzing of image messages, a million inputs and more (Linux, Python 3.11; pip install atheris):

python benchmarks/fuzz/images.py [--corpus FOLDER] -runs=1000000 -seed=1 [other options of libFuzzer]

Inputs become objects with the fields of sensor_msgs/Image and CompressedImage and have to keep the contract in
test/fuzz/image_contract.py; the first that does not is written to crash-<digest> and ends the run.
Coverage is that of our own Python; OpenCV's decoders are machine code that is not instrumented.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "test" / "fuzz")]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["opendr_har_core", "image_contract"]):
    import image_contract

    from opendr_har_core.media import encodings

import image_seeds  # noqa: E402

NAMES = sorted(encodings.ENCODINGS)
COMPRESSED, PLAIN, LYING = 0, 1, 2
DEFAULTS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1"]


def one_input(data: bytes) -> None:
    """The first byte says what the rest is: a compressed image, a raw one with right sizes, or one with any."""
    if not data:
        return
    kind = data[0] % 3
    if kind == COMPRESSED:
        rest = data[1:]
        image_contract.check(image_contract.CompressedCase(rest))
        if rest.startswith(b"\x89PNG"):
            image_contract.check(image_contract.CompressedCase(image_seeds.with_right_checksums(rest)))
        return
    image_contract.check(_raw(atheris.FuzzedDataProvider(data[1:]), kind == LYING))


def _raw(source: atheris.FuzzedDataProvider, lying: bool) -> image_contract.RawCase:
    index = source.ConsumeIntInRange(0, len(NAMES))
    name = NAMES[index] if index < len(NAMES) else source.ConsumeUnicode(12)
    if lying:
        height, width, step = (source.ConsumeUInt(4) for _ in range(3))
    else:
        height, width = source.ConsumeIntInRange(1, 24), source.ConsumeIntInRange(1, 24)
        layout = encodings.ENCODINGS.get(name, encodings.ENCODINGS["rgb8"])
        row = width * layout.channels * (2 if layout.wide else 1)
        step = source.ConsumeIntInRange(max(0, row - 2), row + 9)
    big_endian = source.ConsumeIntInRange(0, 255)
    pixels = source.ConsumeBytes(source.remaining_bytes())
    if not lying and pixels:  # enough of them, mostly
        pixels = (pixels * (1 + 40 * step // len(pixels)))[: step * 40 - pixels[0] % 3]
    return image_contract.RawCase(height, width, name, big_endian, step, pixels)


def _write_seeds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images = [*image_seeds.seeds(), *image_seeds.others()]
    images += [image_seeds.jpeg_with_hidden_size(30000, 30000), image_seeds.png_announcing(65535, 65535)]
    for number, image in enumerate(images):
        (folder / f"compressed_{number}").write_bytes(bytes([COMPRESSED]) + image)
    for number in range(len(NAMES)):
        (folder / f"raw_{number}").write_bytes(bytes([PLAIN]) + random.Random(number).randbytes(200) + bytes([number]))


def main() -> None:
    arguments = sys.argv[1:]
    corpus = Path("fuzz-corpus-images")
    if "--corpus" in arguments:
        place = arguments.index("--corpus")
        corpus = Path(arguments[place + 1])
        del arguments[place : place + 2]
    _write_seeds(corpus)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what OpenCV's decoders have to say
    atheris.Setup([sys.argv[0], str(corpus), *DEFAULTS, *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
