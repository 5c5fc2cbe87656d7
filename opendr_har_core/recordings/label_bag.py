"""Labels of the images in a rosbag2, written as a rosbag2: what a recognizer or people node would have published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Set, Union

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.people.pipeline import PeoplePipeline, people_frames
from opendr_har_core.recordings.bag_reader import ImageTopic, open_images
from opendr_har_core.recordings.bag_writer import (
    END_NS,
    RECORDED_NS,
    RECORDING,
    START_NS,
    LabelTopics,
    PeopleTopics,
    Topics,
    check_is_new,
    new_bag,
    storage_of,
    typestore,
)
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline, label_frames

# (images done, images in all)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class LabelBagSettings:
    """What to label and how to write it.

    Attributes:
        topic: of the images; None for the only one there is.
        class_id_format: "name" or "index", as the recognizer's parameter.
        distribution: whose vision_msgs and form of bag to write.
    """

    topic: Optional[str] = None
    class_id_format: str = "name"
    distribution: str = "jazzy"


@dataclass
class LabelledBag:
    """The result for one bag.

    Attributes:
        path: the new bag.
        topic: topic of the images.
        images, labels, events, people: counts; people are tracks.
        resets: how often the stream restarted, because stamps jumped or the image size changed.
        unreadable: images that could not be used.
        last_error: why the latest of them could not, or "".
    """

    path: Path
    topic: str
    images: int = 0
    labels: int = 0
    events: int = 0
    people: int = 0
    resets: int = 0
    unreadable: int = 0
    last_error: str = ""

    def skip(self, error: ImageError) -> None:
        """Count an unreadable image."""
        self.unreadable += 1
        self.last_error = str(error)

    def write_event(self, topics: Topics, event: LabelEvent, track_id: str = "") -> None:
        """Write and count an event."""
        topics.write_event(event, track_id)
        self.events += 1


def labels_path(source: Path) -> Path:
    """The default output: `<name>_labels`, next to the bag."""
    source = source.absolute()
    return source.with_name(f"{source.stem if source.is_file() else source.name}_labels")


def label_bag(
    pipeline: Union[LabelPipeline, PeoplePipeline],
    source: Path,
    output: Path,
    settings: LabelBagSettings,
    on_progress: Optional[OnProgress] = None,
) -> LabelledBag:
    """Write a new bag, of the source's storage, with the labels of its images; it is written atomically.

    Each message is recorded at the time at which its image was recorded. Unreadable images are counted and skipped, as
    in a node. Raises VideoError for a source that can't be read, ConfigError when `output` exists or a setting is
    invalid, DataError when it can't be written, BackendError.
    """
    typestore(settings.distribution)  # before anything is written
    check_is_new(output)
    with open_images(source, settings.topic) as topic, new_bag(
        output, storage_of(source), settings.distribution
    ) as writer:
        done = LabelledBag(output, topic.topic)
        form = settings.distribution, settings.class_id_format == "name"
        span = _Span()
        if isinstance(pipeline, PeoplePipeline):
            of_people = PeopleTopics(writer, *form)
            frames = span.over(_frames(topic, of_people, done, on_progress), of_people)
            _label_people(pipeline, frames, of_people, done)
        else:
            of_images = LabelTopics(writer, *form)
            frames = span.over(_frames(topic, of_images, done, on_progress), of_images)
            _label_images(pipeline, frames, of_images, done)
        named = source if source.name else source.absolute()  # the current folder
        facts = {RECORDING: named, START_NS: span.start_ns, END_NS: span.end_ns, RECORDED_NS: span.recorded_ns}
        for key, value in facts.items():
            writer.set_custom_data(key, str(value))
    return done


@dataclass
class _Span:
    """Stamps of the first image and of the end of the last one, and when the first was recorded; 0 without images."""

    start_ns: int = 0
    end_ns: int = 0
    recorded_ns: int = 0

    def over(self, frames: Iterator[LazyFrame], labels: Topics) -> Iterator[LazyFrame]:
        count, last_ns = 0, 0
        for count, frame in enumerate(frames, start=1):
            if count == 1:
                self.start_ns, self.recorded_ns = frame.stamp_ns, labels.recorded_ns
            last_ns = max(last_ns, frame.stamp_ns)
            yield frame
        self.end_ns = last_ns + (last_ns - self.start_ns) // max(1, count - 1)


def _label_images(pipeline: LabelPipeline, frames: Iterator[LazyFrame], labels: LabelTopics, done: LabelledBag) -> None:
    for item in label_frames(pipeline, frames):
        if item.error is not None:
            done.skip(item.error)
            continue
        done.resets += pipeline.stream.status.reset is not None
        for event in item.events:
            done.write_event(labels, event)
        if item.shown is not None:
            labels.write_prediction(item.shown)
            done.labels += 1
    for event in pipeline.reset():
        done.write_event(labels, event)


def _label_people(
    pipeline: PeoplePipeline, frames: Iterator[LazyFrame], labels: PeopleTopics, done: LabelledBag
) -> None:
    seen: Set[str] = set()
    for item in people_frames(pipeline, frames):
        if item.error is not None:
            done.skip(item.error)
            continue
        done.resets += item.people.reset is not None
        for id, event in item.people.events:
            done.write_event(labels, event, id)
        labels.write_people(item.people.people)
        seen |= {person.track_id for person in item.people.people}
        done.labels += sum(person.is_new for person in item.people.people)
    for id, event in pipeline.reset():
        done.write_event(labels, event, id)
    done.people = len(seen)


def _frames(
    topic: ImageTopic, labels: Topics, done: LabelledBag, on_progress: Optional[OnProgress]
) -> Iterator[LazyFrame]:
    """Frames of the readable images; `labels` are written for the image that was yielded last."""
    for image in topic.images():
        done.images += 1
        try:
            header, frame = image.read()
            labels.start_image(header, image.recorded_ns)
            yield frame
        except ImageError as error:
            done.skip(error)
        if on_progress is not None:
            on_progress(done.images, topic.count)
