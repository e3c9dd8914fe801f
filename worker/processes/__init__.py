"""The processes of `feishu-batch up`: started, watched over, judged for their health; and the server they may bring along."""
