"""Files of the project that nothing else reads: YAML, versions, changelog."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import finn_imec

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
YAML = [
    *(path for path in ROOT.glob("*.y*ml") if path.name != "mkdocs.yml"),  # mkdocs has tags of its own
    ROOT / ".pre-commit-config.yaml",
    ROOT / "CITATION.cff",
    *sorted((ROOT / ".github").rglob("*.yml")),
]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_parses(path):
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_workflow_runs_what_is_there():
    """Every step runs or uses something, and the files and targets that it names exist."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    commands = "\n".join(step.get("run", "") for step in steps)
    for path in re.findall(r"(?:tests|scripts)/\w+\.\w+", commands):
        assert (ROOT / path).is_file(), path
    for target in re.findall(r"make ([\w-]+)", commands):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_issue_forms_are_complete():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= set(form), path
        assert all({"type", "attributes"} <= set(field) for field in form["body"]), path


def test_the_version_is_released_in_the_changelog_and_cited():
    version = re.escape(finn_imec.__version__)
    released = re.search(
        rf"^## \[{version}\] - (\d{{4}}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert released
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], str(cited["date-released"])) == (finn_imec.__version__, released[1])


def test_placeholders_are_where_the_list_says():
    """CONTRIBUTING lists what maintainers fill in before the first release, and every file that has it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    listed = re.findall(
        r"^\| `([^`]+)` \| [^|]+ \| (`.+`) \|$", text.partition("## Before the first release")[2], re.M
    )
    assert len(listed) == 3
    suffixes = {".md", ".toml", ".yml", ".cff", ".py", ".sh"}
    folders = (ROOT, ROOT / "docs", ROOT / "scripts", ROOT / "docker", ROOT / ".github", ROOT / "finn_imec")
    files = [p for folder in folders for p in (folder.glob("*") if folder == ROOT else folder.rglob("*"))]
    texts = {path: path.read_text() for path in files if path.suffix in suffixes}
    for placeholder, named in listed:
        found = {str(path.relative_to(ROOT)) for path, text in texts.items() if placeholder in text}
        assert found - {"CONTRIBUTING.md"} == set(re.findall(r"`([^`]+)`", named)), placeholder
