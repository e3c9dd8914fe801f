"""The status page as a child of `feishu-batch up`, on the parent's listening socket, so that its address outlives this process."""

import signal
import socket
import sys

from config.logging import setup_logging
from config.settings import load_settings
from worker.web.server import serve

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent decides when to end
    settings = load_settings()
    setup_logging(settings)
    serve(settings, socket.socket(fileno=int(sys.argv[1])))
