"""Paths of an interface package: sources, generated files, installation."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import List, Set, Tuple
from xml.etree import ElementTree

KINDS = ("msg", "srv", "action")
# The generated types of every service and action refer to this package's and its dependencies' types.
IMPLICIT_DEPENDENCY = "action_msgs"


@dataclass(frozen=True)
class InterfacePackage:
    """A folder with package.xml and msg/, srv/ or action/, and a folder to work in."""

    source: Path
    work: Path

    @cached_property
    def manifest(self) -> ElementTree.Element:
        """The content of package.xml."""
        return _manifest(self.source)

    @property
    def name(self) -> str:
        """Name of the package, from its package.xml."""
        return _text(self.manifest, "name")

    @property
    def version(self) -> str:
        """Its version, from package.xml."""
        return _text(self.manifest, "version")

    @property
    def description(self) -> str:
        """Its description, from package.xml."""
        return _text(self.manifest, "description")

    @cached_property
    def dependencies(self) -> List[str]:
        """Names of the installed packages whose types it uses, directly or through another's."""
        share = ros_prefix() / "share"
        found: Set[str] = set()
        names = [*_depends(self.manifest), IMPLICIT_DEPENDENCY]
        while names:
            name = names.pop()
            if name not in found and any((share / name).glob("*/*.idl")):
                found.add(name)
                names += _depends(_manifest(share / name))
        return sorted(found)

    @cached_property
    def definitions(self) -> List[Path]:
        """The definitions, relative to the package."""
        return sorted(path.relative_to(self.source) for kind in KINDS for path in self.source.glob(f"{kind}/*.{kind}"))

    @property
    def idl_files(self) -> List[str]:
        """Names of the generated IDL files, relative to `idl_root`."""
        return [path.with_suffix(".idl").as_posix() for path in self.definitions]

    @property
    def idl_root(self) -> Path:
        """Where rosidl_adapter writes the IDL files."""
        return self.generated_by("rosidl_adapter")

    def generated_by(self, generator: str) -> Path:
        """The output folder of one generator."""
        return self.work / generator / self.name


def ros_prefix() -> Path:
    """The prefix with share/, lib/ and include/: an environment with ROS 2's wheels, or /opt/ros/<distribution>."""
    import rosidl_generator_c

    parents = Path(rosidl_generator_c.__file__).resolve().parents
    return next(folder for folder in parents if (folder / "share" / "rosidl_generator_c").is_dir())


def share_files(package: InterfacePackage) -> List[Tuple[str, List[str]]]:
    """(destination, files) for the ament index and share/<name>, relative to the installation's prefix."""
    hashes = package.generated_by("rosidl_generator_type_description")
    destinations = []
    for kind in sorted({path.parts[0] for path in package.definitions}):
        files = [package.source / path for path in package.definitions if path.parts[0] == kind]
        files += [*sorted((package.idl_root / kind).glob("*.idl")), *sorted((hashes / kind).glob("*.json"))]
        destinations.append((f"share/{package.name}/{kind}", [str(path) for path in files]))
    interfaces = sorted([*package.idl_files, *(path.as_posix() for path in package.definitions)])
    return [
        (f"share/{package.name}", [str(package.source / "package.xml")]),
        *destinations,
        _index_entry(package, "packages", ""),
        _index_entry(package, "rosidl_interfaces", "\n".join(interfaces)),
    ]


def _manifest(folder: Path) -> ElementTree.Element:
    return ElementTree.parse(folder / "package.xml").getroot()


def _text(manifest: ElementTree.Element, tag: str) -> str:
    return " ".join((manifest.findtext(tag) or "").split())


def _depends(manifest: ElementTree.Element) -> List[str]:
    tags = ("depend", "build_depend", "exec_depend")
    return [(element.text or "").strip() for tag in tags for element in manifest.iter(tag)]


def _index_entry(package: InterfacePackage, resource: str, content: str) -> Tuple[str, List[str]]:
    marker = package.work / "index" / resource / package.name
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(content)
    return f"share/ament_index/resource_index/{resource}", [str(marker)]
