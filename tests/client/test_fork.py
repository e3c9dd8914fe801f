import subprocess
import sys

from redis import Redis

from feishu_batch.keys import InboxKeys

# In a process of its own: pytest's may have threads, and a fork would copy their locks.
PROGRAM = """
import os, sys
sys.path.insert(0, sys.argv[3])
from tests.client.intent_factory import content
from feishu_batch import FeishuBatch

client = FeishuBatch(sys.argv[1], key_prefix=sys.argv[2])
client.enqueue(**content())
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        states = {client.enqueue(**content()).state for _ in range(50)}
        os._exit(states != {"queued"})
    children.append(child)
states = {client.enqueue(**content()).state for _ in range(50)}
assert states == {"queued"}
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
client.close()
"""


def test_a_client_that_was_used_before_a_fork_serves_both_sides(redis_url, prefix, request):
    arguments = [redis_url, prefix, str(request.config.rootpath)]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with Redis.from_url(redis_url) as redis:
        assert redis.xlen(InboxKeys(prefix).inbox) == 201
