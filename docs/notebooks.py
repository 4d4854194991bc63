"""Hook of the documentation site: each notebook becomes a page with its text and code."""

from __future__ import annotations

from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


class NotebookPage(File):
    """A page under the name of the notebook, so that links to the notebook lead to it."""

    def is_documentation_page(self) -> bool:
        """Whether it is rendered rather than copied."""
        return True


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a page in the place of each notebook."""
    for path in sorted(Path(config.docs_dir).glob("*.ipynb")):
        files.remove(files.src_uris[path.name])
        page = NotebookPage(path.name, None, config.site_dir, config.use_directory_urls)
        page.content_string = markdown(path)
        files.append(page)
    return files


def markdown(path: Path) -> str:
    """Text and code of a notebook, with a word on how to run it after its introduction."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        is_code = cell.cell_type == "code"
        parts.append(f"```python\n{cell.source}\n```" if is_code else cell.source)
    parts.insert(1, f"*Its results come when you run it: open `docs/{path.name}` of the checkout.*")
    return "\n\n".join(parts) + "\n"
