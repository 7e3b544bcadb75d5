"""Files that an operator may leave behind, read while the gateway works."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.site import attacked


async def test_a_large_configuration_does_not_hold_the_loop_while_it_is_read(tmp_path: Path) -> None:
    async with attacked(tmp_path) as gateway:
        config = tmp_path / "site.toml"
        line = '[[lines]]\nid = "l{0}"\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 1\n'
        config.write_text(config.read_text() + "".join(map(line.format, range(3000))) + "mistake = 1\n")

        async def reload() -> None:
            answer = await gateway.send("POST", "/gateway/v1/reload", {"Authorization": gateway.bearer})
            assert answer.startswith(b"HTTP/1.1 422 "), answer[:300]

        await gateway.never_holds_the_loop(reload)
