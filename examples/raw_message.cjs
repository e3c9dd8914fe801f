// A Celery message from Node.js: what to push into Redis, and where the result appears.
// Needs `npm install redis`, FEISHU_BATCH_REDIS_URL, and workers that run.
const { randomUUID } = require("node:crypto");
const { setTimeout: pause } = require("node:timers/promises");
const { createClient } = require("redis");

const TASK = "feishu_batch.update_work_items";
const QUEUE = "feishu.intents";

// Celery's message protocol 2. The body: no positional arguments, the intent, no callbacks.
function message(id, intent) {
  return JSON.stringify({
    body: JSON.stringify([[], intent, {}]),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    headers: { lang: "any", task: TASK, id, root_id: id },
    properties: { correlation_id: id, delivery_tag: randomUUID(), delivery_info: { exchange: "", routing_key: QUEUE } },
  });
}

async function ended(redis, id, seconds) {
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await pause(200)) {
    const stored = JSON.parse((await redis.get(`celery-task-meta-${id}`)) ?? "{}");
    if (stored.status === "SUCCESS") return stored.result;
    if (stored.status === "REVOKED") return { intent_id: id, state: "canceled" };
    // An exception, as Celery writes it: [its message, the whole result]; without a result, the intent was refused.
    if (stored.status === "FAILURE") return stored.result.exc_message[1] ?? { intent_id: id, refused: stored.result.exc_message[0] };
  }
  throw new Error(`${id} has not ended within ${seconds} s; it continues`);
}

async function main() {
  const redis = createClient({ url: process.env.FEISHU_BATCH_REDIS_URL });
  await redis.connect();
  try {
    const id = randomUUID();
    const intent = {
      project_key: "5f0c1a2b3c4d5e6f70818283",
      work_item_type_key: "story",
      work_item_ids: [1006, 1013], // 1013 is closed
      field_key: "field_a1b2c3",
      update_mode: "UPDATE",
      after_field_value: "from Node.js",
    };
    await redis.lPush(QUEUE, message(id, intent));
    console.log(JSON.stringify(await ended(redis, id, 60)));
  } finally {
    await redis.quit();
  }
}

main();
