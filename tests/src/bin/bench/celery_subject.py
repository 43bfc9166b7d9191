"""The reference Celery: `backlog URL JOBS` or `one URL SECONDS`; prints one object with figures. `work` is the worker's part."""

import json
import os
import resource
import subprocess
import sys
import time
import uuid

import redis
from celery import Celery

URL = os.environ["BENCH_REDIS_URL"]
app = Celery("celery_subject", broker=URL)
app.conf.update(
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_send_task_events=False,
    worker_prefetch_multiplier=200,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
)


@app.task(name="probe")
def probe(kind, instance, note):
    return None


def ask(producer):
    probe.apply_async(("probe", str(uuid.uuid4()), "0123456789abcdef"), producer=producer)


def backlog(size):
    server = redis.Redis.from_url(URL)
    before = server.info("memory")["used_memory"]
    with app.producer_or_acquire() as producer:
        began = time.perf_counter()
        for _ in range(size):
            ask(producer)
        enqueued = time.perf_counter() - began
    used = server.info("memory")["used_memory"] - before
    command = [sys.executable, "-m", "celery", "-A", "celery_subject", "worker", "--loglevel", "ERROR", "--pool", "prefork"]
    command += ["--concurrency", str(os.cpu_count()), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # Its start is not counted: the clock runs from the first job that leaves the list.
        while server.llen("celery") >= size:
            time.sleep(0.005)
        began = time.perf_counter()
        while server.llen("celery") or server.hlen("unacked"):
            time.sleep(0.005)
            if worker.poll() is not None:
                raise SystemExit("the worker ended")
        drained = time.perf_counter() - began
    finally:
        worker.terminate()
        worker.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"enqueue_bulk": size / enqueued, "drain": size / drained, "bytes_per_job": used / size, "rss_mib": peak}


def one(seconds):
    count, began = 0, time.perf_counter()
    with app.producer_or_acquire() as producer:
        while time.perf_counter() - began < seconds:
            ask(producer)
            count += 1
    return {"enqueue_one": count / (time.perf_counter() - began)}


if __name__ == "__main__":
    print(json.dumps({"backlog": backlog, "one": one}[sys.argv[1]](int(sys.argv[2]))))
