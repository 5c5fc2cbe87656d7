"""Another model while a node runs: the parameter `model`, and the service ~/set_model."""

from __future__ import annotations

from typing import Any, Generator, Mapping, Optional

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.parameter import Parameter

from opendr_har_ros.common.har_messages import SetModel
from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.model_loader import ModelLoader
from opendr_har_ros.common.pipeline import CameraPipelines

# A model that loads within this time is swapped before the call that sets the parameter returns.
PATIENCE_SEC = 1.0


class ModelChange:
    """Loads other models of a `LabelNode` beside the one that runs; call it from the node's thread."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._loader = ModelLoader(PATIENCE_SEC)
        self._wanted = ""
        self._restoring = False
        self._error = ""
        if SetModel is not None:  # in a callback group of its own, so that images are received while it waits
            group = MutuallyExclusiveCallbackGroup()
            node.create_service(SetModel, "~/set_model", self._on_set_model, callback_group=group)

    @property
    def loading(self) -> bool:
        """Whether another model is loading."""
        return self._loader.loading

    def load(self, settings: Any, changed: Mapping[str, Any]) -> Optional[CameraPipelines]:
        """The pipelines of another model if these changes of parameters ask for one and it loads quickly, else None.

        Raises its error if it can't be loaded, ConfigError while another one is loading.
        """
        if self._node.pipeline is None or "model" not in changed or self._restoring:
            return None
        pipeline: Optional[CameraPipelines] = self._loader.load(lambda: self._node.loaded(settings))
        if pipeline is None:
            self._wanted = settings.model_name
            text = f"Still loading {self._wanted}; continuing with {self._node.settings.model_name}"
            self._node.get_logger().info(text)
        return pipeline

    def swap_late(self) -> None:
        """Swap to a model that took long to load, or report why it failed."""
        future = self._loader.late()
        if future is None:
            return
        node, error = self._node, future.exception()
        if error is None:
            node.settings = node.settings.with_model(self._wanted)
            node.swap(future.result())
            return
        text = f"Can't load model {self._wanted!r}; continuing with {node.settings.model_name}: {error}"
        self._error = sanitize_utf8(text)
        node.get_logger().error(self._error)
        if node.get_parameter("model").value == self._wanted:
            self._restore_parameter()

    def abandon(self) -> None:
        """Ignore the model that is loading."""
        self._loader.abandon()

    def close(self) -> None:
        """Give the thread time to end."""
        self._loader.close()

    def _restore_parameter(self) -> None:
        """Set the parameter to the model that is running."""
        self._restoring = True
        try:
            self._node.set_parameters([Parameter("model", value=self._node.settings.model_name)])
        finally:
            self._restoring = False

    async def _on_set_model(self, request: Any, response: Any) -> Any:
        """Load a model and answer with its classes, or with the reason; other callbacks run while it loads."""
        self._error = ""
        (result,) = self._node.set_parameters([Parameter("model", value=request.model)])
        while self._loader.loading:
            await Turn()
        self.swap_late()
        response.message = result.reason or self._error
        response.success = not response.message
        pipeline = self._node.pipeline
        if pipeline is not None:
            response.class_names = list(pipeline.recognizer.labels)
            response.message = response.message or sanitize_utf8(pipeline.description)
        elif response.success:
            response.message = "the model will be loaded when the node is configured"
        return response


class Turn:
    """Awaiting it gives other callbacks a turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield
