import io

from unetzoo.inference.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(stream: io.StringIO) -> str:
    bar = Bar(2, stream)
    for name in ("a.png", "b.png"):
        bar.start(name)
        bar.part(1, 2)
        bar.finish()
    bar.say("error: b.png")
    bar.close()
    return stream.getvalue()


def test_log_files_get_lines_only() -> None:
    assert drive(io.StringIO()) == "error: b.png\n"


def test_terminals_get_a_bar_that_goes_away() -> None:
    shown = drive(Terminal())
    assert "[" + "." * 30 + "] 0/2 a.png" in shown
    assert "[" + "#" * 15 + "." * 15 + "] 1/2 b.png" in shown
    assert shown.endswith("\r\x1b[K")
