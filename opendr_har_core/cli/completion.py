"""Shell completion by argcomplete, which the extra `completion` installs."""

from __future__ import annotations

import argparse
import os
from typing import Any, Callable, List

Completer = Callable[..., List[str]]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and exit."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser, always_complete_options=False)


def completed(action: argparse.Action, completer: Completer) -> argparse.Action:
    """Complete the values of `action` by `completer`."""
    action.completer = completer  # type: ignore[attr-defined]
    return action


def files(*suffixes: str) -> Completer:
    """A completer of folders and of files with these suffixes (without dots); without suffixes, of folders only."""

    def completer(prefix: str, **_: Any) -> List[str]:
        from argcomplete.completers import DirectoriesCompleter, FilesCompleter

        return list((FilesCompleter(suffixes) if suffixes else DirectoriesCompleter())(prefix))

    return completer


def bundles(prefix: str, **_: Any) -> List[str]:
    """Completes the names of packaged models, and .onnx files."""
    from opendr_har_core.streaming.recognizer import packaged_models

    return [*(name for name in packaged_models() if name.startswith(prefix)), *files("onnx")(prefix)]


def actions(prefix: str, **_: Any) -> List[str]:
    """Completes synthetic actions."""
    from opendr_har_core.synthetic.actions import ACTIONS

    return [action for action in ACTIONS if action.startswith(prefix)]
