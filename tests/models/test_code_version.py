"""Every release names the code that made it, wherever that code ran."""

import subprocess
import sys
import tomllib
from pathlib import Path

from models.code_version import code_version

ROOT = Path(__file__).parents[2]


def test_a_folder_that_is_only_on_the_path_has_the_version_of_its_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert code_version() == project["version"]
    # Without site-packages nothing is installed.
    program = "from models.code_version import code_version; print(code_version())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == project["version"]
