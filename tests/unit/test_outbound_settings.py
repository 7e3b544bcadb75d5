"""A webhook or a manager that could not work is refused when the file is read, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loader import ConfigurationError, load_settings

HOOK = '[[webhooks]]\nurl = "https://hooks.example/x"\nsecret_file = "secret"\n'
MANAGER = '[manager]\nurl = "https://manager.example"\npassword_file = "secret"\n'


def read(folder: Path, text: str) -> Path:
    (folder / "secret").write_text("a secret\n")
    (folder / "two-lines").write_text("a\nsecret\n")
    file = folder / "site.toml"
    file.write_text(text)
    return file


def test_secrets_lie_beside_the_file_and_a_manager_is_off_unless_it_is_switched_on(tmp_path: Path) -> None:
    settings = load_settings(read(tmp_path, HOOK + MANAGER))
    (webhook,) = settings.webhooks
    assert (webhook.url, webhook.secret_file, webhook.kinds) == ("https://hooks.example/x", tmp_path / "secret", ())
    assert settings.manager is not None
    assert not settings.manager.is_enabled
    assert settings.manager.password_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (HOOK.replace("https://", "ftp://"), "webhooks[0].url: expected http://host or https://host"),
        (HOOK.replace("hooks.example/x", "hooks.example:99999"), "webhooks[0].url: is no URL: "),
        (HOOK.replace("example/x", "example/x#y"), "webhooks[0].url: holds a fragment"),
        (HOOK + HOOK, "webhooks[1].url: is already used at webhooks[0]"),
        (HOOK.replace('"secret"', '"gone"'), "webhooks[0].secret_file: there is no file "),
        (HOOK.replace('"secret"', '"two-lines"'), "webhooks[0].secret_file: "),
        (HOOK.replace('"secret"', '"a\\u0000b"'), "webhooks[0].secret_file: "),
        (HOOK.replace('secret_file = "secret"', ""), "webhooks[0].secret_file: "),
        (HOOK + 'kinds = ["panel_awy"]\n', "webhooks[0].kinds[0]: no kind of event is named 'panel_awy'"),
        (HOOK + "kind = 5\n", "webhooks[0].kind: "),
        (MANAGER.replace("https://", ""), "manager.url: expected http://host or https://host"),
        (MANAGER.replace("manager.example", "ann:pw@manager.example"), "manager.url: holds a user or a password"),
        (MANAGER.replace("manager.example", "manager.example?a=b"), "manager.url: holds a query"),
        (MANAGER.replace('"secret"', '"gone"'), "manager.password_file: there is no file "),
    ],
)
def test_what_could_not_work_is_refused_with_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(read(tmp_path, text))
    assert [each for each in refused.value.mistakes if each.startswith(mistake)], refused.value.mistakes
