"""Paths of an interface package: sources, generated files, installation."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple


@dataclass(frozen=True)
class InterfacePackage:
    """A folder with package.xml and msg/, a folder to work in, and the packages whose types it uses."""

    source: Path
    work: Path
    dependencies: Sequence[str]

    @property
    def name(self) -> str:
        """Name of the package, from its package.xml."""
        return re.search(r"<name>\s*(\S+?)\s*</name>", (self.source / "package.xml").read_text()).group(1)

    @property
    def messages(self) -> List[Path]:
        """The message definitions, relative to the package."""
        return sorted(path.relative_to(self.source) for path in (self.source / "msg").glob("*.msg"))

    @property
    def idl_files(self) -> List[str]:
        """Names of the generated IDL files, relative to `idl_root`."""
        return [path.with_suffix(".idl").as_posix() for path in self.messages]

    @property
    def idl_root(self) -> Path:
        """Where rosidl_adapter writes the IDL files."""
        return self.generated_by("rosidl_adapter")

    def generated_by(self, generator: str) -> Path:
        """The output folder of one generator."""
        return self.work / generator / self.name


def wheels_prefix() -> Path:
    """The prefix with share/, lib/ and include/, as /opt/ros/<distribution>."""
    import rosidl_generator_c

    parents = Path(rosidl_generator_c.__file__).resolve().parents
    return next(folder for folder in parents if (folder / "share" / "rosidl_generator_c").is_dir())


def share_files(package: InterfacePackage) -> List[Tuple[str, List[str]]]:
    """(destination, files) for the ament index and share/<name>, relative to the installation's prefix."""
    hashes = package.generated_by("rosidl_generator_type_description")
    interfaces = [package.source / path for path in package.messages]
    interfaces += sorted((package.idl_root / "msg").glob("*.idl")) + sorted((hashes / "msg").glob("*.json"))
    names = sorted(f"msg/{path.name}" for path in interfaces if path.suffix in (".msg", ".idl"))
    return [
        (f"share/{package.name}", [str(package.source / "package.xml")]),
        (f"share/{package.name}/msg", [str(path) for path in interfaces]),
        _index_entry(package, "packages", ""),
        _index_entry(package, "rosidl_interfaces", "\n".join(names)),
    ]


def _index_entry(package: InterfacePackage, resource: str, content: str) -> Tuple[str, List[str]]:
    marker = package.work / "index" / resource / package.name
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(content)
    return f"share/ament_index/resource_index/{resource}", [str(marker)]
