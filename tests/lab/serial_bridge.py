"""serial_bridge.py SOCKET: this terminal on the other end of a serial line, byte for byte."""

import os
import selectors
import socket
import sys
import termios
import tty


def main(path: str) -> None:
    settings = termios.tcgetattr(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, selectors.DefaultSelector() as selector:
        line.connect(path)
        selector.register(0, selectors.EVENT_READ)
        selector.register(line, selectors.EVENT_READ)
        tty.setraw(0)  # forgets what was typed before
        os.write(1, b"-- connected --\r\n")
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is line:
                        received = line.recv(4096)
                        if not received:
                            return
                        os.write(1, received)
                    else:
                        line.sendall(os.read(0, 4096))
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, settings)


main(sys.argv[1])
