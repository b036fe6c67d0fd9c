"""`w2v verify RELEASE`: is every file what was published?"""

from __future__ import annotations

from pathlib import Path

import click

from models.errors import W2vError


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
def command(release: Path) -> None:
    """Check every file of RELEASE against the SHA-256 digests of its manifest."""
    from components.release_pusher.releases import read_manifest, verify

    manifest = read_manifest(release)
    problems = verify(release)
    if problems:
        raise W2vError(f"{release} is not as published: {'; '.join(problems)}.")
    click.echo(
        f"{manifest.name} version {manifest.version}: all {len(manifest.files)} files are as "
        "published."
    )
