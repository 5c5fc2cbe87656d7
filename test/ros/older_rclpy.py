"""Makes the rclpy at hand look to our code as Foxy's does: what came later can't be imported, found or passed.

The lists are the difference between the sources of rclpy 1.0.13 (Foxy) and 9.1.2 (Kilted), for the classes that we use.
rclpy itself still sees all of it. What our code is refused goes to stderr. Does not need the rest of the tests, so that
a process can load it before anything else.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import sys

OURS = "opendr_har"
LATER_MODULES = {
    *("event_handler", "experimental", "lifecycle", "logging_service", "parameter_client", "parameter_event_handler"),
    *("qos_overriding_options", "service_introspection", "subscription_content_filter_options", "type_hash"),
    *("type_description_service", "wait_for_message"),
}
LATER_NAMES = {
    "": ("try_shutdown", "install_signal_handlers", "uninstall_signal_handlers"),
    "signals": ("SignalHandlerOptions", "install_signal_handlers", "uninstall_signal_handlers"),
    "qos": ("qos_check_compatible", "qos_profile_best_available", "qos_profile_default"),
    "parameter": ("get_parameter_value", "parameter_value_to_python"),
}
LATER_ATTRIBUTES = {
    ("node", "Node"): (
        *("add_post_set_parameters_callback", "add_pre_set_parameters_callback", "count_clients", "count_services"),
        *("get_fully_qualified_name", "get_fully_qualified_node_names", "get_parameter_type", "get_parameter_types"),
        *("list_parameters", "remove_post_set_parameters_callback", "remove_pre_set_parameters_callback"),
        *("resolve_service_name", "resolve_topic_name", "wait_for_node"),
    ),
    ("publisher", "Publisher"): ("logger_name", "wait_for_all_acked"),
    ("subscription", "Subscription"): ("get_publisher_count", "logger_name", "is_cft_enabled", "set_content_filter"),
    ("service", "Service"): ("configure_introspection", "logger_name", "service_name"),
    ("client", "Client"): ("configure_introspection", "logger_name", "service_name"),
    ("clock", "Clock"): ("sleep_for", "sleep_until"),
    ("context", "Context"): ("get_domain_id", "track_node", "untrack_node"),
    ("executors", "Executor"): ("create_future",),
}
LATER_ARGUMENTS_OF_INIT = ("domain_id", "signal_handler_options")
LATER_ARGUMENTS = {
    ("node", "Node", "__init__"): ("enable_logger_service", "rosout_qos_profile"),
    ("node", "Node", "create_publisher"): ("qos_overriding_options", "publisher_class"),
    ("node", "Node", "create_subscription"): ("qos_overriding_options", "content_filter_options"),
    ("node", "Node", "create_timer"): ("autostart",),
    ("client", "Client", "call"): ("timeout_sec",),
}


def install(more_modules=()):
    """From here on; `more_modules` are not found either, by anybody."""
    for name in more_modules:
        sys.modules[name] = None
    sys.modules["rclpy.lifecycle"] = None  # rclpy itself does not need it
    original = builtins.__import__

    @functools.wraps(original)
    def checked(name, globals=None, locals=None, fromlist=(), level=0):
        importer = (globals or {}).get("__name__", "")
        if not importer.startswith(OURS) or name.split(".")[0] != "rclpy":
            return original(name, globals, locals, fromlist, level)
        part = name.partition(".")[2]
        later = LATER_NAMES.get(part, ())
        if part.split(".")[0] in LATER_MODULES or set(fromlist or ()) & {*later, *([] if part else LATER_MODULES)}:
            raise ImportError(refused(f"{name} {', '.join(fromlist or ())}"))
        module = original(name, globals, locals, fromlist, level)
        hide()
        return module

    builtins.__import__ = checked


def refused(what):
    text = f"Foxy has no {what}"
    sys.stderr.write(f"{text}\n")
    return text


def called_by_us(frame):
    return frame.f_globals.get("__name__", "").startswith(OURS)


class Hidden:
    """An attribute that our code does not find."""

    def __init__(self, owner, name):
        self._name = f"{owner.__name__}.{name}"
        self._inner = inspect.getattr_static(owner, name)

    def __get__(self, instance, owner=None):
        if called_by_us(sys._getframe(1)):
            raise AttributeError(refused(self._name))
        return self._inner.__get__(instance, owner)


def without(function, later, given=None):
    """`function` that does not take the arguments `later` of us; `given` are always passed."""

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        if called_by_us(sys._getframe(1)) and set(kwargs) & set(later):
            raise TypeError(refused(f"argument {', '.join(kwargs)} of {function.__name__}"))
        return function(*args, **kwargs, **(given or {}))

    return guarded


@functools.lru_cache(maxsize=None)
def hide():
    """Once, when our code has had rclpy loaded."""
    rclpy = importlib.import_module("rclpy")
    for (module, owner_name), names in LATER_ATTRIBUTES.items():
        owner = getattr(importlib.import_module(f"rclpy.{module}"), owner_name)
        for name in names:
            if hasattr(owner, name):  # an older rclpy than Kilted's
                setattr(owner, name, Hidden(owner, name))
    for (module, owner_name, function), later in LATER_ARGUMENTS.items():
        owner = getattr(importlib.import_module(f"rclpy.{module}"), owner_name)
        setattr(owner, function, without(getattr(owner, function), later))
    # Foxy's init handles no signals, so that ours do.
    no_handlers = {"signal_handler_options": importlib.import_module("rclpy.signals").SignalHandlerOptions.NO}
    rclpy.init = without(rclpy.init, LATER_ARGUMENTS_OF_INIT, no_handlers)
    del rclpy.try_shutdown
