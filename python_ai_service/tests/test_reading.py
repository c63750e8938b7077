"""Files into documents: numerals, places, chapters of a novel in one file, encodings."""

import json
from pathlib import Path

import pytest

from qingyu_ai.indexing.chapters import keys, places, split_chapters
from qingyu_ai.indexing.decoding import InputError
from qingyu_ai.indexing.numerals import number_of
from qingyu_ai.indexing.place import place_of
from qingyu_ai.indexing.reading import Reading, read_documents

BODY = "他走在雨里，没有回头。\n" * 20


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("１２", 12),
        ("〇", 0),
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("廿三", 23),
        ("卅", 30),
        ("一百零二", 102),
        ("一百二", 102),
        ("一百二十", 120),
        ("两百", 200),
        ("兩千零五", 2005),
        ("一千二百三十四", 1234),
        ("壹佰贰拾叁", 123),
        ("二〇二六", 2026),
        ("一万零三", 10003),
        ("十二万三千", 123000),
        ("IV", 4),
        ("xii", 12),
        ("Twelve", 12),
        ("", None),
        ("雨", None),
        ("一百二三", None),
    ],
)
def test_numerals(text: str, number: int | None) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("第一千二百三十四章 雨夜", 1234),
        ("第１２回", 12),
        ("第三节", 3),
        ("第两百章", 200),
        ("第〇章", 0),
        ("十二", 12),
        ("十二章", 12),
        ("廿三、夜雨", 23),
        ("02-雨夜", 2),
        ("雨夜 7", 7),
        ("12-第三章", 3),
        ("2024年的第3章", 3),
        ("Chapter IV", 4),
        ("chapter_07", 7),
        ("第二卷 第三章", 20003),
        ("卷二 第五章", 20005),
        ("下册 第一章", 30001),
        ("vol.2 ch.03", 20003),
        ("Part 2 Chapter 5", 20005),
        ("第12卷", 120000),
        ("楔子", 0),
        ("第二卷 序章", 20000),
        ("第二卷 尾声", 29998),
        ("尾声", 99980000),
        ("番外三 夜雨", 99990003),
        ("一剑霜寒", None),
        ("两个人", None),
        ("雨夜", None),
    ],
)
def test_a_name_tells_the_place_in_the_novel(name: str, order: int | None) -> None:
    place = place_of(name)
    assert (place and place.order) == order


def chapters(*headings: str) -> str:
    return "".join(f"{heading}\n{BODY}\n" for heading in headings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (chapters("第1章 甲", "第2章 乙"), {"1": 1, "2": 2}),
        (chapters("　　第一章　甲，乙", "第二章丙"), {"1": 1, "2": 2}),
        (chapters("## 第三回 甲", "## 第四回 乙", "## 间奏"), {"3": 3, "4": 4, "间奏": 5}),
        (chapters("Chapter 1", "CHAPTER II: Rain", "Epilogue"), {"1": 1, "2": 2, "Epilogue": 3}),
        (chapters("书名", "楔子", "第一章", "尾声", "番外 夜"), {"0": 0, "楔子": 0, "1": 1, "尾声": 2, "番外 夜": 3}),
        (
            "第一卷 起\n" + chapters("第一章", "第二章") + "第二卷 承\n" + chapters("第一章", "尾声"),
            {"1-1": 10001, "1-2": 10002, "2-1": 20001, "2-尾声": 20002},
        ),
        (chapters("第一卷 第一章", "第二卷 第一章"), {"1-1": 10001, "2-1": 20001}),
        ("目录\n第一章 甲\n第二章 乙\n\n" + chapters("第一章 甲", "第二章 乙"), {"0": 0, "1": 1, "2": 2}),
        # A slip of the pen upwards, and a number that comes twice.
        (chapters("第8章", "第90章", "第10章", "第10章", "第11章"), {"8": 8, "90": 9, "10": 10, "10~2": 11, "11": 12}),
        (chapters("第一节 甲", "第二节 乙"), {"1": 1, "2": 2}),
        (chapters("# 雨", "# 夜"), {"雨": 1, "夜": 2}),
        ("# 书\n" + "".join(f"## {name}\n{BODY * 20}\n" for name in "雨夜天"), {"0": 0, "雨": 1, "夜": 2, "天": 3}),
        # One chapter.
        (chapters("第十二章 雨夜"), {}),
        (chapters("雨夜"), {}),
        (chapters("第一章 甲") + chapters("第一节", "第二节"), {}),
        ("# 第十二章\n" + "".join(f"## {name}\n{BODY * 20}\n" for name in "雨夜天"), {}),
        ("# 雨夜\n" + chapters("## 甲", "## 乙", "## 丙"), {}),
        (chapters("第一章 甲", "第三章他说过，不会走。", "第四章里，他又说"), {}),
        (chapters("第一章 甲", "第二章 他说，不走了。", "第三章 他说：", "“第四章”"), {}),
        ("第一章 甲\n第二章 乙\n", {}),
    ],
)
def test_a_novel_in_one_text_is_cut_into_its_chapters(text: str, found: dict[str, int]) -> None:
    sections = split_chapters(text)
    orders = [place.order for place in places(sections, 0)]
    assert dict(zip(keys(sections), orders, strict=True)) == found
    assert orders == sorted(orders)
    kept = "".join("".join(section.text for section in sections).split())
    # Nothing is lost but headings with nothing below them.
    assert not sections or kept.count("没有回头") == text.count("没有回头")
    assert all(section.text.startswith(section.title) or section.text.startswith("#") for section in sections)


