"""How long servers are waited for: a limit that ends with what set it."""

import socket
import threading

from normscope.patience import READ_SECONDS, patient


def test_threads_that_overlap_leave_no_limit_behind():
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        with patient():
            first_is_in.set()
            second_is_in.wait(0.5)

    def second():
        first_is_in.wait()
        with patient():
            second_is_in.set()
            one.join()
            assert socket.getdefaulttimeout() == READ_SECONDS

    before = socket.getdefaulttimeout()
    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    other.start()
    one.join()
    other.join()
    assert socket.getdefaulttimeout() == before
