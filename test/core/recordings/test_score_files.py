"""Files of labels and truth, good and hostile, and `opendr-har score`."""

from __future__ import annotations

import json
import math

import pytest

from opendr_har_core.cli.main import main
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.recordings.score_files import read_labels, read_truth

LABELS = "start_sec,end_sec,label,class_id,score,provisional\n"
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///v/clip.mp4"
 MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./clip.mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2250"/>
<TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="action"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
 TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>walking</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
</ANNOTATION></TIER>%s<TIER LINGUISTIC_TYPE_REF="notes" TIER_ID="notes" PARENT_REF="action"/></ANNOTATION_DOCUMENT>
"""
SECOND_TIER = EAF[EAF.index("<TIER ") : EAF.index("%s")].replace('TIER_ID="action"', 'TIER_ID="hands"')


def studio(*results, video="/data/upload/1/0a1b2c3d-clip.mp4"):
    return json.dumps([{"id": 7, "data": {"video": video}, "annotations": [{"result": list(results)}]}])


def region(start, end, label):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"type": "timelinelabels", "value": value}


def labels_json(**changes):
    segment = {"start_sec": 0.0, "end_sec": 1.0, "label": "walking", "class_id": 0, "score": 0.9, "provisional": False}
    values = {"video": "in/clip.mp4", "duration_sec": 4.0, "segments": [segment], "samples": []}
    return json.dumps({**values, **changes})


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def parts(found):
    return [(row.recording, row.track, row.start_sec, row.end_sec, row.label) for row in found.rows]


def test_labels_are_read_from_folders_once_for_each_video(tmp_path):
    written(tmp_path / "clip.labels.json", labels_json())
    written(tmp_path / "clip.labels.csv", LABELS + "0,9,never read,0,0.5,False\n")
    written(tmp_path / "sub" / "two.v2.labels.csv", LABELS + "1,2,waving,0,0.5,False\n")
    found = read_labels([tmp_path, tmp_path / "clip.labels.json"])
    assert sorted(parts(found)) == [("in/clip", "", 0.0, 1.0, "walking"), ("two.v2", "", 1.0, 2.0, "waving")]
    assert found.durations == {"in/clip": 4.0, "two.v2": None}


def test_boxes_of_people_are_read_with_their_labels(tmp_path):
    box = {"left": 1.0, "top": 2, "right": 3, "bottom": 4}
    samples = [{"track_id": "3", "box": box, "time_sec": time, "top": []} for time in (0.5, 0.0)]
    segment = {"track_id": "3", "start_sec": 0, "end_sec": 1, "label": "x", "score": 1}
    found = read_labels([written(tmp_path / "a.labels.json", labels_json(segments=[segment], samples=samples))])
    assert parts(found) == [("in/clip", "3", 0.0, 1.0, "x")]
    assert found.boxes["in/clip", "3"].tolist() == [[0.0, 1, 2, 3, 4], [0.5, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        ("t.csv", "path,start,end,label\nv/clip.mp4,,2,walking\n", {}, [("v/clip", "", 0.0, 2.0, "walking")]),
        ("t.csv", "path,start,end,label\n../v/a.b.mp4,1,2,x\n", {}, [("v/a.b", "", 1.0, 2.0, "x")]),
        (
            "t.csv",
            "\ufeffpath,start,end,label\r\nC:\\v\\\u00e9.mp4,1,2,x\r\n",
            {},
            [("C:/v/\u00e9", "", 1.0, 2.0, "x")],
        ),
        (
            "t.csv",
            "path,start,end,label\nv/e\u0301.mp4,1,2,x\nrun.2,1,2,x\n",
            {},
            [("v/\u00e9", "", 1.0, 2.0, "x"), ("run.2", "", 1.0, 2.0, "x")],
        ),
        ("t.csv", "start,end,label\n1,,walking\n", {}, [("", "", 1.0, math.inf, "walking")]),
        ("t.eaf", EAF % "", {}, [("clip", "", 0.5, 2.25, "walking")]),
        ("t.eaf", EAF % SECOND_TIER, {"tier": "hands"}, [("clip", "", 0.5, 2.25, "walking")]),
        ("t.json", studio(region(1, 50, "walking")), {"fps": 25.0}, [("clip", "", 0.0, 2.0, "walking")]),
        (
            "t.json",
            studio(region(1, 50, "x"), video="/data/local-files/?d=a%5Cmy%20clip.mp4"),
            {"fps": 25.0},
            [("my clip", "", 0.0, 2.0, "x")],
        ),
        (
            "scene.csv",
            "frame,time_sec,id,action,left,top,right,bottom,visible\n"
            + "".join(f"0,{time},7,{action},0,0,9,9,1\n" for time, action in zip((0, 1, 2, 3, 7), "aabbb")),
            {},
            [("scene", "7", 0.0, 2.0, "a"), ("scene", "7", 2.0, 4.0, "b"), ("scene", "7", 7.0, 8.0, "b")],
        ),
    ],
)
def test_truth_is_read_in_each_format(tmp_path, name, text, options, expected):
    assert parts(read_truth([written(tmp_path / name, text)], **options)) == expected


BOMB = EAF.replace("<ANNOTATION_DOC", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<ANNOTATION_DOC', 1)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "", r"columns \[\], but needs"),
        ("t.csv", "path,start,end,label\n", "no annotation in"),
        ("t.csv", "path,start,end,label\na,nan,2,x\n", "line 2: start is 'nan'"),
        ("t.csv", "path,start,end,label\na,2,1,x\n", "line 2: ends at 1.0 s"),
        ("t.csv", "time_sec,id,action\n0,1,x\n", "a table of boxes has"),
        ("t.csv", "time_sec,id,action,left,top,right,bottom\n0,1,x,0,0,inf,1\n", "line 2: .* no box"),
        ("t.eaf", "<a", "no.* file of ELAN"),
        ("t.eaf", BOMB % "", "document type declaration"),
        ("t.eaf", EAF % SECOND_TIER, r"several tiers, \['action', 'hands'\]; name one with --tier"),
        ("t.eaf", (EAF % "").replace('"ts2">', '"ts3">'), "annotation a1 has no time of its own"),
        ("t.eaf", (EAF % "").replace('"2250"', '"x"'), "not a file of ELAN"),
        ("t.json", "[1]", "not a JSON export"),
        ("t.json", "{", "is not JSON"),
        ("t.json", "[" * 100_000, "is not JSON"),
        ("t.json", studio(region(5, 2, "x")), "task 7: 'x' from"),
        ("t.json", studio(region(1, 10**400, "x")), "not a JSON export"),
        ("none.csv", None, "can't read"),
    ],
)
def test_malformed_truth_is_an_error_that_says_where(tmp_path, name, text, expected):
    path = tmp_path / name if text is None else written(tmp_path / name, text)
    with pytest.raises(DataError, match=expected):
        read_truth([path], fps=25.0)


def test_frame_numbers_need_a_rate(tmp_path):
    with pytest.raises(ConfigError, match="--truth-fps"):
        read_truth([written(tmp_path / "t.json", studio(region(1, 2, "x")))])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.labels.csv", "", r"columns \[\], but a file of labels"),
        ("a.labels.csv", LABELS + "0,nan,x,0,1,False\n", "line 2: end_sec is 'nan'"),
        ("a.labels.csv", LABELS + "2,1,x,0,1,False\n", "line 2: 'x' from 2.0 to 1.0 s"),
        ("a.labels.csv", LABELS + "0,1,x,0,7,False\n", "with score 7.0"),
        ("a.labels.json", labels_json(duration_sec=math.nan), "not a file of labels"),
        ("a.labels.json", labels_json(segments=None), "not a file of labels"),
        ("a.labels.json", labels_json(video=3), "not a file of labels"),
        ("a.labels.json", '{"a": 1', "is not JSON"),
    ],
)
def test_malformed_labels_are_an_error_that_says_where(tmp_path, name, text, expected):
    with pytest.raises(DataError, match=expected):
        read_labels([written(tmp_path / name, text)])


def test_a_folder_without_labels_and_labels_given_twice_are_errors(tmp_path):
    with pytest.raises(DataError, match="has no"):
        read_labels([tmp_path])
    written(tmp_path / "a.labels.json", labels_json())
    written(tmp_path / "b.labels.json", labels_json())
    with pytest.raises(DataError, match="another file"):
        read_labels([tmp_path])


def test_the_command_prints_a_table_or_json_and_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        written(tmp_path / f"{name}.labels.json", labels_json(video=f"{name}.mp4"))
    written(tmp_path / "three.labels.csv", LABELS)
    truth = written(tmp_path / "t.csv", "path,start,end,label\none.mp4,0,1,Walking\ntwo.mp4,0.5,1.5,waving_hand\n")
    assert main(["score", str(tmp_path), "--truth", str(truth), "--plots", str(tmp_path / "charts")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("recordings: 2, 0.00222 h; events: 2\n")
    assert [line.split()[0] for line in out.splitlines()[4:9]] == ["all", "95%", "95%", "walking", "waving_hand"]
    assert "1 of 3 recordings with labels have no truth" in err
    assert "no label is 'waving_hand'" in err
    names = ["01.two.truth.png", "02.one.truth.png", "delays.png", "threshold.png"]
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == names
    assert main(["score", str(tmp_path), "--truth", str(truth), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["overall"]["f1_50"], found["overall"]["missed"], found["without_truth"]) == (50.0, 1, 1)
    assert found["classes"]["waving_hand"]["delay_median_sec"] is None


@pytest.mark.parametrize("options", [[], ["--no-activity-label", "nothing"]])
@pytest.mark.parametrize("with_classes", [False, True])
def test_no_activity_is_background_in_truth_and_labels_whatever_it_is_called(tmp_path, capsys, options, with_classes):
    lines = "0,1,walking,0,1,False\n1,2,Nothing,1,1,False\n" if options else "0,1,walking,0,1,False\n"
    labels = written(tmp_path / "one.labels.csv", f"{LABELS}{lines}2,4,No_Activity,2,1,False\n")
    truth = written(tmp_path / "t.csv", "path,start,end,label\none,0,1,walking\none,1,4,no activity\n")
    if with_classes:
        classes = written(tmp_path / "classes.csv", "id,name\n0,walking\n")
        options = [*options, "--labels", str(classes)]
    assert main(["score", str(labels), "--truth", str(truth), "--json", "--quiet", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["classes"]) == ["walking"]
    assert [found["overall"][key] for key in ("events", "false_alarms", "f1_50", "accuracy")] == [1, 0, 100.0, 100.0]


def test_labels_may_be_numbers_of_the_list_of_classes(tmp_path, capsys):
    labels = written(tmp_path / "one.labels.csv", LABELS + "0,1,1,1,1,False\n")
    truth = written(tmp_path / "t.csv", "path,start,end,label\none,0,1,waving\n")
    classes = written(tmp_path / "classes.csv", "id,name\n0,walking\n1,waving\n")
    assert main(["score", str(labels), "--truth", str(truth), "--labels", str(classes), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["overall"]["f1_50"] == 100.0


def test_with_a_list_of_classes_a_misspelled_label_is_an_error(tmp_path, capsys):
    labels = written(tmp_path / "one.labels.json", labels_json(video="one.mp4"))
    truth = written(tmp_path / "t.csv", "path,start,end,label\none.mp4,0,1,wakling\n")
    classes = written(tmp_path / "classes.csv", "id,name\n0,walking\n")
    assert main(["score", str(labels), "--truth", str(truth), "--labels", str(classes)]) == 1
    assert "line 2: 'wakling' is not one of the 1 classes, the nearest are ['walking']" in capsys.readouterr().err
