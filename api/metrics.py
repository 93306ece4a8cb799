"""What a server counts, as Prometheus text: requests, times, the index and its lag, queues."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one application; labels name routes and statuses, never partners, records or texts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "jiebang_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "jiebang_request_seconds", "Time to the last byte.", ("method", "route"),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.under_way = Gauge("jiebang_requests_under_way", "Requests under way.", registry=self.registry)
        self.refused = Counter(
            "jiebang_refused", "Requests turned away before any work.", ("why",), registry=self.registry
        )
        self.steps = Histogram(
            "jiebang_answer_seconds", "Time of an answer by step.", ("step",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.answers = Counter(
            "jiebang_answers", "Questions by where the answer came from.", ("source",), registry=self.registry
        )
        self.waiting = Gauge("jiebang_questions_waiting", "Questions not yet begun.", registry=self.registry)
        self.generation = Gauge(
            "jiebang_index_generation",
            "Number of the published index.",
            ("audience",),
            registry=self.registry,
        )
        self.indexed = Gauge(
            "jiebang_index_revision", "Revision up to which answers know the store.", ("audience",),
            registry=self.registry,
        )  # fmt: skip
        self.lag = Gauge(
            "jiebang_index_lag_revisions", "Revisions of the store that answers do not know yet.", ("audience",),
            registry=self.registry,
        )  # fmt: skip
        self.jobs = Gauge("jiebang_jobs", "Jobs by state.", ("state",), registry=self.registry)
        self.deliveries = Gauge(
            "jiebang_webhook_deliveries", "Webhook deliveries by state.", ("state",), registry=self.registry
        )
        self.orders_late = Gauge("jiebang_orders_late", "Orders past their time.", registry=self.registry)
