"""Jobs of `label_many` whose worker processes die or hang; spawned processes import it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.recordings.label_many import LabelJob
from opendr_har_core.recordings.label_table import SCHEMAS, LabelTable, read_label_table
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings


def job_for(folder, kind=LabelJob, people=False, model="default", timeout=0.0, **settings):
    """A job with one thread."""
    model, found = ModelSettings(model, threads=1), PeopleSettings() if people else None
    return kind(folder, model, StreamSettings(), LabelSettings(**settings), found, timeout=timeout)


def tables(folder):
    """{table: rows} of a folder of labels."""
    return {name: read_label_table(folder, name).to_pylist() for name in SCHEMAS}


class DeadlyTable(LabelTable):
    """Kills its process before it writes the labels of "fatal" recordings, and of "unlucky" ones the first time.

    "Hanging" ones are never written.
    """

    def write(self, source, labels):
        if "hanging" in source.uri:
            time.sleep(3600)
        mark = self.path.parent / f"{source.key}.died"
        if "fatal" in source.uri or ("unlucky" in source.uri and not mark.exists()):
            with mark.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(source, labels)


@dataclass(frozen=True)
class DeadlyJob(LabelJob):
    """A job with a `DeadlyTable`."""

    def table(self):
        table = super().table()
        table.__class__ = DeadlyTable
        return table


def deaths(folder: Path):
    """How often each recording killed its process."""
    return sorted(len(mark.read_text()) for mark in folder.glob("*.died"))
