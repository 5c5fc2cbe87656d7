"""One participant in a process of its own: JSON lines in, JSON lines out.

{"do": "load"}                            import what the participant needs
{"do": "setup", "task": {...}, "warm": n} build the model, make n calls -> probabilities of the last one
{"do": "run", "calls": n, "seconds": s, "release": bool}
                                          one call to wake up, then time at least n calls and s seconds -> seconds of
                                          each call, CPU seconds per call
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter, process_time
from typing import Any, Dict, List

from participants import PARTICIPANTS, Ours

MOST_CALLS = 200


def serve(participant: Any) -> None:
    """Answer requests until the input ends."""
    # Libraries print; the replies get a descriptor of their own, and all prints go to the error stream.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            request = json.loads(line)
            reply: Dict[str, Any] = {}
            if request["do"] == "load":
                participant.load()
            elif request["do"] == "setup":
                reply = setup(participant, request)
            else:
                reply = run(participant, request)
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def setup(participant: Any, request: Dict[str, Any]) -> Dict[str, Any]:
    """Build and warm up the model."""
    participant.setup(request["task"])
    probabilities = None
    for _ in range(request["warm"]):
        probabilities = participant.warm()
    return {"probabilities": None if probabilities is None else [float(p) for p in probabilities]}


def run(participant: Any, request: Dict[str, Any]) -> Dict[str, Any]:
    """Time single calls."""
    if request.get("release"):
        participant.release()
    participant.call()  # the other participants had the caches
    cpu_start = process_time()
    seconds: List[float] = []
    while len(seconds) < request["calls"] or (sum(seconds) < request["seconds"] and len(seconds) < MOST_CALLS):
        start = perf_counter()
        participant.call()
        seconds.append(perf_counter() - start)
    return {"seconds": seconds, "cpu": (process_time() - cpu_start) / len(seconds)}


if __name__ == "__main__":
    serve(PARTICIPANTS.get(sys.argv[1], Ours)())
