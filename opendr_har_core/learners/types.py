"""OpenDR's Image, Video and Category: channels first, RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from opendr_har_core.errors import ConfigError, ImageError, VideoError

Array = np.ndarray
CHANNELS = 3
FORMATS = ("channels_first", "channels_last")
CHANNEL_ORDERS = ("rgb", "bgr")


class Image:
    """One image: a (3, H, W) array, RGB, of uint8 pixels or standardised floats."""

    def __init__(self, data: Any = None, dtype: Any = np.uint8, guess_format: bool = True) -> None:
        """`data` is a 3-D array or anything that NumPy converts to one; it is stored as `dtype`.

        With `guess_format`, an array whose last axis has three entries is taken as an OpenCV image (H, W, 3), BGR, and
        converted to (3, H, W), RGB; for other layouts give channels first. Raises ImageError for another shape, and for
        values that `dtype` can't represent.
        """
        self.dtype = np.dtype(dtype)
        self._data: Optional[Array] = None
        if data is not None:
            array = _array(data, ImageError)
            if guess_format and array.ndim == 3 and array.shape[2] == CHANNELS:
                array = array[:, :, ::-1].transpose(2, 0, 1)
            self.data = array

    @property
    def data(self) -> Array:
        """The (3, H, W) array; raises ImageError for an empty image."""
        if self._data is None:
            raise ImageError("the image is empty; give it an array of shape (3, height, width)")
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        array = _array(data, ImageError)
        if array.ndim != 3 or array.shape[0] != CHANNELS or 0 in array.shape:
            raise ImageError(f"an image must have shape (3, height, width), got {array.shape}")
        self._data = _cast(array, self.dtype, ImageError)

    def numpy(self) -> Array:
        """The (3, H, W) array."""
        return self.data

    def opencv(self) -> Array:
        """The image in OpenCV's format: (H, W, 3), BGR, a new array."""
        return self.convert("channels_last", "bgr")

    def convert(self, format: str = "channels_first", channel_order: str = "rgb") -> Array:
        """A copy as "channels_first" or "channels_last", "rgb" or "bgr"; raises ConfigError for other values."""
        if format not in FORMATS:
            raise ConfigError(f"format is {format!r}, expected one of {FORMATS}")
        if channel_order not in CHANNEL_ORDERS:
            raise ConfigError(f"channel_order is {channel_order!r}, expected one of {CHANNEL_ORDERS}")
        picture = self.data if channel_order == "rgb" else self.data[::-1]
        return np.array(picture if format == FORMATS[0] else picture.transpose(1, 2, 0), order="C")

    @classmethod
    def open(cls, filename: Union[str, Path]) -> Image:
        """Read an image file; raises ImageError if it does not exist or can't be decoded."""
        from opendr_har_core.media.pictures import read_picture

        return cls(read_picture(filename))

    def __str__(self) -> str:
        return str(self.data)


class Video:
    """A clip: a (3, T, H, W) array, RGB, of uint8 pixels or standardised float32."""

    def __init__(self, data: Any = None) -> None:
        """`data` is a 4-D array or anything that NumPy converts to one; raises VideoError for another shape or dtype.

        Floats become float32, integers uint8, which learners preprocess.
        """
        self._data: Optional[Array] = None
        if data is not None:
            self.data = data

    @property
    def data(self) -> Array:
        """The (3, T, H, W) array; raises VideoError for an empty video."""
        if self._data is None:
            raise VideoError("the video is empty; give it an array of shape (3, frames, height, width)")
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        array = _array(data, VideoError)
        if array.ndim != 4 or array.shape[0] != CHANNELS or 0 in array.shape:
            raise VideoError(f"a video must have shape (3, frames, height, width), got {array.shape}")
        floating = np.issubdtype(array.dtype, np.floating)
        self._data = _cast(array, np.dtype(np.float32 if floating else np.uint8), VideoError)

    def numpy(self) -> Array:
        """The (3, T, H, W) array."""
        return self.data

    def __str__(self) -> str:
        return str(self.data)


class Confidence(float):
    """The probability of the best class, which also behaves like the vector of all probabilities.

    OpenDR documents a vector, used as `confidence.max()`, `confidence[i]` or `torch.topk(confidence, 3)`; most users
    expect a number in 0..1. This is the number; operations of a vector work on the scores as a torch tensor.
    """

    def __new__(cls, scores: Any) -> Confidence:
        """`scores` is a float vector (num_classes,)."""
        return super().__new__(cls, float(np.max(np.asarray(scores, np.float32))))

    def __init__(self, scores: Any) -> None:
        self._scores = np.asarray(scores, np.float32)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._tensor(), name)

    def __getitem__(self, index: Any) -> Any:
        return self._tensor()[index]

    def __len__(self) -> int:
        return len(self._scores)

    def __reduce__(self) -> Any:
        return type(self), (self._scores,)

    def _tensor(self) -> Any:
        import torch

        return torch.from_numpy(self._scores)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """PyTorch functions take the vector."""
        given = [value._tensor() if isinstance(value, cls) else value for value in args]
        named = {key: value._tensor() if isinstance(value, cls) else value for key, value in (kwargs or {}).items()}
        return func(*given, **named)


class Category:
    """A predicted or annotated class.

    Attributes:
        data: class id.
        description: name of the class, if known.
        confidence: probability in 0..1; from a vector, that of its best class (see `Confidence`).
        scores: float32 (num_classes,), the probability of every class, if known.
        action: unused here; OpenDR's targets have it.
    """

    def __init__(self, prediction: int, description: Optional[str] = None, confidence: Any = None) -> None:
        """`confidence` is one probability or a vector of the probabilities of all classes."""
        self.data = prediction
        self.description = description
        self.action = None
        self.scores: Optional[Array] = None
        self.confidence: Optional[float] = None
        if confidence is not None and np.ndim(confidence) > 0:
            self.confidence = Confidence(confidence)
            self.scores = np.asarray(confidence, np.float32)
        elif confidence is not None:
            self.confidence = float(confidence)

    def __str__(self) -> str:
        name = "" if self.description is None else f" ({self.description})"
        sure = "" if self.confidence is None else f" with confidence {float(self.confidence):.3f}"
        return f"Class {self.data}{name}{sure}"

    def __repr__(self) -> str:
        return f"<{self}>"


def _array(data: Any, error: Any) -> Array:
    try:
        array = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise error(f"{type(data).__name__} can't be converted to an array: {failure}") from None
    if array.dtype == bool or not np.issubdtype(array.dtype, np.number):
        raise error(f"an array of numbers is needed, got {array.dtype}")
    return array


def _cast(array: Array, dtype: Any, error: Any) -> Array:
    """`array` as `dtype`; raises `error` if an integer type changes a value."""
    cast = array.astype(dtype)
    if np.issubdtype(dtype, np.integer) and not np.array_equal(cast, array):
        raise error(
            f"values from {array.min()} to {array.max()} ({array.dtype}) are not {dtype}; give pixels as uint8 0..255, "
            f"or standardised values as floats (for an Image with dtype=numpy.float32)"
        )
    return np.ascontiguousarray(cast)
