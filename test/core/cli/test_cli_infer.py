"""`opendr-har infer` on files and webcams, and the results that it writes."""

from __future__ import annotations

import csv
import json
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.cli.videos import ENDINGS, names_for, videos_of
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.crowd import render_crowd
from opendr_har_core.synthetic.scene import render_clip

FPS = 30.0
WALKING, WAVING = (next(action for action in ACTIONS if word in action) for word in ("walk", "wav"))
SILENT_SEC = 1.2  # of the packaged model
ALL = ENDINGS.values()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Walking, then waving from the fourth second on."""

    def frames():
        for offset, action in ((0, WALKING), (4 * 10**9, WAVING)):
            for frame in render_clip(action, 4.0, FPS, seed=0):
                yield Frame(frame.rgb, frame.stamp_ns + offset)

    return write_video(tmp_path_factory.mktemp("video") / "scene.mp4", frames(), FPS)


@pytest.fixture(scope="module")
def results(clip, tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("results") / "new"
    assert main(["infer", str(clip), "--output", str(folder)]) == 0
    return folder


@pytest.fixture
def short(tmp_path):
    """A video of one second."""
    return write_video(tmp_path / "short.mp4", render_clip(WAVING, 1.0, FPS, seed=2), FPS)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(capsys, *arguments):
    """(samples, the result of the only video, notes) of `infer --json`."""
    assert main(["infer", "--json", *map(str, arguments)]) == 0
    written = capsys.readouterr()
    *samples, result = [json.loads(line) for line in written.out.splitlines()]
    (video,) = result["videos"]
    return samples, video, written.err


def test_write_selects_results(short, tmp_path, capsys):
    _, video, _ = summary(capsys, short, "--output", tmp_path / "out", "--write", "json", "csv", "scores")
    assert sorted(video["files"]) == ["csv", "json", "scores"]
    assert sorted(video["files"].values()) == sorted(str(path) for path in (tmp_path / "out").iterdir())


def test_the_annotated_video_has_every_frame_at_its_time_with_labels(clip, results):
    originals, annotated = list(read_video(clip)), list(read_video(results / "scene.annotated.mp4"))
    assert len(annotated) == len(originals) == 240
    assert annotated[0].size == (240, 320)
    assert max(abs(one.stamp_ns - other.stamp_ns) for one, other in zip(originals, annotated)) < 2_000_000
    panel, rest = np.s_[:40, :100], np.s_[140:, :]
    one, other = originals[200].rgb.astype(float), annotated[200].rgb.astype(float)
    assert abs(one[panel] - other[panel]).mean() > 30
    assert abs(one[rest] - other[rest]).mean() < 12


def test_odd_sizes_and_frame_times_are_kept_and_the_video_is_decoded_once(tmp_path, monkeypatch):
    frames = [Frame(frame.rgb[:77, :101], round(frame.stamp_ns * 1.3)) for frame in render_clip("walking", 3.0, 12.5)]
    source, opened, original = write_video(tmp_path / "odd.mkv", frames, 12.5), [], av.open
    monkeypatch.setattr(av, "open", lambda *given, **named: opened.append(given[0]) or original(*given, **named))
    assert main(["infer", str(source), "--output", str(tmp_path / "out"), "--write", "video", "csv"]) == 0
    assert opened.count(str(source)) == 1
    frames, annotated = (list(read_video(path)) for path in (source, tmp_path / "out" / "odd.annotated.mp4"))
    assert [frame.size for frame in annotated] == [(78, 102)] * len(frames)
    assert max(abs(one.stamp_ns - other.stamp_ns) for one, other in zip(frames, annotated)) < 2_000_000


def test_tables_hold_segments_and_scores_of_all_classes(results):
    segments, scores = rows(results / "scene.labels.csv"), rows(results / "scene.scores.csv")
    runs = [(label, [*samples]) for label, samples in groupby(scores, key=lambda row: row["label"])]
    ends = [*(samples[0]["time_sec"] for _, samples in runs[1:]), "8.0"]
    assert [(row["label"], float(row["start_sec"]), float(row["end_sec"])) for row in segments] == [
        (label, float(samples[0]["time_sec"]), pytest.approx(float(end), abs=0.05))
        for (label, samples), end in zip(runs, ends)
        if label != LabelSettings().no_activity_label
    ]
    assert {WALKING, WAVING} <= {row["label"] for row in segments}
    assert float(scores[0]["time_sec"]) == pytest.approx(SILENT_SEC, abs=0.1)
    labels = Recognizer.open("default").labels.names
    assert list(scores[0]) == ["time_sec", "label", "score", "provisional", *labels]
    for row in scores:
        values = [float(row[label]) for label in labels]
        assert sum(values) == pytest.approx(1, abs=1e-3)
        assert labels[int(np.argmax(values))] == row["label"]


@pytest.mark.slow
def test_filter_settings_reach_the_segments(clip, tmp_path):
    def segments(name, *flags):
        command = ["infer", str(clip), "--output", str(tmp_path / name), "--write", "csv", "scores"]
        assert main([*command, *flags]) == 0
        return rows(tmp_path / name / "scene.labels.csv")

    assert segments("strict", "--threshold", "1", "--no-activity-label", "nobody") == []
    held = segments("patient", "--min-duration-sec", "60")
    first = rows(tmp_path / "patient" / "scene.scores.csv")[0]["label"]
    assert [(row["label"], float(row["end_sec"]) > 7.9) for row in held] == [(first, True)]
    assert WAVING not in {row["label"] for row in segments("idle", "--no-activity-label", WAVING)}


@pytest.fixture
def webcam(clip, monkeypatch):
    """Webcam 0 plays the clip, then Ctrl-C is pressed."""
    original = av.open

    def opened(path, *given, **named):
        if path != "/dev/video0":
            return original(path, *given, **named)
        container = original(str(clip))

        class Camera:
            streams, duration = container.streams, None
            __enter__ = lambda self: self  # noqa: E731
            __exit__ = lambda self, *_: container.close()  # noqa: E731

            def decode(self, stream):
                yield from container.decode(stream)
                raise KeyboardInterrupt

        return Camera()

    clock = iter(range(10**18, 2 * 10**18, 33_333_333))
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    monkeypatch.setattr(av, "open", opened)


def test_every_option_works_with_a_webcam(webcam, capsys):
    options = ["--threshold", "1", "--no-activity-label", "nobody", "--top-k", "2", "--json"]
    assert main(["infer", "0", *options]) == 130
    *samples, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {sample["top"][0]["label"] for sample in samples} == {"nobody"}
    assert {len(sample["top"]) for sample in samples} == {2}
    assert samples[0]["time_sec"] > 10**9


def test_people_in_front_of_a_webcam_are_printed_as_they_get_labels(webcam, capsys):
    assert main(["infer", "0", "--people", "--detector-hz", "2", "--json"]) == 130
    *samples, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(sample["track_id"] for sample in samples)
    assert {WALKING, WAVING} & {sample["top"][0]["label"] for sample in samples}


def test_results_of_a_webcam_are_written_at_ctrl_c(webcam, tmp_path, capsys):
    assert main(["infer", "0", "--output", str(tmp_path), "--write", "video", "csv", "--smoothing", "0.4"]) == 0
    assert len(list(read_video(tmp_path / "0.annotated.mp4"))) == 240
    segments = rows(tmp_path / "0.labels.csv")
    assert {WALKING, WAVING} <= {row["label"] for row in segments}
    assert float(segments[-1]["end_sec"]) == pytest.approx(8, abs=0.05)


def test_a_file_too_short_for_a_label_gets_provisional_ones(short, tiny_bundle, capsys):
    samples, video, notes = summary(capsys, short, "--model", tiny_bundle("x3d"))
    assert [sample["provisional"] for sample in samples] == [True] * 3
    assert samples[0]["time_sec"] == 0
    assert video["whole"]["provisional"]
    assert "all labels are provisional: the file is shorter than the 1.2 s that x3d_xs looks at" in notes


@pytest.mark.parametrize(
    ("seconds", "provisional", "remark"),
    [
        (1.0, [True] * 3, "all labels are provisional: the file is shorter than the 1.2 s that cox3d_xs looks at"),
        (3.0, [True] * 3 + [False] * 5, "labels are provisional for the first 1.2 s, the window of cox3d_xs"),
    ],
)
def test_without_lookahead_the_first_labels_are_provisional(
    tmp_path, tiny_bundle, capsys, seconds, provisional, remark
):
    source = write_video(tmp_path / "clip.mp4", render_clip(WAVING, seconds, FPS, seed=2), FPS)
    model, out = tiny_bundle("cox3d", "none"), tmp_path / "out"
    options = ("--model", model, "--min-frames", 1, "--output", out, "--write", "scores")
    _, video, notes = summary(capsys, source, *options)
    assert [row["provisional"] for row in rows(out / "clip.scores.csv")] == list(map(str, provisional))
    assert video["whole"]["provisional"] == (seconds < 1.2)
    assert video["label_delay_sec"] == 0.0
    assert video["remark"] == remark
    assert remark in notes


@pytest.mark.parametrize(("count", "fps", "sampling"), [(1, 30, "stamps"), (2, 0.6, "stamps"), (4, 32, "every_frame")])
@pytest.mark.parametrize("kind", [("x3d",), ("cox3d", "none")])
def test_a_file_of_a_few_frames_has_a_label(tmp_path, tiny_bundle, capsys, kind, count, fps, sampling):
    path = write_video(tmp_path / "few.mp4", render_clip(WAVING, count / fps, fps), fps)
    samples, video, _ = summary(capsys, path, "--model", tiny_bundle(*kind), "--sampling", sampling)
    assert video["duration_sec"] == pytest.approx(count / fps, abs=0.002)
    assert samples
    assert all(0 <= sample["time_sec"] < video["duration_sec"] for sample in samples)


def test_a_bad_file_among_many_is_reported_and_the_others_are_labelled(short, tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 50)
    given = [str(text), "absent.mp4", str(short), str(tmp_path / "*.avi")]
    assert main(["infer", *given, "--output", str(tmp_path / "out"), "--write", "csv", "--json"]) == 1
    written = capsys.readouterr()
    result = json.loads(written.out.splitlines()[-1])
    assert (result["ok"], len(result["videos"]), len(result["failed"])) == (False, 1, 3)
    for message in ("text.mp4 can't be opened", "no video file absent.mp4", "no file matches", "3 of 4 videos"):
        assert message in written.err
    assert (tmp_path / "out" / "short.labels.csv").exists()


def test_nothing_is_overwritten_without_overwrite(short, tmp_path, capsys):
    command = ["infer", str(short), "--output", str(tmp_path / "out"), "--write", "csv", "scores"]
    assert main(command) == 0
    path = tmp_path / "out" / "short.labels.csv"
    path.write_text("mine")
    capsys.readouterr()
    assert main(command) == 2
    written = capsys.readouterr()
    assert "short.labels.csv and 1 more exist; give --overwrite" in written.err
    assert written.out == ""
    assert path.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert rows(path)


def test_folders_and_patterns_name_their_videos_without_annotated_ones(tmp_path):
    for name in ("b/2.mp4", "a/1.AVI", "a/1.annotated.mp4", "a/.hidden/3.mp4", "a/notes.txt", "c[1].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    relative = lambda paths: [str(path.relative_to(tmp_path)) for path in paths]  # noqa: E731
    assert relative(videos_of([str(tmp_path)])[0]) == ["a/1.AVI", "b/2.mp4", "c[1].mp4"]
    found, missing = videos_of([str(tmp_path / "*" / "*.mp4"), str(tmp_path / "b"), str(tmp_path / "c[1].mp4")])
    assert (relative(found), missing) == (["b/2.mp4", "c[1].mp4"], [])
    (tmp_path / "empty").mkdir()
    found, missing = videos_of([str(tmp_path / "empty"), str(tmp_path / "*.mkv")])
    assert (found, len(missing)) == ([], 2)


def test_names_of_results_never_collide():
    names = ("x/clip.mp4", "y/clip.avi", "y/clip.mp4", "y/Clip.mkv", "other.mp4", "z/x-clip.mp4")
    found = names_for([Path(name) for name in names])
    assert len({name.casefold() for name in found}) == len(names)
    assert found[:5] == ["x-clip", "y-clip", "y-clip-2", "y-Clip-3", "other"]


def test_a_timeline_without_matplotlib_is_left_out_or_names_the_extra(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("opendr_har_core.cli.infer.find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert main(["infer", str(short), "--output", str(tmp_path / "out")]) == 0
    assert "pip install 'opendr_har_ros[plots]'" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.png"))
    assert main(["infer", str(short), "--output", str(tmp_path / "other"), "--write", "timeline"]) == 1
    assert "charts need matplotlib: pip install 'opendr_har_ros[plots]'" in capsys.readouterr().err


def test_frames_too_far_apart_for_a_label_say_what_to_do(tmp_path, tiny_bundle, capsys):
    path = write_video(tmp_path / "slides.mp4", render_clip(WAVING, 40.0, 0.1), 0.1)
    model = str(tiny_bundle("x3d"))
    assert main(["infer", str(path), "--model", model]) == 1
    message = capsys.readouterr().err
    assert "slides.mp4 yields no label: x3d_xs needs 30.0 s of video" in message
    assert "(gap of 10.00 s is over the limit of 2.00 s); raise max_gap_sec" in message
    assert summary(capsys, path, "--model", model, "--max-gap-sec", 11)[0]


PEOPLE = ("jumping jacks", "bending")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Two people next to each other."""
    scene = (each.frame for each in render_crowd(PEOPLE, 4.0, 10.0, (240, 320), seed=3))
    return write_video(tmp_path_factory.mktemp("crowd") / "crowd.mp4", scene, 10.0)


