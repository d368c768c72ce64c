"""Lines one below the other and, on a terminal, one last line that changes in its place."""

import contextlib
import os
import shutil
from typing import TextIO

CLEAR = "\r\x1b[K"
RED, PLAIN = "\x1b[31m", "\x1b[0m"


class Screen:
    """stream: where to. colours: whether alarming lines are red, on a terminal."""

    def __init__(self, stream: TextIO, colours: bool) -> None:
        self.stream = stream
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.colours = colours and self.is_terminal
        self.last = ""

    def write(self, text: str, *, alarming: bool = False) -> None:
        """Lines that stay, above the last one; nothing for an empty text."""
        if text:
            shown = f"{RED}{text}{PLAIN}" if alarming and self.colours else text
            self._put(f"{CLEAR if self.last else ''}{shown}\n{self.last}")

    def status(self, text: str) -> None:
        """Replace the last line, cut to the terminal's width; no terminal, no such line."""
        if not self.is_terminal:
            return
        # A full line would wrap, and could not be taken back.
        text = text[: shutil.get_terminal_size().columns - 1]
        if text != self.last:
            self.last = text
            self._put(f"{CLEAR}{text}")

    def _put(self, text: str) -> None:
        # A locale without some letter gets its number; a closed terminal or pipe ends no run.
        encoding = self.stream.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()
