"""Exceptions of this package. Each message says what was given, what was expected and what to do."""


class HarError(Exception):
    """Base class of all errors that this package raises."""


class ConfigError(HarError):
    """An argument or parameter has an invalid value."""


class DataError(HarError):
    """Input data (a video, an image, a list of labels) can't be used."""


class VideoError(DataError):
    """A video can't be opened or decoded."""


class ImageError(DataError):
    """An image has a layout, size or encoding that can't be read."""


class LabelError(DataError):
    """A list of class names is malformed or does not match the model."""


class ModelError(HarError):
    """A model bundle can't be opened or used."""


class CheckpointError(ModelError):
    """A weight file does not match the network."""


class BackendError(ModelError):
    """A runtime or execution provider is missing or failed."""


class DownloadError(HarError):
    """A file can't be downloaded and verified."""


class ResourceError(HarError):
    """The machine lacks a resource, such as memory."""