def test_each_person_has_boxes_segments_and_scores(crowd, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    _, video, _ = summary(capsys, crowd, "--people", "--output", tmp_path)
    labels = {person["track_id"]: person["whole"]["top"][0]["label"] for person in video["people"]}
    assert sorted(labels.values()) == sorted(PEOPLE)
    assert {segment["track_id"] for segment in video["segments"]} == set(labels)
    scores, segments = rows(tmp_path / "crowd.scores.csv"), rows(tmp_path / "crowd.labels.csv")
    assert {row["track_id"] for row in scores} == {row["track_id"] for row in segments} == set(labels)
    for row in scores:
        assert 0 < float(row["right"]) - float(row["left"]) < float(row["bottom"]) - float(row["top"]) < 240
    samples = json.loads((tmp_path / "crowd.labels.json").read_text())["samples"]
    assert [str(sample["box"]["top"]) for sample in samples] == [row["top"] for row in scores]
    assert (tmp_path / "crowd.timeline.png").stat().st_size > 10_000
    original, annotated = (
        list(read_video(path))[-1].rgb.astype(float) for path in (crowd, tmp_path / "crowd.annotated.mp4")
    )
    last = scores[-1]
    edge = annotated[int(float(last["top"])) + 20 : int(float(last["bottom"])) - 5, round(float(last["left"]))]
    assert abs(edge - original[-len(edge) - 5 : -5, round(float(last["left"]))]).mean() > 20


def test_people_are_printed_with_their_ids_and_as_a_table(crowd, capsys):
    assert main(["infer", str(crowd), "--people", "--max-people", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (table,) = (index for index, line in enumerate(lines) if "in view" in line)
    assert {line.split()[1] for line in lines[:table]} == {line.split()[0] for line in lines[table + 1 :]}
    assert len(lines) > table + 1


def test_a_video_of_nobody_has_no_labels(tmp_path, capsys):
    path = write_video(
        tmp_path / "empty.mp4", (Frame(np.zeros((96, 128, 3), np.uint8), n * 10**8) for n in range(5)), 10
    )
    _, video, notes = summary(
        capsys, path, "--people", "--output", tmp_path / "out", "--write", "timeline", "csv", "json"
    )
    assert video["people"] == video["segments"] == []
    assert "nobody was found" in notes


def test_a_webcam_is_a_background_for_as_long_as_wanted(webcam, tmp_path, capsys):
    output = tmp_path / "quiet.onnx"
    arguments = ["calibrate", "default", "--background", "0", "--minutes", "0.1", "--output", str(output), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["hours"] == pytest.approx(0.1 / 60, rel=0.3)
    assert Recognizer.open(output).head.limits is not None
