"""The lock files say what is installed, and from nowhere in particular."""

import json
import re

import pytest

from config.servers import ROOT

LOCKS = ("requirements.txt", "requirements-dev.txt", "package-lock.json")


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_names_a_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.findall(r"(?i)--(?:extra-)?index-url|--find-links|\"resolved\"", text)
    hosts = set(re.findall(r"https?://([^/\"\s]+)", text))
    assert hosts <= {"opencollective.com", "github.com"}, hosts  # funding notes of packages


@pytest.mark.parametrize("name", LOCKS[:2])
def test_every_package_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=\w)", (ROOT / name).read_text().strip())
    assert [e.split()[0] for e in entries if "--hash=sha256:" not in e] == []


def test_every_front_end_package_has_a_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [k for k, v in packages.items() if k and "integrity" not in v] == []


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(?:dependencies|dev) = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert len(lists) == 2
    lines = [line for part in lists for line in part.splitlines()]
    assert [line for line in lines if not re.search(r'",\s+# \w', line)] == []
