// The reference BullMQ: `backlog JOBS` or `one SECONDS`; prints one object with figures.

import { randomUUID } from "node:crypto";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const url = process.env.BENCH_REDIS_URL;
const connect = () => new Redis(url, { maxRetriesPerRequest: null });
const job = () => ({ kind: "probe", instance: randomUUID(), note: "0123456789abcdef" });
const options = { removeOnComplete: true };
const queue = new Queue("bench", { connection: connect() });
const server = connect();

async function used() {
  return Number(/used_memory:(\d+)/.exec(await server.info("memory"))[1]);
}

async function backlog(size) {
  const before = await used();
  let began = performance.now();
  for (let left = size; left > 0; left -= 1000) {
    const jobs = Array.from({ length: Math.min(left, 1000) }, () => ({ name: "probe", data: job(), opts: options }));
    await queue.addBulk(jobs);
  }
  const enqueued = (performance.now() - began) / 1000;
  const bytes = (await used()) - before;
  began = performance.now();
  const drained = await new Promise((resolve, reject) => {
    let count = 0;
    const worker = new Worker("bench", async () => {}, { connection: connect(), concurrency: 100 });
    worker.on("completed", () => {
      count += 1;
      if (count === size) resolve((performance.now() - began) / 1000);
    });
    worker.on("error", reject);
  });
  const peak = process.resourceUsage().maxRSS / 1024;
  return { enqueue_bulk: size / enqueued, drain: size / drained, bytes_per_job: bytes / size, rss_mib: peak };
}

async function one(seconds) {
  const began = performance.now();
  let count = 0;
  while (performance.now() - began < seconds * 1000) {
    await queue.add("probe", job(), options);
    count += 1;
  }
  return { enqueue_one: (count * 1000) / (performance.now() - began) };
}

const [task, size] = process.argv.slice(2);
console.log(JSON.stringify(await { backlog, one }[task](Number(size))));
process.exit(0);
