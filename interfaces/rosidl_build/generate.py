"""Generate C, C++ and Python sources from .msg, .srv and .action files with ROS 2's generators."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from rosidl_build.package import InterfacePackage, ros_prefix

TYPE_DESCRIPTION = "rosidl_generator_type_description"
C, PYTHON, DISPATCH = "rosidl_generator_c", "rosidl_generator_py", "rosidl_typesupport_c"
FAST, INTROSPECTION = "rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c"
COMPILED = (C, FAST, INTROSPECTION, DISPATCH, PYTHON)


def generate(package: InterfacePackage) -> None:
    """Write the sources of all `COMPILED` generators under the package's work folder."""
    with contextlib.redirect_stdout(io.StringIO()):
        _adapt_to_idl(package)
        _hash_types(package)
        _generate_sources(package)
    (package.generated_by(PYTHON) / "__init__.py").touch()


def _adapt_to_idl(package: InterfacePackage) -> None:
    from rosidl_adapter import convert_to_idl

    for definition in package.definitions:
        convert_to_idl(package.source, package.name, definition, package.idl_root)


def _hash_types(package: InterfacePackage) -> None:
    from rosidl_generator_type_description import generate_type_hash

    share = ros_prefix() / "share"
    paths = [f"{name}:{share / name}" for name in package.dependencies]
    generate_type_hash(_arguments(package, TYPE_DESCRIPTION, include_paths=paths))


def _generate_sources(package: InterfacePackage) -> None:
    import rosidl_generator_c
    import rosidl_generator_py
    import rosidl_typesupport_c
    import rosidl_typesupport_fastrtps_c
    import rosidl_typesupport_introspection_c

    hashes = package.generated_by(TYPE_DESCRIPTION)
    descriptions = [f"{name}:{(hashes / name).with_suffix('.json')}" for name in package.idl_files]
    sources = [str(package.source / path) for path in package.definitions]
    rosidl_generator_c.generate_c(
        _arguments(package, C, ros_interface_files=sources, type_description_tuples=descriptions)
    )
    rosidl_typesupport_fastrtps_c.generate_typesupport_fastrtps_c(_arguments(package, FAST))
    rosidl_typesupport_introspection_c.generate_c(_arguments(package, INTROSPECTION))
    rosidl_typesupport_c.generate_c(_arguments(package, DISPATCH), [FAST, INTROSPECTION])
    rosidl_generator_py.generate_py(_arguments(package, PYTHON), [DISPATCH])


def _arguments(package: InterfacePackage, generator: str, **more: Any) -> str:
    """Write the JSON file that a generator takes its arguments from and return its path."""
    prefix = ros_prefix()
    output = package.generated_by(generator)
    output.mkdir(parents=True, exist_ok=True)
    templates = prefix / "share" / generator / "resource"
    _write_visibility_header(package, generator, templates)
    known = [
        f"{name}:{path}" for name in package.dependencies for path in sorted((prefix / "share" / name).glob("*/*.idl"))
    ]
    file = package.work / f"{generator}.json"
    content = {
        "package_name": package.name,
        "idl_tuples": [f"{package.idl_root}:{name}" for name in package.idl_files],
        "output_dir": str(output),
        "template_dir": str(templates),
        "target_dependencies": [],
        "ros_interface_dependencies": known,
        **more,
    }
    file.write_text(json.dumps(content))
    return str(file)


def _write_visibility_header(package: InterfacePackage, generator: str, templates: Path) -> None:
    """Fill the package's name into a header, as CMake does."""
    template = templates / f"{generator}__visibility_control.h.in"
    if template.exists():
        folder = package.generated_by(generator) / "msg"
        folder.mkdir(exist_ok=True)
        text = template.read_text().replace("@PROJECT_NAME_UPPER@", package.name.upper())
        (folder / template.stem).write_text(text.replace("@PROJECT_NAME@", package.name))
