"""People, tracks and labels in a video, and a picture of one moment.

python benchmarks/people/video.py vtest.avi --size 640 --max-people 20 --picture 18 people.jpg
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from typing import Counter as Counts
from typing import DefaultDict, List, Set

import cv2
import numpy as np

from opendr_har_core import Recognizer
from opendr_har_core.media.annotate import annotate
from opendr_har_core.media.video import read_video
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings


def main() -> None:
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--size", type=int, default=PeopleSettings.detector_size, help="of the detector's input")
    parser.add_argument("--max-people", type=int, default=PeopleSettings.max_people)
    parser.add_argument("--picture", nargs=2, metavar=("SECOND", "FILE"))
    options = parser.parse_args()
    settings = PeopleSettings(detector_size=options.size, max_people=options.max_people)
    detector = NanoDet(options.size, threads=1)
    recognizer = Recognizer.open("default", threads=1)
    pipeline = PeoplePipeline(recognizer, detector, settings, StreamSettings(), LabelSettings())
    people: List[int] = []
    labels: DefaultDict[str, Counts[str]] = defaultdict(Counter)
    tracks: Set[str] = set()
    for frame in read_video(options.video):
        second = frame.stamp_ns / 1e9
        if second > options.seconds:
            break
        found = pipeline.push(frame).people
        people.append(len(found))
        tracks |= {person.track_id for person in found}
        for person in found:
            if person.label is not None and person.is_new:
                labels[person.track_id][person.label.label] += 1
        if options.picture and second >= float(options.picture[0]):
            drawn = annotate(frame.rgb, None, [], [(person.box, person.title) for person in found])
            cv2.imwrite(options.picture[1], drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
            options.picture = None
    decisions: Counts[str] = sum(labels.values(), Counter())
    mostly = Counter(counts.most_common(1)[0][0] for counts in labels.values())
    print(f"{np.mean(people):.1f} people per frame, {len(tracks)} tracks")
    print("decisions", {label: f"{count / decisions.total():.0%}" for label, count in decisions.most_common(4)})
    print("tracks, by most frequent label", dict(mostly.most_common(4)))


if __name__ == "__main__":
    main()
