"""The exceptions this package raises for everything a user can get wrong.

Every message names what was given, what was expected and what to do about it.
"""


class HarError(Exception):
    """Root of all errors raised on purpose by this package."""


class ConfigError(HarError):
    """An argument or parameter has a value that is not allowed."""


class DataError(HarError):
    """Input data (a video, an image, a list of labels) can't be used."""


class VideoError(DataError):
    """A video can't be opened or decoded."""


class ImageError(DataError):
    """An image has a layout, size or encoding that can't be read."""


class LabelError(DataError):
    """A list of class names is malformed or does not fit the model."""


class ModelError(HarError):
    """A model bundle can't be opened or used."""


class CheckpointError(ModelError):
    """A file of network weights does not fit the network."""


class BackendError(ModelError):
    """A runtime or execution provider is unknown or failed."""


class DownloadError(HarError):
    """A file could not be fetched whole and verified."""


class ResourceError(HarError):
    """The machine does not have what was asked for, such as memory."""
