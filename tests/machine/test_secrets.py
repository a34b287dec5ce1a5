"""What looks like a secret, and which of the shell's a process is given."""

from __future__ import annotations

import pytest

from orchestrator.errors import masked
from orchestrator.machine.environ import clean_environment
from orchestrator.machine.secrets import assigns_secret, holds_secret, names_secret, without_secrets

SECRETS = {
    "HF_TOKEN": "hf_x", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b", "GITHUB_PAT": "c", "DB_PWD": "d",
    "PGPASSWORD": "e", "GOOGLE_APPLICATION_CREDENTIALS": "/x.json", "DATABASE_URL": "postgres://me:pw@db/x",
    "SENTRY_DSN": "https://abc@sentry", "MY_NOTES": "token hf_abcdefghijklmnopqrstuv", "SLACK_WEBHOOK": "https://x",
    "HTTPS_PROXY_PASSWORD": "x",
}  # fmt: skip
PLAIN = {
    "PWD": "/home/me", "OLDPWD": "/", "PATH": "/bin", "SSH_AUTH_SOCK": "/run/x", "HTTPS_PROXY": "http://me:pw@proxy:1",
    "no_proxy": "a,b", "HF_ENDPOINT": "https://mirror", "TOKENIZERS_PARALLELISM": "true", "LANG": "de_DE.UTF-8@euro",
    "XDG_RUNTIME_DIR": "/run", "KEYBOARD": "x", "COMPASS": "n", "LS_COLORS": "*.tar=01;31",
}  # fmt: skip


def test_a_process_gets_no_secret_that_it_does_not_need() -> None:
    assert without_secrets(SECRETS | PLAIN) == PLAIN
    needed = ("HF_TOKEN", "DATABASE_URL")
    assert without_secrets(SECRETS | PLAIN, needed) == PLAIN | {name: SECRETS[name] for name in needed}


def test_that_holds_of_every_program_of_a_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | PLAIN).items():
        monkeypatch.setenv(name, value)
    env = clean_environment()
    assert not SECRETS.keys() & env.keys()
    assert {name: env[name] for name in PLAIN} == PLAIN
    assert clean_environment(needed=("HF_TOKEN",))["HF_TOKEN"] == "hf_x"


@pytest.mark.parametrize("name", ["hub-token", "apiKey", "hubToken", "HUB TOKEN", "auth_info", "x.api_key", "passwd"])
def test_names_in_any_spelling(name: str) -> None:
    assert names_secret(name)
    assert holds_secret("a", [{"b": {name: 1}}])


@pytest.mark.parametrize("name", ["max_new_tokens", "tokenizer", "keyboard", "monkey", "patience", "author", "passes"])
def test_names_that_only_sound_so(name: str) -> None:
    assert not names_secret(name)


def test_what_a_line_of_shell_assigns() -> None:
    assert assigns_secret("X=1 DB_PWD=abc ./run")
    assert assigns_secret('{"HF_TOKEN": "abc"}')
    assert not assigns_secret('export HF_TOKEN="$OTHER"; A=`cat f`; KEY=`x`')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:pw@host/x?a=b", "see https://***@host/x?a=b"),
        ("Authorization: Bearer abc123456789", "Authorization: ***"),
        ("got hf_abcdefghijklmnop and AKIAABCDEFGHIJKLMNOP", "got *** and ***"),
        ("proxy http://proxy:3128, mail a@b, path //x/y", "proxy http://proxy:3128, mail a@b, path //x/y"),
        ("bearer bonds, sk-learn-is-a-library", "bearer bonds, sk-learn-is-a-library"),
    ],
)
def test_messages_show_no_secret(text: str, shown: str) -> None:
    assert masked(text) == shown
