"""Puts a page on disk, as Markdown and as HTML."""

from pathlib import Path

from abruzzi.errors import RecordError


def save_pages(folder: Path, markdown: str, html: str) -> list[Path]:
    """Write ``report.md`` and ``report.html`` into a folder, which is made when it is not there.

    Raises:
        RecordError: the folder cannot be written.
    """
    pages = {folder / "report.md": markdown, folder / "report.html": html}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot write the report to {folder}: {error.strerror}; choose another --out") from error
    return list(pages)