def write(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(*paths: Path, root: Path | None = None, encoding: str = "utf-8") -> dict[str, tuple[str, int]]:
    documents = read_documents(paths, Reading(encoding=encoding, root=root))
    return {document.id: (document.title, document.order) for document in documents}


def test_equal_names_in_two_folders_are_two_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 第一卷__第一章_md="# 甲\n雨", 第二卷__第一章_md="第一章 乙\n雨")
    files = [tmp_path / "第一卷/第一章.md", tmp_path / "第二卷/第一章.md"]
    found = {"第一卷/第一章": ("甲", 10001), "第二卷/第一章": ("第一章 乙", 20001)}
    assert read(*files) == found
    assert read(tmp_path) == found
    assert read(files[1], root=tmp_path) == {"第二卷/第一章": ("第一章 乙", 20001)}
    assert list(read(files[1])) == ["第一章"]
    monkeypatch.chdir(tmp_path)
    assert read(*(file.relative_to(tmp_path) for file in files)) == found
    with pytest.raises(InputError, match="is not below"):
        read(files[1], root=tmp_path / "第一卷")


def test_a_name_is_one_id_however_its_letters_are_composed(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301.md").write_text("雨", encoding="utf-8")
    assert list(read(tmp_path)) == ["caf\u00e9"]


def test_a_folder_stands_for_the_texts_in_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        十_md="雨",
        九_md="雨",
        雨夜_txt="雨",
        序_txt="雨",
        _git__x_md="雨",
        x_png=b"\x89",
        a__人_json='{"id":"x","text":"y"}',
    )
    found = read(tmp_path)
    assert list(found) == ["序", "九", "十", "x", "雨夜"]
    assert [order for _, order in found.values()] == [0, 9, 10, 0, 5]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no file in it ends with \.txt, "):
        read(tmp_path / "empty")


def test_chapters_of_a_file_have_ids_below_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        书_txt="作者：某\n" + chapters("第一章 甲", "第二章 乙"),
        第三卷_txt=chapters("第一章 丙", "第二章 丁"),
    )
    assert read(tmp_path / "书.txt") == {"书/0": ("书", 0), "书/1": ("第一章 甲", 1), "书/2": ("第二章 乙", 2)}
    assert read(tmp_path / "第三卷.txt") == {"第三卷/1": ("第一章 丙", 30001), "第三卷/2": ("第二章 丁", 30002)}


