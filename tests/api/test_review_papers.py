"""定标公示 as a document, whatever is written into it."""

from pathlib import Path

from api.review_papers import write_notice
from tests.matcher.test_awards import in_notice


def test_a_notice_takes_an_office_of_any_length_and_what_was_pasted(tmp_path: Path) -> None:
    from docx import Document

    path, office = tmp_path / "公示.docx", "\x1b[31m科创局" + "处" * 300
    write_notice(path, in_notice(), office=office, contact="=1+1\x0b<b>")
    said = [paragraph.text for paragraph in Document(str(path)).paragraphs]
    assert [line for line in said if "\x1b" in line] == []
    assert {"[31m科创局" + "处" * 300, "联系方式：=1+1<b>"} <= set(said)
