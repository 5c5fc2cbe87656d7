"""Teaching a node while it runs: the action ~/teach, the services ~/forget and ~/lessons."""

from __future__ import annotations

import math
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import ConfigError, DataError, HarError
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.teaching.lessons import Lesson, Lessons
from opendr_har_core.teaching.teacher import LONGEST_SEC, NO_IMAGES, Teacher
from opendr_har_ros.common import har_messages
from opendr_har_ros.common.har_messages import Forget, Teach, time_message
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.model_change import Turn
from opendr_har_ros.common.parameters import local_path
from opendr_har_ros.common.pipeline import CameraPipelines, Outcome

TICK_SEC = 0.1
# A lesson without images that are newer than all before ends after this time.
SILENT_SEC = 5.0
END_SEC = 10.0
RECORDING, LEARNING = "recording", "learning"


@dataclass
class _Taught:
    """What a change of the lessons leads to: the head of a teacher's recognizer, and what may go wrong."""

    teacher: Teacher
    head: Optional[Head]
    warnings: List[str]
    message: str
    id: str = ""
    examples: int = 0


@dataclass
class _LessonGoal:
    """The goal whose lesson is recorded or learned."""

    goal: Any
    teacher: Teacher
    camera: str
    seconds: float
    person: str  # whom the latest image was recorded of; "" for nobody yet, or for the whole image
    heard: float  # when the newest image came, on the monotonic clock
    began_ns: Optional[int] = None
    elapsed_sec: float = 0.0
    people: int = -1
    learning: Optional[Future] = None


