"""Takes the official Python client (the Rust SDK inside) through what a service
does, and prints what it saw as JSON, one observation a key.

usage: client.py CONNECTION_STRING STREAM

The observations must not depend on the server: the same script runs against the
embedded and a real one.
"""

import asyncio
import datetime
import json
import os
import re
import sys

from apache_iggy import AutoCommit, AutoCommitWhen, IggyClient, PollingStrategy, SendMessage

CONNECTION, STREAM = sys.argv[1:]
SEEN = {}


def payloads(messages):
    return [m.payload().decode() for m in messages]


async def connect(connection):
    client = IggyClient.from_connection_string(connection)
    await client.connect()
    return client


async def refused(call):
    """The name of the error that a call ends with, without the details."""
    try:
        await call
    except Exception as e:
        return re.match(r"\w*", str(e)).group()
    return "no error"


async def objects(client, stream):
    await client.ping()
    SEEN["missing stream"] = await client.get_stream(stream) is None
    await client.create_stream(stream)
    SEEN["stream twice"] = await refused(client.create_stream(stream))
    SEEN["missing topic"] = await client.get_topic(stream, "orders") is None
    SEEN["topic of no stream"] = await refused(client.create_topic("no-such-stream", "t", 1))
    await client.create_topic(stream, "orders", 3, message_expiry=datetime.timedelta(days=7))
    SEEN["topic twice"] = await refused(client.create_topic(stream, "orders", 3))
    details = await client.get_topic(stream, "orders")
    SEEN["topic"] = [details.name, details.partitions_count, details.messages_count]
    stream_details = await client.get_stream(stream)
    SEEN["stream"] = [stream_details.topics_count, stream_details.messages_count]


async def messages(client, stream):
    await client.send_messages(stream, "orders", 0, [SendMessage(f"m{i}") for i in range(10)])
    await client.send_messages(stream, "orders", 1, [SendMessage(b"\x00\xff\x00"), SendMessage("grün")])
    big = bytes(range(256)) * 4096
    await client.send_messages(stream, "orders", 2, [SendMessage(big)])
    SEEN["send to no partition"] = await refused(client.send_messages(stream, "orders", 9, [SendMessage("x")]))
    SEEN["send to no topic"] = await refused(client.send_messages(stream, "nothing", 0, [SendMessage("x")]))

    async def poll(strategy, count=3, partition=0, commit=False):
        return await client.poll_messages(stream, "orders", partition, strategy, count, commit)

    SEEN["first"] = payloads(await poll(PollingStrategy.First()))
    SEEN["offset"] = payloads(await poll(PollingStrategy.Offset(value=7), 10))
    SEEN["last"] = payloads(await poll(PollingStrategy.Last()))
    SEEN["past the end"] = payloads(await poll(PollingStrategy.Offset(value=100)))
    SEEN["next"] = payloads(await poll(PollingStrategy.Next()))
    SEEN["next again, nothing was committed"] = payloads(await poll(PollingStrategy.Next(), commit=True))
    SEEN["next after a commit"] = payloads(await poll(PollingStrategy.Next(), commit=True))
    third = (await poll(PollingStrategy.Offset(value=2), 1))[0]
    later = await poll(PollingStrategy.Timestamp(value=third.timestamp()), 100)
    SEEN["by time"] = third.payload() in [m.payload() for m in later]
    SEEN["binary"] = [m.payload().hex() for m in await poll(PollingStrategy.First(), 9, 1)]
    got = (await poll(PollingStrategy.First(), 1, 2))[0]
    SEEN["big"] = [got.payload() == big, got.length(), got.offset(), got.partition_id()]
    SEEN["ids"] = len({m.id() for m in await poll(PollingStrategy.First(), 10)})
    SEEN["checksums"] = all(m.checksum() != 0 for m in await poll(PollingStrategy.First(), 10))
    SEEN["poll of no partition"] = await refused(poll(PollingStrategy.First(), 1, 9))


def every_message():
    return AutoCommit.When(AutoCommitWhen.ConsumingEachMessage())


async def group(client, stream):
    """One member, which stops in the middle and goes on later."""
    first = await client.consumer_group(
        "packers", stream, "orders", None, PollingStrategy.Next(), 5, every_message(),
        poll_interval=datetime.timedelta(milliseconds=5))
    seen = []
    stop = asyncio.Event()

    async def take(message):
        seen.append((message.partition_id(), message.offset()))
        if len(seen) == 13:
            stop.set()

    await asyncio.wait_for(first.consume_messages(take, stop), 60)
    SEEN["group got everything"] = sorted(seen)
    SEEN["group's offset"] = first.get_last_consumed_offset(0)
    await first.delete_offset(1)
    SEEN["offset deleted twice"] = await refused(first.delete_offset(1))


async def share(connection, stream):
    """Two members on connections of their own share a topic; nothing is lost."""
    client = await connect(connection)
    await client.create_topic(stream, "shared", 4)
    seen = {"a": set(), "b": set()}
    stop = asyncio.Event()
    members = []
    for name in seen:
        own = await connect(connection)
        member = await own.consumer_group(
            "sharers", stream, "shared", None, PollingStrategy.Next(), 10, every_message(),
            poll_interval=datetime.timedelta(milliseconds=5))

        async def take(message, name=name):
            seen[name].add((message.partition_id(), message.payload().decode()))
            if len(seen["a"] | seen["b"]) == 60:
                stop.set()

        members.append(member.consume_messages(take, stop))
    for i in range(0, 15, 5):
        for partition in range(4):
            batch = [SendMessage(f"{partition}-{i + k}") for k in range(5)]
            await client.send_messages(stream, "shared", partition, batch)
    await asyncio.wait_for(asyncio.gather(*members), 60)
    SEEN["shared"] = len(seen["a"] | seen["b"])
    SEEN["both had some"] = bool(seen["a"]) and bool(seen["b"])


async def main():
    wrong = IggyClient.from_connection_string(CONNECTION.replace("iggy:iggy@", "iggy:wrong@"))
    SEEN["wrong password"] = await refused(asyncio.wait_for(wrong.connect(), 30))
    client = await connect(CONNECTION)
    await objects(client, STREAM)
    await messages(client, STREAM)
    await group(client, STREAM)
    await share(CONNECTION, STREAM)
    print(json.dumps(SEEN, ensure_ascii=False))


asyncio.run(main())
# The client's own threads may abort the process while Python takes itself down.
sys.stdout.flush()
os._exit(0)
