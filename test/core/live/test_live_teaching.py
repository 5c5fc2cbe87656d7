"""Teaching from the live page: its messages, refusals and errors."""

from __future__ import annotations

import asyncio
import json

import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import PICTURE, PatientPupil, first, talk

from opendr_har_core.errors import HarError
from opendr_har_core.live import teaching as live_teaching
from opendr_har_core.live.state import LessonInfo, LiveState
from opendr_har_core.live.teaching import Command, TeachingControl

TEACH = {"do": "teach", "label": "wave", "seconds": 3, "track_id": ""}


@pytest.fixture(autouse=True)
def no_countdown(monkeypatch):
    monkeypatch.setattr(live_teaching, "COUNTDOWN", 0)


async def send(socket, **command):
    await socket.send_str(json.dumps(command))


async def heard(socket, kind, is_it=lambda _: True):
    """The next message of a kind for which `is_it` holds."""
    while True:
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        value = json.loads(message.data) if message.type == aiohttp.WSMsgType.TEXT else {}
        if value.get("kind") == kind and is_it(value):
            return value


def has_ended(value):
    return value["phase"] == "idle"


def test_a_lesson_is_recorded_listed_and_removed(serve_page):
    pupil = PatientPupil(warnings=["'wave' and 'stop' are hard to tell apart"])
    _, port = serve_page(pupil)

    async def work(socket):
        await send(socket, **{**TEACH, "label": "  wave \t twice ", "track_id": "7"})
        recording = await heard(socket, "teaching", lambda value: value["text"])
        assert (recording["phase"], recording["left_sec"], recording["text"]) == ("recording", 1.5, "too dark")
        pupil.learn.set()
        assert (await heard(socket, "lessons"))["taught"]["lessons"] == [["wave twice", "1"]]
        end = await heard(socket, "teaching", has_ended)
        assert end["text"] == "'wave twice' has 1 lessons, of person '7'"
        assert (end["warnings"], end["is_failed"]) == (list(pupil.warnings), False)
        for label in ("stop", "wave twice", "stop"):
            pupil.add(label)
        for command, can_undo, left in (
            ({"do": "forget", "label": "wave twice", "id": "3"}, True, ["1", "2", "4"]),
            ({"do": "forget", "label": "stop", "id": ""}, True, ["1"]),
            ({"do": "undo"}, False, []),
        ):
            await send(socket, **command)
            taught = (await heard(socket, "lessons"))["taught"]
            assert ([id for _, id in taught["lessons"]], taught["can_undo"]) == (left, can_undo)
            assert "Removed" in (await heard(socket, "teaching", has_ended))["text"]
        pupil.add("wave")  # not from this page
        for command in ({"do": "undo"}, {"do": "forget", "label": "stop", "id": "2"}):
            await send(socket, **command)
            assert (await heard(socket, "teaching", has_ended))["is_failed"]

    talk(port, work)
    hello = json.loads(talk(port, first).data)
    assert hello["taught"] == {"can_undo": False, "lessons": [["wave", "5"]]}


def test_one_lesson_at_a_time_which_any_viewer_sees_and_can_cancel(serve_page):
    pupil = PatientPupil()
    _, port = serve_page(pupil)

    async def both(one):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as other:
            await send(one, **TEACH)
            assert (await heard(other, "teaching"))["label"] == "wave"
            await send(other, **{**TEACH, "label": "stop"})
            assert "under way" in (await heard(other, "refused"))["text"]
            await send(other, do="cancel")
            end = await heard(one, "teaching", has_ended)
            assert (end["is_failed"], end["text"]) == (True, "cancelled; nothing is kept of the lesson")

    talk(port, both)
    assert pupil.lessons() == []


@pytest.mark.parametrize("failure", [HarError("the disk is full"), RuntimeError("a bug")])
def test_an_error_is_told_and_the_next_lesson_works(serve_page, failure):
    pupil = PatientPupil()
    pupil.learn.set()
    pupil.add = lambda label: (_ for _ in ()).throw(failure)
    _, port = serve_page(pupil)

    async def work(socket):
        await send(socket, **TEACH)
        end = await heard(socket, "teaching", has_ended)
        assert end["is_failed"] and str(failure) in end["text"]
        del pupil.add
        await send(socket, **TEACH)
        assert not (await heard(socket, "teaching", has_ended))["is_failed"]

    talk(port, work)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "pictures",
        "[" * 500,
        "null",
        "[]",
        "{}",
        '{"do": []}',
        '{"do": "format"}',
        '{"do": "cancel", "all": true}',
        '{"do": "forget"}',
        '{"do": "forget", "label": "wave", "id": 3}',
        '{"do": "undo", "id": "3"}',
        *(
            json.dumps({**TEACH, **change})
            for change in (
                {"label": ""},
                {"label": " \n "},
                {"label": "x" * 61},
                {"label": "a\0b"},
                {"label": "\ud800"},
                {"label": None},
                {"label": ["wave"]},
                {"seconds": "3"},
                {"seconds": True},
                {"seconds": -1},
                {"seconds": 0.5},
                {"seconds": 10**300},
                {"seconds": float("nan")},
                {"seconds": float("inf")},
                {"track_id": 7},
                {"more": 1},
            )
        ),
    ],
)
def test_a_message_that_is_not_a_command_is_refused(message):
    with pytest.raises(HarError, match=r"\w"):
        Command.parse(message)
    assert TeachingControl(PatientPupil(), LiveState("a source")).take(message)


def test_any_readable_text_is_a_label():
    for label in ("<b>wave</b>", "挥手", "👩🏽‍🚀 wave", 'o\'clock "wave" \\', "x" * 60):
        assert Command.parse(json.dumps({**TEACH, "label": label})).label == label


def test_thumbnails_need_the_cookie_and_a_lesson(serve_page):
    pupil = PatientPupil()
    pupil.add("wave")
    token = "correct-horse-battery"
    _, port = serve_page(pupil, token=token)
    _, without = serve_page()

    async def fetch():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

            async def status_of(id, port=port):
                lesson = {"label": "wave", "id": id}
                async with session.get(f"http://127.0.0.1:{port}/thumbnail", params=lesson) as answer:
                    return answer.status, await answer.read(), answer.content_type

            assert (await status_of("1"))[0] == 403
            await session.post(f"http://127.0.0.1:{port}/token", data=token)
            assert await status_of("1") == (200, PICTURE, "image/jpeg")
            assert [(await status_of(id))[0] for id in ("2", "", "../../etc/passwd", "x" * 2000)] == [404] * 4
            assert (await status_of("1", without))[0] == 404

    asyncio.run(fetch())


def test_a_page_without_teaching_ignores_commands(serve_page):
    state, port = serve_page()

    async def work(socket):
        hello = json.loads((await socket.receive()).data)
        await send(socket, **TEACH)
        state.set_lessons([LessonInfo("wave", "1")])  # an answer would come before this
        while True:
            message = json.loads((await socket.receive()).data)
            assert message["kind"] in ("lessons", "status")
            if message["kind"] == "lessons":
                return hello

    assert talk(port, work)["taught"] is None
