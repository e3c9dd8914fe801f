"""What a person writes, through real workers, as the sandbox stored it; and what is wrong, without a request for it."""

DEMO = {"project_key": "demo", "work_item_type_key": "story", "update_mode": "UPDATE"}


def test_names_and_labels_arrive_as_keys_and_ids(stack):
    rows = [
        ("Priority", "P0", "priority", {"value": "option_0"}),
        ("release_note", "shipped", "field_a1b2c3", "shipped"),
        (
            "Component",
            "Payment / Card",
            "field_b7c2d8",
            {"value": "cmp_pay", "children": {"value": "cmp_pay_card", "children": None}},
        ),
        ("Watchers", "lilei@example.com", "watchers", ["7300000000000000002"]),
        ("Due date", "2030-01-31", "field_d4e5f6", 1896019200000),
    ]
    wishes = [
        {**DEMO, "work_item_ids": [1101], "field_key": name, "after_field_value": value} for name, value, *_ in rows
    ]
    results = stack.wait_all(stack.client.enqueue_many(wishes))
    assert [result.state for result in results] == ["succeeded"] * len(rows)
    assert stack.sandbox.values()[1101] == {key: stored for *_, key, stored in rows}


def test_what_is_wrong_costs_no_request_and_its_neighbours_continue(stack):
    wishes = [
        {**DEMO, "work_item_ids": [1102], "field_key": "Relase note", "after_field_value": "x"},
        {**DEMO, "work_item_ids": [1102], "field_key": "Release note", "after_field_value": "good"},
    ]
    before = len(stack.batches())
    wrong, good = stack.wait_all(stack.client.enqueue_many(wishes))
    assert good.ok
    assert wrong.failed["1102"]["code"] == "unknown_field"
    assert "'Release note' (field_a1b2c3)" in wrong.failed["1102"]["reason"]
    assert len(stack.batches()) - before == 1