class NodeTeaching:
    """Teaches a `LabelNode`, if its parameter `lessons` names a folder and opendr_har_msgs is installed.

    A goal stays accepted while its lesson is recorded and learned, and is executed when it ends. Files are written and
    heads fitted in a thread of its own, one job at a time. `attach` and `push` may be called from any thread, the other
    methods from the executor's.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._lesson: Optional[_LessonGoal] = None
        self._timer: Any = None
        self._warnings: List[str] = []
        self._ending = 0
        self._folder = ""
        self._jobs: Optional[ThreadPoolExecutor] = None

    def serve(self, folder: str) -> None:
        """Serve action and services for the lessons in a folder; "" serves nothing."""
        if not folder or Teach is None:
            return
        node = self._node
        self._folder, self._jobs = folder, ThreadPoolExecutor(1, "teaching")
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(Forget, "~/forget", self._on_forget, callback_group=group)
        node.create_service(har_messages.Lessons, "~/lessons", self._on_lessons, callback_group=group)
        self._server = ActionServer(
            node,
            Teach,
            "~/teach",
            execute_callback=lambda goal: Teach.Result(),
            handle_accepted_callback=self._on_goal,
            cancel_callback=self._on_cancel,
        )

    @property
    def is_recording(self) -> bool:
        """Whether a lesson needs images."""
        lesson = self._lesson
        return lesson is not None and lesson.learning is None

    def attach(self, pipeline: CameraPipelines, settings: Any) -> None:
        """Let a new pipeline know what the lessons have taught; those of other models are computed from their clips."""
        if self._jobs is None:
            return

        def attach() -> None:
            folder = Lessons(local_path(self._folder))
            wishes = settings.node.lesson_clips, settings.node.keep_base
            pipeline.teacher = Teacher(pipeline.recognizer, folder, *wishes)
            examples = pipeline.teacher.examples()
            for problem in examples.problems:
                self._node.get_logger().error(sanitize_utf8(f"a lesson is not used: {problem}"))
            pipeline.change_head(pipeline.teacher.head(examples))

        try:  # after what is being learned, so that it is not missing
            self._submit(attach).result()
        except HarError as error:
            pipeline.not_taught = sanitize_utf8(str(error))
            self._node.get_logger().error(f"lessons are not used: {pipeline.not_taught}")

    def push(self, camera: str, outcome: Outcome) -> None:
        """Record an image."""
        lesson = self._lesson
        if lesson is None or lesson.learning is not None or lesson.camera != camera or outcome.frame is None:
            return
        stamp_ns = outcome.frame.stamp_ns
        if lesson.began_ns is None:
            lesson.began_ns = stamp_ns
        elapsed_sec = (stamp_ns - lesson.began_ns) / NANOSECONDS
        if elapsed_sec > lesson.elapsed_sec:  # not while a bag that was shorter is played again
            lesson.elapsed_sec, lesson.heard = elapsed_sec, time.monotonic()
        lesson.people = outcome.people_in_view
        shown = outcome.showing(lesson.person)
        if shown is None and not lesson.goal.request.track_id:
            shown = outcome.showing("")
        if shown is not None:
            lesson.person, prediction, frame = shown
            lesson.teacher.push(prediction, frame)

    def interrupt(self, reason: str) -> None:
        """Abort the goal whose lesson is being recorded."""
        lesson = self._lesson
        if lesson is not None and lesson.learning is None:
            lesson.teacher.cancel()
            self._end(lesson, "abort", sanitize_utf8(reason))

    def close(self) -> bool:
        """End the goal, after what is being learned; returns whether the client is answered, which takes turns."""
        self.interrupt("the node is not active")
        lesson = self._lesson
        if lesson is not None and lesson.learning is not None:
            wait([lesson.learning], END_SEC)
            self._tick()
        return self._lesson is None and not self._ending

    def shut_down(self) -> None:
        """Give the thread time to end."""
        if self._jobs is not None:
            self._jobs.shutdown()

    def _on_goal(self, goal: Any) -> None:
        """Accepted goals that can't be done are aborted, since a rejection carries no reason."""
        request = goal.request
        lesson = None
        try:
            teacher = self._teacher()
            self._check(request)
            teacher.start(request.label)
            camera = request.camera or next(iter(self._node.cameras))
            seconds = request.seconds or LONGEST_SEC
            lesson = _LessonGoal(goal, teacher, camera, seconds, request.track_id, time.monotonic())
        except HarError as error:
            self._settle(goal, "abort", Teach.Result(message=sanitize_utf8(str(error))))
            return
        self._lesson = lesson
        self._timer = steady_timer(self._node, TICK_SEC, self._tick)

    def _teacher(self) -> Teacher:
        """The teacher of the model that runs; raises HarError while nothing can be taught."""
        self._node.models.swap_late()  # or a lesson would begin with one model and end with another
        pipeline: Optional[CameraPipelines] = self._node.pipeline
        if pipeline is None or not self._node.is_active:
            raise DataError("the node is not active")
        if pipeline.teacher is None:
            raise DataError(pipeline.not_taught)
        if self._node.models.loading:
            raise DataError("another model is loading: try again when it runs")
        return pipeline.teacher

    def _check(self, request: Any) -> None:
        """Raise ConfigError for a goal that can't be done."""
        if self._lesson is not None:
            raise ConfigError("another lesson is under way; wait for its end or cancel it")
        if not 0 <= request.seconds <= LONGEST_SEC or math.isnan(request.seconds):
            raise ConfigError(f"seconds is {request.seconds}, expected 0 to {LONGEST_SEC:g}")
        names = list(self._node.cameras)
        if request.camera not in names and (request.camera or len(names) > 1):
            raise ConfigError(f"camera is {request.camera!r}, expected one of {names}")
        if request.track_id and not self._node.pipeline.labels_people:
            raise ConfigError("this node labels the whole image: leave track_id empty, or teach the node `people`")

    def _tick(self) -> None:
        lesson = self._lesson
        if lesson is None:
            return
        silent = time.monotonic() - lesson.heard > SILENT_SEC
        if lesson.learning is None and (silent or lesson.elapsed_sec >= lesson.seconds):
            self._learn(lesson)
        if lesson.learning is not None and lesson.learning.done():
            self._end_learning(lesson, lesson.learning)
            return
        state = RECORDING if lesson.learning is None else LEARNING
        feedback = Teach.Feedback(state=state, seconds=lesson.elapsed_sec, people=lesson.people)
        if state == RECORDING:
            feedback.quality = lesson.teacher.quality or self._absence(lesson)
        lesson.goal.publish_feedback(feedback)

    def _absence(self, lesson: _LessonGoal) -> str:
        """Why no image has been recorded, or ""."""
        if lesson.teacher.seconds > 0 or lesson.people < 0:
            return ""
        wanted = lesson.goal.request.track_id
        return f"person {wanted} is not in view" if wanted else "nobody is in view"

    def _learn(self, lesson: _LessonGoal) -> None:
        teacher, label = lesson.teacher, lesson.goal.request.label
        absence = self._absence(lesson)
        nothing = f"{absence}: step in front of the camera and show it again" if absence else NO_IMAGES

        def learn() -> _Taught:
            result = teacher.finish(nothing)
            taught = _taught(teacher, label)
            count = taught.examples
            more = f"; show it {3 - count} more time{'s' * (count == 1)}" if count < 3 else ""
            taught.message = f"learned {label!r} from {count} example{'s' * (count > 1)}{more}"
            taught.id = result.id
            taught.warnings = [*result.warnings, *taught.warnings]
            return taught

        lesson.learning = self._submit(learn)

    def _end_learning(self, lesson: _LessonGoal, learning: Future) -> None:
        error = learning.exception()
        if error is not None:
            if not isinstance(error, HarError):
                text = "".join(traceback.format_exception(None, error, error.__traceback__))
                self._node.get_logger().error(sanitize_utf8(text))
            self._end(lesson, "abort", sanitize_utf8(str(error)))
            return
        taught = learning.result()
        self._use(taught)
        self._end(lesson, "canceled" if lesson.goal.is_cancel_requested else "succeed", "", taught)

    def _use(self, taught: _Taught) -> None:
        """Swap to the head between two frames; another model that was loaded meanwhile knows the lessons already."""
        self._warnings = [sanitize_utf8(warning) for warning in taught.warnings]
        pipeline = self._node.pipeline
        if pipeline is not None and pipeline.teacher is taught.teacher:
            self._node.change_head(taught.head)

    def _on_cancel(self, goal: Any) -> CancelResponse:
        """A lesson without a length ends and is kept, another one is dropped; what is being learned goes on."""
        lesson = self._lesson
        if lesson is None or lesson.learning is not None or goal.goal_id != lesson.goal.goal_id:
            return CancelResponse.REJECT
        if goal.request.seconds == 0:
            self._learn(lesson)
        else:
            lesson.teacher.cancel()
            self._end(lesson, "canceled", "canceled; nothing is kept of the lesson")
        return CancelResponse.ACCEPT

    def _end(self, lesson: _LessonGoal, how: str, message: str, taught: Optional[_Taught] = None) -> None:
        self._lesson = None
        self._node.destroy_timer(self._timer)
        result = Teach.Result(success=taught is not None, message=message)
        if taught is not None:
            result.message, result.id, result.examples = sanitize_utf8(taught.message), taught.id, taught.examples
            result.warnings = self._warnings
        self._settle(lesson.goal, how, result)

    def _settle(self, goal: Any, how: str, result: Any) -> None:
        """Answer the client in the executor's next turn."""
        self._ending += 1
        self._node.get_logger().info(sanitize_utf8(f"lesson of {goal.request.label!r}: {result.message}"))

        def settle(goal: Any) -> Any:
            getattr(goal, how)()
            self._ending -= 1
            return result

        goal.execute(settle)

    async def _on_forget(self, request: Any, response: Any) -> Any:
        """Remove lessons and use the head of the others."""

        def forget() -> _Taught:
            count = teacher.lessons.remove(request.label, request.id)
            taught = _taught(teacher)
            taught.message = f"removed {count} example{'s' * (count > 1)} of {request.label!r}"
            return taught

        try:
            teacher = self._teacher()
            if self._lesson is not None:
                raise ConfigError("a lesson is under way; wait for its end or cancel it")
            taught = await self._done(forget)
            self._use(taught)
            response.success, response.message = True, sanitize_utf8(taught.message)
        except HarError as error:
            response.message = sanitize_utf8(str(error))
        return response

    async def _on_lessons(self, request: Any, response: Any) -> Any:
        """List the lessons, the oldest first."""

        def read() -> List[Tuple[Lesson, Any]]:
            found = []
            for lesson in sorted(teacher.lessons.list(), key=lambda lesson: lesson.id):
                try:
                    found.append((lesson, lesson.read() if lesson.files else None))
                except DataError:  # damaged: can still be removed
                    found.append((lesson, None))
            return found

        try:
            teacher = self._teacher()
            for lesson, example in await self._done(read):
                message = har_messages.Lesson(label=sanitize_utf8(lesson.label), id=sanitize_utf8(lesson.id))
                message.used = teacher.recognizer.base in lesson.files
                if example is not None:
                    message.stamp, message.seconds = time_message(example.stamp_ns), example.seconds
                    message.thumbnail = example.thumbnail if request.thumbnails else b""
                response.lessons.append(message)
            response.success, response.warnings = True, self._warnings
        except HarError as error:
            response.message = sanitize_utf8(str(error))
        return response

    def _submit(self, job: Callable[[], Any]) -> Future:
        if self._jobs is None:
            raise ConfigError("teaching is off: name a folder in the parameter lessons")
        return self._jobs.submit(job)

    async def _done(self, job: Callable[[], Any]) -> Any:
        """What a job returns or raises; other callbacks run meanwhile."""
        future = self._submit(job)
        while not future.done():
            await Turn()
        return future.result()


def _taught(teacher: Teacher, label: str = "") -> _Taught:
    examples = teacher.examples()
    head = teacher.head(examples)
    return _Taught(teacher, head, teacher.warnings(examples, head, label), "", examples=examples.counts.get(label, 0))