def test_files_whose_chapters_have_no_numbers_follow_each_other(tmp_path: Path) -> None:
    write(tmp_path, a_md=chapters("# 雨", "# 夜"), b_md=chapters("# 天", "# 明"))
    assert [order for _, order in read(tmp_path / "a.md", tmp_path / "b.md").values()] == [10001, 10002, 20001, 20002]
    assert [order for _, order in read(tmp_path / "b.md").values()] == [1, 2]


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        (
            "gb18030",
            "x.txt: is not UTF-8 text; as gb18030 it begins 「第一章雨夜」: if that is right, add --encoding gb18030",
        ),
        (
            "utf-16",
            "x.txt: is not UTF-8 text; as utf-16 it begins 「第一章雨夜」: if that is right, add --encoding utf-16",
        ),
    ],
)
def test_another_encoding_is_told_and_read(encoding: str, says: str, tmp_path: Path) -> None:
    write(tmp_path, x_txt="第一章 雨夜".encode(encoding))
    with pytest.raises(InputError) as raised:
        read(tmp_path / "x.txt")
    assert str(raised.value).endswith(says)
    assert read(tmp_path / "x.txt", encoding=encoding) == {"x": ("第一章 雨夜", 1)}


def test_utf_8_is_told_where_another_encoding_was_said(tmp_path: Path) -> None:
    write(tmp_path, x_txt="第一章 雨")
    with pytest.raises(InputError, match=r"is not GB18030 text; as utf-8 it begins 「第一章雨」.* --encoding utf-8$"):
        read(tmp_path / "x.txt", encoding="gb18030")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.txt", b"\xff\xfe\xfa", "x.txt: is not UTF-8 text"),
        ("x.txt", b"a\0b", "x.txt: has NUL characters, so it is no UTF-8 text"),
        ("x.md", b" \n", "x.md: is empty"),
        ("x.jsonl", b"", "x.jsonl: is empty"),
        (
            "x.jsonl",
            b'{"id":"a","text":"x"}\n\n{"id":"b",}',
            "x.jsonl: line 3: is not JSON (trailing comma at column 11)",
        ),
        ("x.jsonl", b'{"id":"a","text":"x"}\n{"id":"b"}', "x.jsonl: line 2: text: Field required"),
        ("x.jsonl", b"[]", "x.jsonl: line 1: is no document, which is a JSON object"),
        ("x.json", b'[{"id":"a",\n"text":}]', "x.json: is not JSON (expected value at line 2 column 8)"),
        ("x.json", b'[{"id":"a","text":"x"},{"id":"b","text":"x","order":-1}]', "x.json: item 2: order: "),
        ("x.json", b'"text"', "x.json: is no document, which is a JSON object"),
        ("x.json", b"[" * 100_000, "x.json: is not JSON (recursion limit exceeded at "),
        (
            "x.json",
            b'[{"id":"a","text":"x"},{"id":"a","text":"y"}]',
            "x.json: item 2: chapter a is also in x.json: item 1",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    name: str, content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        read(Path(name))
    assert str(raised.value).startswith(says)


def test_a_mark_before_the_text_and_line_ends_of_windows_are_no_part_of_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        x_md=b"\xef\xbb\xbf" + "# 甲\r\n雨\r夜".encode(),
        y_jsonl="\ufeff" + json.dumps({"id": "y", "text": "雨"}),
    )
    documents = read_documents([tmp_path / "x.md", tmp_path / "y.jsonl"], Reading())
    assert [document.text for document in documents] == ["# 甲\n雨\n夜", "雨"]


def test_one_id_in_two_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path,
        c_md="雨",
        more_jsonl=json.dumps({"id": "c", "text": "夜"}),
        same_jsonl=json.dumps({"id": "c", "doc_type": "x", "text": "夜"}),
    )
    assert len(read_documents([Path("c.md"), Path("same.jsonl")], Reading())) == 2
    with pytest.raises(InputError, match=r"^more\.jsonl: line 1: chapter c is also in c\.md$"):
        read(Path("c.md"), Path("more.jsonl"))
    with pytest.raises(InputError, match=r"^c\.md: chapter c is also in c\.md$"):
        read(Path("c.md"), Path("c.md"))
