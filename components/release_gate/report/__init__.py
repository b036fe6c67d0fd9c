"""The page a speech scientist reads before a release: HTML, Markdown and JSON of one verdict."""

from __future__ import annotations

from components.release_gate.report.machine import JSON_FILE, read_verdict
from components.release_gate.report.writing import HTML_FILE, MARKDOWN_FILE, write_report

__all__ = ["HTML_FILE", "JSON_FILE", "MARKDOWN_FILE", "read_verdict", "write_report"]
