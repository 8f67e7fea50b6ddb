"""The Celery application: a messenger between processes, never the keeper of work (design, section 7).

The broker is memory:// (inside one process) unless REDIS_URL or CODER_ADMIN_BROKER_URL names another. A
message only says "drain the queue for these tags"; results are not kept.
"""

from __future__ import annotations

from typing import Final

from celery import Celery
from kombu import Exchange
from kombu.common import Broadcast

WAKE_QUEUE: Final = "provisioner-wake"
POLLING_INTERVAL: Final = 0.05  # seconds; kombu's default of one second would delay each build by half of it

# A sender declares the exchange itself (Celery leaves that to the receivers of a broadcast, and Redis drops a
# message to an exchange that it does not know to be a fanout).
WAKE_EXCHANGE: Final = Exchange(WAKE_QUEUE, type="fanout")

app = Celery("coder_admin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_acks_late=False,
    # Every worker hears every message: which of them has the tags and a free slot, only each knows itself.
    task_queues=(Broadcast(WAKE_QUEUE, exchange=WAKE_EXCHANGE),),
    task_routes={"provisioning.drain_queue": {"queue": WAKE_QUEUE}},
    task_default_queue=WAKE_QUEUE,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"polling_interval": POLLING_INTERVAL},
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    timezone="UTC",
)
app.autodiscover_tasks(["coder_admin.provisioning"])
