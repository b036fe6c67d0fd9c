"""The Hugging Face Hub: a release as one commit with a model card, and a tag for its version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.release_pusher.destinations.config import HuggingFaceConfig
from components.release_pusher.destinations.destination import (
    Delivered,
    Parcel,
    local_files,
    refuse_foreign,
)
from components.release_pusher.destinations.trouble import causes_of
from components.release_pusher.layout import FOLDERS_BESIDE, REPORT_FOLDER
from components.release_pusher.pages.writing import CARD_RELEASE_KEY, model_card
from models.errors import BadInputError
from schemas.release_manifest import ReleaseManifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

CARD_FILE = "README.md"
# Of these folders, what an earlier release left and this one lacks is removed; no other file is.
RELEASE_FOLDERS = tuple(f"{name}/" for name in ("assets", "variables", *FOLDERS_BESIDE))


@dataclass(frozen=True)
class HuggingFace:
    """One repository on the Hub."""

    config: HuggingFaceConfig
    name: str = "Hugging Face"

    @property
    def target(self) -> str:
        return self.config.repo

    @property
    def cure(self) -> str:
        return f"set HF_TOKEN to a token with write access to {self.target}"

    def check(self, release: str | None = None) -> None:
        from huggingface_hub import get_token

        if not get_token():
            raise BadInputError(f"Hugging Face has no token here: {self.cure}.")

    def deliver(self, parcel: Parcel) -> Delivered:
        from huggingface_hub import HfApi

        api = HfApi()
        manifest = parcel.facts.manifest
        url = api.create_repo(self.config.repo, private=self.config.private, exist_ok=True)
        there = api.model_info(self.config.repo)
        mark = _mark_on(there)
        refuse_foreign(self, parcel.facts, mark)
        already = _is_of(mark, manifest)
        version = mark["version"] if mark and already else manifest.version
        if not already:
            self._refuse_other_content(api, manifest)
            self._commit(api, parcel, _files_in(there))
        api.create_tag(self.config.repo, tag=f"v{version}", exist_ok=True)
        return Delivered(self.name, f"{url}/tree/v{version}", already)

    def was_unreachable(self, error: Exception) -> bool:
        import httpx2

        return any(isinstance(cause, httpx2.TransportError) for cause in causes_of(error))

    def _refuse_other_content(self, api: HfApi, manifest: ReleaseManifest) -> None:
        """A tag stays where it is: who loads `v1` goes on getting it, so it must be this model."""
        from huggingface_hub.errors import RevisionNotFoundError

        tag = f"v{manifest.version}"
        try:
            tagged = api.model_info(self.config.repo, revision=tag)
        except RevisionNotFoundError:
            return
        if not _is_of(_mark_on(tagged), manifest):
            raise BadInputError(
                f"{self.target} on {self.name} has another model as {tag}, from before "
                "release.folder was moved or emptied: name another "
                "release.destinations.hugging_face.repo"
            )

    def _commit(self, api: HfApi, parcel: Parcel, there: Iterable[str]) -> None:
        """Everything in one commit, so that nobody downloads half of two releases."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        manifest = parcel.facts.manifest
        card = model_card(parcel.facts, parcel.page, self.config.repo).encode()
        with local_files(parcel.folder) as found:
            files = found if self.config.with_report else _without_report(found)
            stale = {name for name in there if name.startswith(RELEASE_FOLDERS)} - files.keys()
            operations: list[CommitOperationAdd | CommitOperationDelete] = [
                *(CommitOperationAdd(name, path) for name, path in files.items()),
                CommitOperationAdd(CARD_FILE, card),
                *(CommitOperationDelete(name) for name in sorted(stale)),
            ]
            api.create_commit(
                self.config.repo,
                operations,
                commit_message=f"{manifest.name} {manifest.version}",
            )


def _mark_on(there: ModelInfo) -> dict[str, Any] | None:
    """What the card that is there says it describes: nothing if somebody's own, None if none."""
    if CARD_FILE not in _files_in(there):
        return None
    mark = there.card_data.get(CARD_RELEASE_KEY) if there.card_data else None
    return mark if isinstance(mark, dict) else {}


def _is_of(mark: dict[str, Any] | None, manifest: ReleaseManifest) -> bool:
    return mark is not None and mark.get("content_sha256") == manifest.content_sha256


def _files_in(there: ModelInfo) -> list[str]:
    return [file.rfilename for file in there.siblings or []]


def _without_report(files: dict[str, str]) -> dict[str, str]:
    return {name: path for name, path in files.items() if not name.startswith(f"{REPORT_FOLDER}/")}
