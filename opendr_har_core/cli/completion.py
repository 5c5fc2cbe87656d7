"""What a shell offers at the press of Tab, through argcomplete where it is installed (extra `completion`)."""

from __future__ import annotations

import argparse
import os
from typing import Any, Callable, List

Completer = Callable[..., Any]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, where it is a shell that asks."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser, always_complete_options=False)


def completed(action: argparse.Action, completer: Completer) -> argparse.Action:
    """Let the action's values be completed by `completer`."""
    action.completer = completer  # type: ignore[attr-defined]
    return action


def files(*suffixes: str) -> Completer:
    """Completes folders, and files with these suffixes (without dots), or all where none are given."""

    def completer(prefix: str, **_: Any) -> List[str]:
        from argcomplete.completers import FilesCompleter

        found: List[str] = list(FilesCompleter(list(suffixes))(prefix))
        return found

    return completer


def folders(prefix: str, **_: Any) -> List[str]:
    """Completes folders."""
    from argcomplete.completers import DirectoriesCompleter

    found: List[str] = list(DirectoriesCompleter()(prefix))
    return found


def bundles(prefix: str, **_: Any) -> List[str]:
    """Completes models: packaged ones by their names, bundles by their files."""
    from opendr_har_core.streaming.recognizer import packaged_models

    return [*(name for name in packaged_models() if name.startswith(prefix)), *files("onnx")(prefix)]


def actions(prefix: str, **_: Any) -> List[str]:
    """Completes the actions that can be drawn."""
    from opendr_har_core.synthetic.actions import ACTIONS

    found: List[str] = [action for action in ACTIONS if action.startswith(prefix)]
    return found
