"""What a server counts is there from the start, and tells of no partner, record or text."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import Metrics


def test_the_names_and_labels_are_those_that_dashboards_know() -> None:
    metrics = Metrics()
    metrics.requests.labels("GET", "/v1/scenes", "200").inc()
    metrics.seconds.labels("GET", "/v1/scenes").observe(0.02)
    metrics.refused.labels("rate_limited").inc()
    metrics.steps.labels("encode").observe(0.01)
    metrics.answers.labels("kept").inc()
    for gauge in (metrics.generation, metrics.indexed, metrics.lag):
        gauge.labels("partner").set(1)
    metrics.jobs.labels("queued").set(1)
    metrics.deliveries.labels("waiting").set(1)
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    found = {
        family.name: sorted({label for sample in family.samples for label in sample.labels if label != "le"})
        for family in families
    }
    assert found == {
        "jiebang_requests": ["method", "route", "status"],
        "jiebang_request_seconds": ["method", "route"],
        "jiebang_requests_under_way": [],
        "jiebang_refused": ["why"],
        "jiebang_answer_seconds": ["step"],
        "jiebang_answers": ["source"],
        "jiebang_questions_waiting": [],
        "jiebang_index_generation": ["audience"],
        "jiebang_index_revision": ["audience"],
        "jiebang_index_lag_revisions": ["audience"],
        "jiebang_jobs": ["state"],
        "jiebang_webhook_deliveries": ["state"],
        "jiebang_orders_late": [],
        **{
            f"{name}_created": labels
            for name, labels in {
                "jiebang_requests": ["method", "route", "status"], "jiebang_request_seconds": ["method", "route"],
                "jiebang_refused": ["why"], "jiebang_answer_seconds": ["step"], "jiebang_answers": ["source"],
            }.items()
        },
    }  # fmt: skip


def test_two_applications_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.orders_late.set(3)
    assert other.registry.get_sample_value("jiebang_orders_late") == 0
