"""Imports between parts of the package: only from those above in STRATA, also inside functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "finn_imec"
STRATA = (
    "util",
    "layer",
    "algorithms",
    "compat",
    "streams",
    "rtl",
    "hls",
    "simulation",
    "custom_op",
    "transformation",
    "frontend",
    "builder",
    "baseline_rtl",
    "networks",
    "partition",
    "synthesis",
    "fit",
    "verification",
    "report",
)
#: Entry points: nothing else imports these, and they may import everything.
ENTRY_POINTS = ("__main__", "cli", "demo", "import_hook", "terminal")
#: Modules of old names, for one release.
DEPRECATED = ("geometry", "window", "datapath", "errors")
#: Packages that `layer` may import.
NUMBERS = {"numpy", "qonnx", "scipy"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports anywhere in it, for type checking only included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            # `from package import module` imports that module
            yield from (
                f"{module}.{alias.name}" if (PACKAGE.parent / module.replace(".", "/")).is_dir() else module
                for alias in node.names
            )


def stratum(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "finn_imec" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_up(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in (*ENTRY_POINTS, *DEPRECATED):
        return
    allowed = (*STRATA[: STRATA.index(own) + 1], "__version__", "") if own != "__init__" else STRATA
    wrong = {m for m in imports(path) if m.startswith("finn_imec") and stratum(m) not in allowed}
    assert not wrong, f"{own} may import only {allowed}"


def test_every_folder_has_its_place():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == {*STRATA, "cli"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "layer").glob("*.py")), ids=lambda path: path.name)
def test_layer_is_numbers(path):
    roots = {module.split(".")[0] for module in imports(path)} - {"finn_imec", "__future__"}
    import sys

    assert roots <= NUMBERS | set(sys.stdlib_module_names)
    assert not roots & {"pathlib", "os", "subprocess", "shutil", "tempfile"}


def test_files_of_a_folder_import_each_other_one_way():
    """No import cycle of files; a cycle of folders would need one."""
    graph = {
        ".".join(("finn_imec", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }

    def targets(name: str) -> set[str]:
        return {
            target
            for module in imports(graph[name])
            for target in (module, module.rpartition(".")[0])
            if target in graph and target != name
        }

    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            # A package's own names come from its files, which do not import the package.
            for target in targets(name):
                if not name.startswith(f"{target}.") and not target.startswith("finn_imec.__"):
                    visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_documentation_shows_this_order():
    """The folders, and the files of layer/ line by line, each of which imports only files on lines above."""
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text().partition("## Layout of the code")[2]
    folders, layers = (
        [tuple(line.split("  ")[0].split(", ")) for line in block.splitlines()]
        for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    )
    assert tuple(name for line in folders[:-1] for name in line) == STRATA
    above: set[str] = set()
    for line in layers:
        for name in line:
            targets = {
                module.split(".")[2]
                for module in imports(PACKAGE / "layer" / f"{name}.py")
                if module.startswith("finn_imec.layer.")
            }
            assert targets <= above, name
        above.update(line)
    files = {path.stem for path in (PACKAGE / "layer").glob("*.py")}
    assert above == files - {"__init__", "deprecated"}
