"""What a process of `tcss sync --all-accounts` sends to the command."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import closing

from connector.cli.worker import Channel, Printed, Sent

TEXT = 100_000  # characters; a pipe takes 64 KiB at once


def test_messages_of_several_threads_arrive_whole() -> None:
    """Threads log while the main thread prints, and a long message is written in parts."""
    reading, writing = multiprocessing.Pipe(duplex=False)
    channel = Channel(writing)

    def prints(stream: str, character: str) -> None:
        sent = Sent(channel, stream)
        for _ in range(20):
            sent.write(character * TEXT)
            sent.flush()

    threads = [threading.Thread(target=prints, args=given) for given in (("stdout", "a"), ("stderr", "b"))]
    with closing(reading):
        for thread in threads:
            thread.start()
        messages = [reading.recv() for _ in range(40)]
        for thread in threads:
            thread.join()
    assert messages.count(Printed("stdout", "a" * TEXT)) == messages.count(Printed("stderr", "b" * TEXT)) == 20
