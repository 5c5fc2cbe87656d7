"""`opendr-har infer` on many files, and what it writes of each."""

from __future__ import annotations

import csv
import json
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from opendr_har_core import Recognizer
from opendr_har_core.cli.infer_files import ENDINGS, KINDS
from opendr_har_core.cli.inputs import names_for, videos_of
from opendr_har_core.cli.main import main
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import probe, read_video, write_video
from opendr_har_core.recordings import annotated_video as annotated
from opendr_har_core.recordings.offline import mean_prediction, passes_needed, recognize_video
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip

FPS = 30.0
WALKING, WAVING = (next(action for action in ACTIONS if word in action) for word in ("walk", "wav"))
SILENT_SEC = Recognizer.open("default").stream().silent_sec
ALL = [ending for kind in KINDS for ending in ENDINGS[kind]]


def two_actions():
    """Walking, then waving; the second from the fourth second on."""
    offset = 0
    for action in (WALKING, WAVING):
        frames = list(render_clip(action, 4.0, FPS, seed=0))
        yield from (Frame(frame.rgb, frame.stamp_ns + offset) for frame in frames)
        offset += 4 * 10**9


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "scene.mp4", two_actions(), FPS)


@pytest.fixture(scope="module")
def results(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "new"
    assert main(["infer", str(clip), "--output", str(folder)]) == 0
    return folder


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_unless_less_is_asked_for(clip, results, tmp_path, capsys):
    assert sorted(path.name for path in results.iterdir()) == sorted(f"scene{ending}" for ending in ALL)
    assert main(["infer", str(clip), "--output", str(tmp_path), "--write", "csv,timeline", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (video,) = json.loads(line)["videos"]
    assert sorted(video["files"]) == ["csv", "scores", "timeline"]
    assert sorted(video["files"].values()) == sorted(str(path) for path in tmp_path.iterdir())


def test_the_annotated_video_has_every_frame_at_its_time_and_labels_drawn_into_it(clip, results):
    path = results / "scene.annotated.mp4"
    originals, drawn = list(read_video(clip)), list(read_video(path))
    assert len(drawn) == len(originals) == 240
    assert [frame.size for frame in drawn[:1]] == [(240, 320)]
    assert max(abs(one.stamp_ns - other.stamp_ns) for one, other in zip(originals, drawn)) < 2_000_000
    panel, rest = np.s_[:40, :100], np.s_[140:, :]
    one, other = originals[200].rgb.astype(float), drawn[200].rgb.astype(float)
    assert abs(one[panel] - other[panel]).mean() > 30
    assert abs(one[rest] - other[rest]).mean() < 12


def test_codecs_are_tried_in_turn(clip, tmp_path, monkeypatch):
    assert annotated.best_codec() in annotated.CODECS
    monkeypatch.setattr(annotated, "CODECS", ("no_such_codec", "mpeg4"))
    assert annotated.best_codec() == "mpeg4"
    assert main(["infer", str(clip), "--output", str(tmp_path), "--write", "video", "--once"]) == 0
    assert probe(tmp_path / "scene.annotated.mp4").frames == 240


def test_odd_sizes_and_odd_times_are_kept(tmp_path):
    frames = [Frame(frame.rgb[:77, :101], round(frame.stamp_ns * 1.3)) for frame in render_clip("walking", 3.0, 12.5)]
    source = write_video(tmp_path / "odd.mkv", frames, 12.5)
    assert main(["infer", str(source), "--output", str(tmp_path / "out"), "--write", "video"]) == 0
    (path,) = (tmp_path / "out").iterdir()
    assert [frame.size for frame in read_video(path)] == [(78, 102)] * len(frames)


def test_a_phone_video_is_labelled_and_drawn_upright(tmp_path, set_display_matrix):
    """Stored on its side, with the matrix that turns it to the right again."""
    upright = list(render_clip(WALKING, 3.0, FPS, seed=0))
    path = write_video(tmp_path / "phone.mp4", [Frame(np.rot90(frame.rgb), frame.stamp_ns) for frame in upright], FPS)
    set_display_matrix(path, (0, 1, -1, 0))
    assert main(["infer", str(path), "--output", str(tmp_path), "--write", "video,csv"]) == 0
    assert {row["label"] for row in rows(tmp_path / "phone.labels.csv")} == {WALKING}
    drawn = list(read_video(tmp_path / "phone.annotated.mp4"))
    assert drawn[0].size == upright[0].size
    rest = np.s_[140:, :]
    assert abs(drawn[60].rgb[rest].astype(float) - upright[60].rgb[rest]).mean() < 12


def test_the_tables_hold_segments_and_scores_of_all_classes(clip, results):
    segments, scores = rows(results / "scene.labels.csv"), rows(results / "scene.scores.csv")
    runs = [(label, [*samples]) for label, samples in groupby(scores, key=lambda row: row["label"])]
    ends = [*(samples[0]["time_sec"] for _, samples in runs[1:]), "8.0"]
    expected = [
        (label, float(samples[0]["time_sec"]), pytest.approx(float(end), abs=0.05))
        for (label, samples), end in zip(runs, ends)
        if label != LabelSettings().no_activity_label
    ]
    found = [(row["label"], float(row["start_sec"]), float(row["end_sec"])) for row in segments]
    assert found == expected
    assert {WALKING, WAVING} <= {row["label"] for row in segments}
    assert float(scores[0]["time_sec"]) == pytest.approx(SILENT_SEC, abs=0.1)
    mean = sum(float(sample["score"]) for sample in runs[0][1]) / len(runs[0][1])
    assert segments[0]["label"] != runs[0][0] or float(segments[0]["score"]) == pytest.approx(mean, abs=1e-4)
    labels = Recognizer.open("default").labels.names
    assert list(scores[0]) == ["time_sec", "label", "score", "provisional", *labels]
    for row in scores:
        shown = [float(row[label]) for label in labels]
        assert sum(shown) == pytest.approx(1, abs=1e-3)
        assert labels[int(np.argmax(shown))] == row["label"]
    times = [float(row["time_sec"]) for row in scores]
    assert times == sorted(times)
    assert times[-1] < 8.0


def test_the_json_holds_the_same_and_the_whole_is_the_mean_of_all_predictions(clip, results):
    content = json.loads((results / "scene.labels.json").read_text())
    segments = rows(results / "scene.labels.csv")
    assert [item["label"] for item in content["segments"]] == [item["label"] for item in segments]
    assert len(content["samples"]) == len(rows(results / "scene.scores.csv"))
    assert content["first_label_sec"] == content["samples"][0]["time_sec"] == pytest.approx(SILENT_SEC, abs=0.1)
    recognizer = Recognizer.open("default")
    whole = mean_prediction(list(recognize_video(recognizer, clip)), recognizer.labels)
    (best, *_) = content["whole"]["top"]
    assert (best["label"], best["score"]) == (whole.label, pytest.approx(whole.score, abs=1e-5))


def test_the_timeline_shows_what_is_the_label_when(results):
    picture = cv2.imread(str(results / "scene.timeline.png"))
    assert picture.shape[1] == 1600
    assert picture.shape[0] > 500
    bar = picture[222 + 8]  # just below the upper edge of the segments
    middles = [(float(row["start_sec"]) + float(row["end_sec"])) / 2 for row in rows(results / "scene.labels.csv")]
    left, right = (bar[250 + round(1270 * second / 8)] for second in (middles[0], middles[-1]))
    assert not np.array_equal(left, right)
    assert all(np.ptp(colour.astype(float)) > 38 for colour in (left, right))  # colours, no grey
    warming = bar[250 + round(1270 * 0.5 / 8)]
    assert np.ptp(warming.astype(float)) < 12


def test_settings_of_the_filter_reach_the_segments(clip, tmp_path):
    def segments(name, *flags):
        assert main(["infer", str(clip), "--output", str(tmp_path / name), "--write", "csv", *flags]) == 0
        return rows(tmp_path / name / "scene.labels.csv")

    assert segments("strict", "--threshold", "1", "--no-activity-label", "nobody") == []
    held = segments("patient", "--min-duration-sec", "60")
    first = rows(tmp_path / "patient" / "scene.scores.csv")[0]["label"]
    assert [(row["label"], float(row["end_sec"]) > 7.9) for row in held] == [(first, True)]


def test_a_class_for_no_activity_makes_no_segments(clip, tmp_path):
    assert main(["infer", str(clip), "--output", str(tmp_path), "--write", "csv", "--no-activity-label", WAVING]) == 0
    assert WAVING not in {row["label"] for row in rows(tmp_path / "scene.labels.csv")}
    assert WAVING in {row["label"] for row in rows(tmp_path / "scene.scores.csv")}


@pytest.fixture
def short(tmp_path):
    """A video of one second."""
    return write_video(tmp_path / "short.mp4", render_clip(WAVING, 1.0, FPS, seed=2), FPS)


def summary(capsys, *arguments):
    """(samples, the result of the only video, notes) of `infer --json`."""
    assert main(["infer", "--json", *map(str, arguments)]) == 0
    written = capsys.readouterr()
    *samples, result = [json.loads(line) for line in written.out.splitlines()]
    (video,) = result["videos"]
    return samples, video, written.err


def test_a_file_too_short_for_a_label_is_played_again_and_says_so(short, tiny_bundle, capsys):
    model = tiny_bundle("x3d")
    samples, video, notes = summary(capsys, short, "--model", model)
    passes = passes_needed(Recognizer.open(model).spec, short)
    assert video["passes"] == passes == 3
    assert f"a file of 1.00 s was played {passes} times; the labels are those of the last time" in notes
    assert all(0 <= sample["time_sec"] < 1 for sample in samples)
    assert 2 <= len(samples) <= 3
    assert main(["infer", str(short), "--once", "--model", str(model)]) == 1
    message = "short.mp4 is too short for a label: x3d_xs needs 1.2 s of video before its first label"
    assert message in capsys.readouterr().err
    assert main(["infer", str(short), "--once", "--warm-start", "repeat", "--model", str(model)]) == 0
    assert "provisional" in capsys.readouterr().out


def test_without_lookahead_a_short_file_is_labelled_provisionally_by_the_frames_it_has(short, tiny_bundle, capsys):
    model = tiny_bundle("cox3d", "none")
    samples, video, notes = summary(capsys, short, "--model", model, "--min-frames", 1)
    assert [sample["time_sec"] for sample in samples] == pytest.approx([0.0, 0.4, 0.8], abs=0.02)
    assert all(sample["provisional"] for sample in samples)
    assert (video["passes"], video["first_label_sec"], video["label_delay_sec"]) == (1, 0.0, 0.0)
    assert video["whole"]["provisional"] is True
    assert video["remark"] == "all labels are provisional: the file is shorter than the 1.2 s that cox3d_xs looks at"
    assert video["remark"] in notes
    recognizer = Recognizer.open(model)
    whole = mean_prediction(
        list(map(recognizer.stream(min_frames=1).push, sampled(short, recognizer))), recognizer.labels
    )
    best = video["whole"]["top"][0]
    assert (best["label"], best["score"]) == (whole.label, pytest.approx(whole.score, abs=1e-5))


def sampled(path, recognizer):
    stream = recognizer.stream()
    for frame in read_video(path):
        stream.push(frame)
        if stream.status.sampled:
            yield frame


def test_without_lookahead_a_longer_file_is_played_once_and_its_whole_is_certain(tmp_path, tiny_bundle, capsys):
    source = write_video(tmp_path / "long.mp4", render_clip(WAVING, 3.0, FPS, seed=2), FPS)
    samples, video, _ = summary(capsys, source, "--model", tiny_bundle("cox3d", "none"), "--min-frames", 1)
    assert [sample["provisional"] for sample in samples] == [True] * 3 + [False] * 5
    assert (video["passes"], video["whole"]["provisional"]) == (1, False)
    assert video["remark"] == "labels are provisional for the first 1.2 s, until cox3d_xs has seen enough"


def test_min_frames_holds_labels_back_but_not_all_of_a_short_file(short, tiny_bundle, capsys):
    model = tiny_bundle("cox3d", "none")
    samples, video, _ = summary(capsys, short, "--model", model, "--min-frames", 2)
    assert [sample["time_sec"] for sample in samples] == pytest.approx([0.4, 0.8], abs=0.02)
    assert video["passes"] == 1
    samples, video, _ = summary(capsys, short, "--model", model, "--min-frames", 4)
    assert [sample["time_sec"] for sample in samples] == pytest.approx([0.8], abs=0.02)
    assert (video["passes"], video["whole"]["provisional"]) == (1, True)
    assert len(list(recognize_video(Recognizer.open(model), short, min_frames=4))) == 1
    assert main(["infer", str(short), "--model", str(model), "--min-frames", "0"]) == 2
    assert "min_frames is 0, expected a whole number, 1 to 4096" in capsys.readouterr().err


def test_tables_mark_provisional_labels_of_a_model_without_lookahead(short, tiny_bundle, tmp_path):
    model = str(tiny_bundle("cox3d", "none"))
    command = ["infer", str(short), "--model", model, "--min-frames", "1", "--output", str(tmp_path / "out")]
    assert main([*command, "--write", "csv,timeline"]) == 0
    assert {row["provisional"] for row in rows(tmp_path / "out" / "short.scores.csv")} == {"True"}
    assert {row["provisional"] for row in rows(tmp_path / "out" / "short.labels.csv")} == {"True"}
    assert float(rows(tmp_path / "out" / "short.labels.csv")[0]["start_sec"]) == 0.0


@pytest.mark.parametrize(("kind", "delay_sec"), [(("x3d",), 0.0), (("cox3d", "full"), 11.2), (("cox3d", "none"), 0.0)])
def test_the_summary_says_how_old_labels_are(short, tiny_bundle, capsys, kind, delay_sec):
    _, video, _ = summary(capsys, short, "--model", tiny_bundle(*kind))
    assert video["label_delay_sec"] == delay_sec


@pytest.mark.parametrize(
    ("count", "fps", "sampling"),
    [
        (1, 30.0, "stamps"),
        (4, 32.0, "stamps"),
        (7, 60.0, "stamps"),
        (1, 1.0, "stamps"),
        (2, 0.6, "stamps"),
        (4, 32.0, "every_frame"),
        (1, 1.0, "every_frame"),
    ],
)
@pytest.mark.parametrize("kind", [("x3d",), ("cox3d", "none")])
def test_a_file_of_a_few_frames_has_a_label(tmp_path, tiny_bundle, capsys, kind, count, fps, sampling):
    path = write_video(tmp_path / "few.mp4", render_clip(WAVING, count / fps, fps), fps)
    samples, video, _ = summary(capsys, path, "--model", tiny_bundle(*kind), "--sampling", sampling)
    assert video["duration_sec"] == pytest.approx(count / fps, abs=0.002)
    assert samples
    assert all(0 <= sample["time_sec"] < video["duration_sec"] for sample in samples)


@pytest.mark.parametrize("kind", [("x3d",), ("cox3d", "full"), ("cox3d", "none")])
def test_a_real_file_of_four_frames_has_a_label(shared, tiny_bundle, tmp_path, capsys, kind):
    path, model = shared / "videos" / "formats" / "unordered_stamps.mov", tiny_bundle(*kind)
    assert len(summary(capsys, path, "--model", model)[0]) == 1
    assert main(["infer", str(path), "--model", str(model), "--output", str(tmp_path)]) == 0
    assert len(list(read_video(tmp_path / "unordered_stamps.annotated.mp4"))) == 4


def test_frames_too_far_apart_for_any_label_are_said_with_what_to_do(tmp_path, tiny_bundle, capsys):
    path = write_video(tmp_path / "slides.mp4", render_clip(WAVING, 40.0, 0.1), 0.1)
    model = str(tiny_bundle("x3d"))
    assert main(["infer", str(path), "--model", model]) == 1
    message = capsys.readouterr().err
    assert "slides.mp4 yields no label: x3d_xs needs 30.0 s of video" in message
    assert "(gap of 10.00 s is over the limit of 2.00 s); raise max_gap_sec" in message
    assert summary(capsys, path, "--model", model, "--max-gap-sec", 11)[0]


def test_a_bad_file_among_many_is_reported_and_the_others_are_done(clip, tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 50)
    given = [str(text), "absent.mp4", str(clip), str(tmp_path / "*.avi")]
    assert main(["infer", *given, "--output", str(tmp_path / "out"), "--write", "csv", "--json"]) == 1
    written = capsys.readouterr()
    result = json.loads(written.out.splitlines()[-1])
    assert (result["ok"], len(result["videos"]), len(result["failed"])) == (False, 1, 3)
    for message in (
        "text.mp4 can't be opened",
        "no video file absent.mp4",
        "no file matches",
        "3 of 4 videos could not",
    ):
        assert message in written.err
    assert (tmp_path / "out" / "scene.labels.csv").exists()


def test_nothing_is_overwritten_unless_asked(clip, tmp_path, capsys):
    command = ["infer", str(clip), "--output", str(tmp_path), "--write", "csv"]
    assert main(command) == 0
    (tmp_path / "scene.labels.csv").write_text("mine")
    capsys.readouterr()
    assert main(command) == 2
    written = capsys.readouterr()
    assert "scene.labels.csv and 1 more are there already; give --overwrite" in written.err
    assert written.out == ""
    assert (tmp_path / "scene.labels.csv").read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert rows(tmp_path / "scene.labels.csv")


def test_folders_and_patterns_mean_their_videos_without_our_own(tmp_path):
    for name in ("b/2.mp4", "a/1.AVI", "a/1.annotated.mp4", "a/.hidden/3.mp4", "a/notes.txt", "c[1].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    relative = lambda paths: [str(path.relative_to(tmp_path)) for path in paths]  # noqa: E731
    assert relative(videos_of([str(tmp_path)])[0]) == ["a/1.AVI", "b/2.mp4", "c[1].mp4"]
    found, missing = videos_of([str(tmp_path / "*" / "*.mp4"), str(tmp_path / "b"), str(tmp_path / "c[1].mp4")])
    assert relative(found) == ["b/2.mp4", "c[1].mp4"]
    assert missing == []
    (tmp_path / "empty").mkdir()
    found, missing = videos_of([str(tmp_path / "empty"), str(tmp_path / "*.mkv")])
    assert (found, len(missing)) == ([], 2)


def test_names_never_collide():
    paths = [
        Path(name) for name in ("x/clip.mp4", "y/clip.avi", "y/clip.mp4", "y/Clip.mkv", "other.mp4", "z/x-clip.mp4")
    ]
    names = names_for(paths)
    assert len({name.casefold() for name in names}) == len(paths)
    assert names[4] == "other"
    same_parents = [Path("1/a/clip.mp4"), Path("2/a/clip.mp4"), Path("3/a/clip.mp4")]
    assert len(set(names_for(same_parents))) == 3
    assert names_for(paths) == names


def test_several_videos_are_told_apart_in_the_text(clip, tmp_path, capsys):
    other = write_video(tmp_path / "other.mp4", render_clip(ACTIONS[0], 2.0, FPS, seed=1), FPS)
    assert main(["infer", str(clip), str(other), "--quiet"]) == 0
    written = capsys.readouterr()
    lines = written.out.splitlines()
    assert lines[0] == str(clip)
    assert str(other) in lines
    assert len([line for line in lines if line.split()[0] == "whole"]) == 2
    assert written.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--write", "poem"], 2, "['poem'] can't be written"),
        (["--device", "cpu", "--providers", "cpu"], 2, "not allowed with"),
        (["--providers", "abacus"], 1, "no execution provider 'abacus'"),
        (["--top-k", "0"], 2, "top_k is 0"),
        (["--threshold", "2"], 2, "threshold is 2.0"),
        (["--output", "{clip}"], 2, "can't be made"),
    ],
)
def test_mistakes_are_one_line(clip, arguments, code, message, capsys):
    given = ["infer", str(clip), *(argument.format(clip=clip) for argument in arguments)]
    assert main(given) == code
    written = capsys.readouterr()
    assert message in written.err
    assert written.out == ""


def test_real_footage_is_labelled_as_what_it_shows(shared, real_bundle, tmp_path):
    video = shared / "videos" / "labelled" / "archery_ucf.avi"
    model = str(real_bundle("x3d", "xs"))
    assert main(["infer", str(video), "--model", model, "--output", str(tmp_path)]) == 0
    segments = rows(tmp_path / "archery_ucf.labels.csv")
    assert {row["label"] for row in segments} == {"archery"}
    assert probe(tmp_path / "archery_ucf.annotated.mp4").frames == probe(video).frames
