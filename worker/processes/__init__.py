"""The processes of `feishu-batch up`: starting, supervising and health checks; and the embedded server."""
