"""The pages of the workshop and the table of lessons say the same."""

from __future__ import annotations

import re

import pytest

from scripts.workshop.lessons import CHAPTERS, CORE, LESSONS, ROOT, Lesson
from scripts.workshop.page import Block, Section, blocks, sections

PAGES = sorted({lesson.page for lesson in LESSONS})
SECTIONS = [section for page in PAGES for section in sections(ROOT / "docs" / page)]
NUMBERED = {section.number: section for section in SECTIONS if section.number}


def test_each_lesson_is_a_section_of_its_page_with_its_number_and_title() -> None:
    found = [(section.number, section.title) for section in SECTIONS if section.number]
    assert sorted(found) == [(lesson.number, lesson.title) for lesson in LESSONS]


@pytest.mark.parametrize("page", PAGES)
def test_the_list_of_lessons_on_a_page_has_their_times(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\. ([^\]]+)\]\(#[^)]+\) \| (\d+) \|", text, re.MULTILINE)
    assert [(int(number), title, int(minutes)) for number, title, minutes in listed] == [
        (lesson.number, lesson.title, lesson.minutes) for lesson in LESSONS if lesson.page == page
    ]


def test_the_lessons_of_the_tutorial_take_45_minutes() -> None:
    assert sum(lesson.minutes for lesson in LESSONS if lesson.page == "tutorial.md") == 45


@pytest.mark.parametrize("section", NUMBERED.values(), ids=lambda section: section.title)
def test_each_lesson_ends_with_its_check_which_then_finds_everything_right(section: Section) -> None:
    last = section.blocks[-1]
    assert last.text == f"make check N={section.number}\n"
    goals = LESSONS[(section.number or 0) - 1].goals
    assert re.findall(r"^  (\w+)  ", last.expected, re.MULTILINE) == ["right"] * len(goals)


def test_the_chapters_begin_with_the_commands_of_the_first_lesson() -> None:
    (start,) = blocks((ROOT / "docs" / CHAPTERS).read_text(encoding="utf-8").partition("\n## ")[0])
    first = [one.text for one in NUMBERED[1].blocks if "setup" in one.words and one.applies("localcluster", {})]
    namespace = "export NAMESPACE=${NAMESPACE:-workshop}\n"
    assert any(namespace in one.text for one in NUMBERED[1].blocks)
    assert start.text == "".join(first) + namespace  # the clean-up needs it


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.page != CORE], ids=lambda lesson: lesson.title)
def test_each_chapter_begins_with_its_start(lesson: Lesson) -> None:
    first, *_ = NUMBERED[lesson.number].blocks
    assert first.text == f"make lesson N={lesson.number}\n"
    assert first.expected == f"…\n· Lesson {lesson.number}, {lesson.title}, can begin: docs/{lesson.page}\n"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_blocks_have_only_words_that_are_known(section: Section) -> None:
    known = {"terminal", "on", "setup", "load", "needs"}
    assert all(block.words.keys() <= known for block in section.blocks)
    assert {block.words["on"] for block in section.blocks if "on" in block.words} <= {"localcluster", "kind"}


def test_a_block_is_for_the_cluster_and_the_machine_that_it_names() -> None:
    block = Block("sh", "", {"on": "kind", "needs": "PROMETHEUS"})
    assert block.applies("kind", {"PROMETHEUS": "/usr/bin/prometheus"})
    assert not block.applies("kind", {"PROMETHEUS": ""})
    assert not block.applies("localcluster", {"PROMETHEUS": "/usr/bin/prometheus"})
