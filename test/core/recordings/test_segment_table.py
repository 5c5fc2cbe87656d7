"""The segments of one recording in a CSV that people and other programs write, too."""

from __future__ import annotations

import pytest

from opendr_har_core.errors import DataError, ResourceError
from opendr_har_core.recordings.annotations import read_annotations
from opendr_har_core.recordings.segment_table import COLUMNS, Marked, SegmentTable

WAVE, WALK = Marked(0.5, 2.0, "wave"), Marked(2.0, 4.25, "walk, then <b>stop</b>")


@pytest.fixture
def table(tmp_path):
    """Open the table of a recording: table(text of the CSV or None, recording) -> SegmentTable."""
    path = tmp_path / "labels" / "annotations.csv"
    path.parent.mkdir()

    def open_table(text=None, recording="videos/clip, one.mp4"):
        if text is not None:
            path.write_text(text)
        return SegmentTable(path, tmp_path / recording, 10.0)

    return open_table


def test_segments_are_written_at_once_and_read_again(table):
    first = table()
    first.write(first.revision, [WALK, WAVE])
    assert first.path.read_text() == (
        'path,start,end,label\n"../videos/clip, one.mp4",0.5,2.0,wave\n'
        '"../videos/clip, one.mp4",2.0,4.25,"walk, then <b>stop</b>"\n'
    )
    again = table()
    assert again.segments == first.segments == (WAVE, WALK)
    assert again.revision == first.revision
    again.write(again.revision, [])
    assert table().segments == ()
    assert [path.name for path in first.path.parent.iterdir()] == ["annotations.csv"]


def test_other_recordings_and_columns_are_kept(table, tmp_path):
    text = (
        f"note,label,path,start,end\nmine,wave,../videos/clip.mp4,,3\nhers,sit,../videos/other.mp4,1,2\n"
        f"late,walk,{tmp_path}/videos/clip.mp4,8.50,\n"
    )
    found = table(text, "videos/clip.mp4")
    assert found.segments == (Marked(0.0, 3.0, "wave"), Marked(8.5, 10.0, "walk"))
    found.write(found.revision, [*found.segments, Marked(4.0, 5.0, "sit")])
    assert found.path.read_text().splitlines()[1:] == [
        "hers,sit,../videos/other.mp4,1,2",
        "mine,wave,../videos/clip.mp4,,3",
        ",sit,../videos/clip.mp4,4.0,5.0",
        f"late,walk,{tmp_path}/videos/clip.mp4,8.50,",
    ]
    assert len(read_annotations(found.path, COLUMNS)) == 4


def test_the_encoding_and_a_link_to_the_file_are_kept(table, tmp_path):
    row = '"../videos/Küche, ""eins"".mp4",1,2,wave\r\n'
    found = table(f"\ufeffpath,start,end,label\r\n{row}", 'videos/Küche, "eins".mp4')
    elsewhere = found.path.rename(tmp_path / "elsewhere.csv")
    found.path.symlink_to(elsewhere)
    found.read()
    found.write(found.revision, [*found.segments, WALK])
    assert found.path.is_symlink()
    assert elsewhere.read_bytes().startswith(b"\xef\xbb\xbfpath,")
    found.read()
    assert found.segments == (Marked(1.0, 2.0, "wave"), WALK)


def test_an_old_revision_and_a_changed_file_are_refused(table):
    found = table("path,start,end,label\n../videos/clip.mp4,1,2,wave\n", "videos/clip.mp4")
    old = found.revision
    found.write(old, [WAVE])
    with pytest.raises(DataError, match="another page"):
        found.write(old, [])
    changed = found.path.read_text() + "../videos/other.mp4,1,2,sit\n"
    found.path.write_text(changed)
    with pytest.raises(DataError, match="somebody else has changed"):
        found.write(found.revision, [])
    assert found.path.read_text() == changed
    found.read()
    found.write(found.revision, [])
    assert found.path.read_text() == "path,start,end,label\n../videos/other.mp4,1,2,sit\n"
    found.path.unlink()
    with pytest.raises(DataError, match="somebody else"):
        found.write(found.revision, [WAVE])


@pytest.mark.parametrize(
    "segments",
    [
        [WAVE, Marked(1.9, 3.0, "walk")],
        [Marked(1.0, 1.0, "wave")],
        [Marked(3.0, 2.0, "wave")],
        [Marked(-1.0, 2.0, "wave")],
        [Marked(9.0, 10.5, "wave")],
        [Marked(float("nan"), 2.0, "wave")],
        [Marked(1.0, float("inf"), "wave")],
        [Marked(1.0, 2.0, " ")],
        [Marked(1.0, 2.0, "two\nlines")],
        [Marked(1.0, 2.0, "\ud800")],
        [Marked(1.0, 2.0, "x" * 200_000)],
    ],
)
def test_malformed_segments_are_refused(table, segments):
    found = table()
    with pytest.raises(DataError):
        found.write(found.revision, segments)
    assert not found.path.exists()
    assert found.segments == ()


@pytest.mark.parametrize(
    ("rows", "segments"),
    [
        ("1,2,a\n1.95,3,b\n", ((1.0, 1.95, "a"), (1.95, 3.0, "b"))),
        ("0.5,1.1,a\n1.0,3,b\n", ((0.5, 1.0, "a"), (1.0, 3.0, "b"))),
        ("1,99,a\n", ((1.0, 10.0, "a"),)),
    ],
)
def test_small_overlaps_and_late_ends_are_cut(table, rows, segments):
    text = "path,start,end,label\n" + "".join(f"../c.mp4,{row}\n" for row in rows.split())
    assert table(text, "c.mp4").segments == segments


@pytest.mark.parametrize("text", ["start,end,label\n1,2,a\n", "path,start,end,label\n../c.mp4,1,3,a\n../c.mp4,2,4,b\n"])
def test_a_table_that_cannot_be_continued_is_an_error(table, text):
    with pytest.raises(DataError, match=r"annotations.csv"):
        table(text, "c.mp4")
    with pytest.raises(DataError, match="beyond the end"):
        table("path,start,end,label\n../c.mp4,10.0,11,a\n", "c.mp4")


def test_a_full_disk_changes_nothing(table, monkeypatch):
    found = table()
    found.write(found.revision, [WAVE])
    before = found.path.read_text(), found.revision

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match="No space left"):
        found.write(found.revision, [WALK])
    assert (found.path.read_text(), found.revision, found.segments) == (*before, (WAVE,))
    assert len(list(found.path.parent.iterdir())) == 1
    monkeypatch.undo()
    found.write(found.revision, [WALK])
    assert table().segments == (WALK,)
