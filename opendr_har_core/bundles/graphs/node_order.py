"""Order of a stepping graph's operators that uses each tensor while it is in the caches.

ONNX Runtime's default order writes the state at the end of a step, when the inputs have left the caches, and keeps
their memory until then. Our sessions follow the order of the file.
"""

from __future__ import annotations

from typing import Dict, List, Set

from onnx import ModelProto, NodeProto

from opendr_har_core.bundles.metadata import STATE


def keep_caches_warm(model: ModelProto) -> None:
    """Reorder the operators of a model in topological order.

    An operator that only writes a state directly follows the one that it reads. An operator that only reads states
    directly precedes the one whose result it is combined with.
    """
    ordered = _Order(model).nodes()
    del model.graph.node[:]
    model.graph.node.extend(ordered)


class _Order:
    """Builds the order; operators are identified by their first output."""

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
        """All operators in their new order."""
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
