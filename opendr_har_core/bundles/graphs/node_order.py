"""The order in which a stepping graph's operators run: each tensor is used while it is still in the caches.

ONNX Runtime would run what only writes the state after everything else, when its input has long left the caches, and
would keep that input's memory for as long. It follows the order of the file where a session asks for it.
"""

from __future__ import annotations

from typing import Dict, List, Set

from onnx import ModelProto, NodeProto

from opendr_har_core.bundles.metadata import STATE


def keep_caches_warm(model: ModelProto) -> None:
    """Reorder the operators, which must be in an order that can run.

    What writes only states follows what it reads at once. What reads only states comes right before the operator whose
    result it is combined with, so that this result is still in the caches then.
    """
    ordered = _Order(model).nodes()
    del model.graph.node[:]
    model.graph.node.extend(ordered)


class _Order:
    """Builds the order; an operator goes by the name of its first output."""

    def __init__(self, model: ModelProto) -> None:
        self._nodes = list(model.graph.node)
        self._producer: Dict[str, NodeProto] = {name: node for node in self._nodes for name in node.output}
        self._consumers: Dict[str, List[NodeProto]] = {}
        for node in self._nodes:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)
        self._of_the_past = self._reading_only_states()
        self._ordered: Dict[str, NodeProto] = {}

    def nodes(self) -> List[NodeProto]:
        """All operators, in their new order."""
        for node in self._nodes:
            if node.output[0] in self._of_the_past or self._is_last(node):
                continue
            followers = self._followers(node)
            for follower in followers:
                self._put_the_past_of(follower)
            self._put_the_past_of(node)
            self._put(node)
            for follower in followers:
                if self._is_last(follower) and self._is_ready(follower):
                    self._put(follower)
        for node in self._nodes:
            self._put(node)
        return list(self._ordered.values())

    def _reading_only_states(self) -> Set[str]:
        found: Set[str] = set()
        for node in self._nodes:
            made = [name for name in node.input if name in self._producer]
            reads_state = any(name.startswith(STATE) for name in node.input)
            if all(name in found for name in made) and (made or reads_state):
                found.update(node.output)
        return found

    def _followers(self, node: NodeProto) -> List[NodeProto]:
        return [follower for name in node.output for follower in self._consumers.get(name, [])]

    def _is_last(self, node: NodeProto) -> bool:
        return not self._followers(node)

    def _is_ready(self, node: NodeProto) -> bool:
        return all(self._producer[name].output[0] in self._ordered for name in node.input if name in self._producer)

    def _put_the_past_of(self, node: NodeProto) -> None:
        for name in node.input:
            if name in self._of_the_past and self._producer[name].output[0] not in self._ordered:
                self._put_the_past_of(self._producer[name])
                self._put(self._producer[name])

    def _put(self, node: NodeProto) -> None:
        self._ordered.setdefault(node.output[0], node)
