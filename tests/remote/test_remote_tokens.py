import threading

import pytest

from worker.remote.errors import LaneStopped, NotExecuted
from worker.remote.models import Token
from worker.remote.tokens import PAUSE_AFTER_FAILURE, PAUSE_BETWEEN_LOG_INS, MemoryTokenStore, TokenSource


class Remote:
    def __init__(self, clock, lifetime=7200.0):
        self.clock, self.lifetime, self.calls, self.error = clock, lifetime, 0, None

    def authenticate(self):
        self.calls += 1
        if self.error:
            raise self.error
        return Token.issued(f"p-{self.calls}", at=self.clock(), lifetime=self.lifetime)


class Setup:
    def __init__(self, lifetime=7200.0):
        self.now = 1_000_000.0
        self.remote = Remote(lambda: self.now, lifetime)
        self.store = MemoryTokenStore()

    def source(self, **options):
        return TokenSource(self.remote, self.store, clock=lambda: self.now, steady=lambda: self.now, **options)


def value(token):
    return token.value.get_secret_value()


def test_processes_share_one_token():
    setup = Setup()
    assert value(setup.source().get()) == value(setup.source().get()) == "p-1"
    assert setup.remote.calls == 1


def test_the_token_is_renewed_early():
    setup = Setup()
    source = setup.source()
    source.get()
    setup.now += 7200 - 301
    assert value(source.get()) == "p-1"
    setup.now += 1
    assert value(source.get()) == "p-2"


def test_a_short_lived_token_still_lives_half_its_life():
    setup = Setup(lifetime=60)
    source = setup.source()
    source.get()
    setup.now += 29
    assert value(source.get()) == "p-1"
    setup.now += 1
    assert value(source.get()) == "p-2"


def test_while_another_renews_the_valid_token_continues():
    setup = Setup()
    source = setup.source()
    source.get()
    setup.now += 7000
    with setup.store.lock(0):
        assert value(source.get()) == "p-1"


def test_without_a_valid_token_the_wait_for_another_is_bounded():
    setup = Setup()
    with setup.store.lock(0), pytest.raises(NotExecuted, match=r"not done within 0\.01 s"):
        setup.source(lock_wait=0.01).get()


def test_whoever_waited_takes_what_the_other_has_renewed():
    setup = Setup()
    tokens, source = [], setup.source()
    with setup.store.lock(0):
        waiting = threading.Thread(target=lambda: tokens.append(source.get()))
        waiting.start()
        setup.store.save(Token.issued("p-other", at=setup.now, lifetime=100))
    waiting.join()
    assert [value(token) for token in tokens] == ["p-other"]
    assert setup.remote.calls == 0


def test_many_threads_renew_once():
    setup = Setup()
    threads = [threading.Thread(target=setup.source().get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert setup.remote.calls == 1


def test_passing_trouble_while_renewing_early_is_no_trouble():
    setup = Setup()
    source = setup.source()
    source.get()
    setup.now += 7000
    setup.remote.error = NotExecuted("down")
    assert [value(source.get()) for _ in range(3)] == ["p-1"] * 3
    assert setup.remote.calls == 2
    setup.now += PAUSE_AFTER_FAILURE
    setup.remote.error = None
    assert value(source.get()) == "p-3"


def test_refused_credentials_are_reported_at_once():
    setup = Setup()
    source = setup.source()
    source.get()
    setup.now += 7000
    setup.remote.error = LaneStopped("no", advice="do")
    with pytest.raises(LaneStopped):
        source.get()


def test_a_rejected_token_is_renewed_only_by_the_first_who_says_so():
    setup = Setup()
    first = setup.source().get()
    assert value(setup.source().renew(first)) == "p-2"
    assert value(setup.source().renew(first)) == "p-2"
    assert setup.remote.calls == 2


def test_a_rejected_token_is_not_used_again_even_if_its_renewal_failed():
    setup = Setup()
    source = setup.source()
    rejected = source.get()
    setup.remote.error = NotExecuted("the log-in answers with 502")
    with pytest.raises(NotExecuted):
        source.renew(rejected)
    with pytest.raises(NotExecuted):
        source.get()
    setup.remote.error = None
    setup.now += PAUSE_BETWEEN_LOG_INS
    assert source.get().fingerprint != rejected.fingerprint


def test_a_log_in_that_fails_is_not_repeated_at_the_speed_of_those_who_ask():
    setup = Setup()
    source = setup.source()
    setup.remote.error = NotExecuted("the log-in answers with 502")
    for _ in range(100):
        with pytest.raises(NotExecuted):
            source.get()
    assert setup.remote.calls == 1


def test_a_token_never_shows_its_value():
    token = Token.issued("p-secret", at=0, lifetime=1)
    assert "p-secret" not in f"{token} {token!r}"
    assert len(token.fingerprint) == 12
