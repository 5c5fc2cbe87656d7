"""What tests of hostile files share."""

from __future__ import annotations

import pytest


def read_config(path):
    """What a job makes of a file of options."""
    pytest.importorskip("yaml")
    from opendr_har_core.cli.config_file import with_config
    from opendr_har_core.cli.main import parser

    return with_config(parser(), ["train", "--config", str(path)])
