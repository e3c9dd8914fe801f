"""Which work items are exported: the ids of a file or of a view, all of them or none."""

import pytest

from worker.reading.chosen_ids import ChosenError, ChosenIds, add_lines, add_view, view_id_in
from worker.remote.models import ViewPage


@pytest.fixture
def chosen():
    with ChosenIds() as ids:
        yield ids


def every(chosen):
    return [item for part in chosen.parts() for item in part]


def test_ids_of_a_file_are_kept_once_and_in_their_order(chosen):
    add_lines(chosen, ['"ID"\r\n', "1003\n", "\n", "#1001, 1003; 1005-1007\n"], "demo", "story")
    assert every(chosen) == [1003, 1001, 1005, 1006, 1007]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bad", "line 2: 'bad' is not a work item id"),
        ("https://project.feishu.cn/demo/issue/detail/5", "line 2: the link is to issue"),
        ("0012", "line 2"),
    ],
)
def test_a_wrong_line_is_named(chosen, line, words):
    with pytest.raises(ChosenError) as caught:
        add_lines(chosen, ["1001\n", line], "demo", "story")
    assert words in str(caught.value)


def test_as_many_ids_come_together_as_one_request_may_read(chosen):
    chosen.add(range(1, 121))
    assert [len(part) for part in chosen.parts()] == [50, 50, 20]
    assert len(chosen) == 120


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("kPxLwq7Hg", "kPxLwq7Hg"),
        (" kPxLwq7Hg ", "kPxLwq7Hg"),
        ("https://project.feishu.cn/demo/storyView/kPxLwq7Hg", "kPxLwq7Hg"),
        ("https://project.feishu.cn/demo/storyView/kPxLwq7Hg?scope=x&node=1", "kPxLwq7Hg"),
        ("https://project.feishu.cn/demo/workObjectView/story/kPxLwq7Hg/", "kPxLwq7Hg"),
    ],
)
def test_a_view_is_named_by_its_id_or_its_address(given, expected):
    assert view_id_in(given) == expected


def test_an_address_of_something_else_is_refused():
    with pytest.raises(ChosenError, match="not the address of a view"):
        view_id_in("https://project.feishu.cn/demo/story/detail/1001")


def pages(*sizes, total):
    """The pages of a view, and which were read."""
    read = []

    def page_of(number):
        read.append(number)
        start = sum(sizes[: number - 1])
        size = sizes[number - 1] if number <= len(sizes) else 0
        return ViewPage("Sprint", tuple(range(start + 1, start + size + 1)), total)

    return page_of, read


@pytest.mark.parametrize(
    ("sizes", "total", "count", "requests"),
    [((0,), 0, 0, 1), ((7,), 7, 7, 1), ((200, 50), 250, 250, 2), ((200, 200), 400, 400, 3), ((200, 3), None, 203, 2)],
)
def test_all_pages_of_a_view_are_read(chosen, sizes, total, count, requests):
    page_of, read = pages(*sizes, total=total)
    assert add_view(chosen, page_of) == "Sprint"
    assert (len(chosen), len(read)) == (count, requests)


def test_a_view_that_changed_meanwhile_is_refused(chosen):
    page_of, _ = pages(200, 40, total=250)
    with pytest.raises(ChosenError, match="250 items, but 240 were read"):
        add_view(chosen, page_of)


def test_a_view_with_too_many_items_is_refused_after_one_page(chosen):
    page_of, read = pages(200, total=200_001)
    with pytest.raises(ChosenError, match="at most 200,000"):
        add_view(chosen, page_of)
    assert read == [1]
