"""What a server is told when it starts: where the data lies, and the bounds it keeps."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from matcher.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Settings of one server; every bound is there so that no caller can take the machine from the others.

    ``workers`` are processes that answer matching questions: 1 answers in the server's own process, more in as many
    processes of their own. ``private_targets``: whether webhooks may go to loopback and private addresses.
    """

    home: Home
    encoder: str = "embedded"
    ranker: Path | None = None
    workers: int = 1
    private_targets: bool = False
    # Bytes of a JSON body, and of an uploaded sheet (the import itself takes 50 MB).
    body_limit: int = 1_000_000
    upload_limit: int = 50_000_000
    # Seconds without a single byte of a body, and for a whole one.
    body_pause: float = 20.0
    body_time: float = 300.0
    # Requests under way, and questions waiting for an answer; more are told to come back.
    most_requests: int = 1000
    most_waiting: int = 256
    # Seconds that an answer may take.
    answer_time: float = 60.0
    # Requests without a valid key that one address may make in a minute.
    strangers_per_minute: int = 60
    # How long a session of the workbench lasts, and how long while nobody does anything.
    session_lasts: timedelta = field(default=timedelta(hours=12))
    session_idle: timedelta = field(default=timedelta(hours=2))
    receipts_kept: timedelta = field(default=timedelta(days=2))
    # Days for which deliveries and finished jobs are kept.
    log_kept: timedelta = field(default=timedelta(days=30))

    @property
    def jobs_folder(self) -> Path:
        """Where uploads wait and row reports lie."""
        return self.home.path / "jobs"
