"""What the gateway tells every client about itself: the fields of the vendor's `GET /api/info`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web

from gateway.api.live import LIVE
from gateway.api.responses import json_response
from gateway.api.services import SERVICES


def own_version() -> str:
    """The version of the installed package; `unknown` where it is not installed."""
    try:
        return version("panel-gateway")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Info:
    firmware_version: str
    framework_version: str
    frontend_version: str
    api_version: str
    mcu_version: str
    device_type: str
    device_name: str
    device_model: str
    device_serial_number: str
    commit: str
    hybrid_enable: bool = False
    hybrid_version: str = ""


def about(request: web.Request) -> Info:
    live = request.app[LIVE]
    dialect = live.dialect
    return Info(
        firmware_version=dialect.firmware_version,
        framework_version=dialect.framework_version,
        frontend_version=dialect.frontend_version,
        api_version=dialect.api_version,
        mcu_version=dialect.mcu_version,
        device_type=dialect.device_type,
        device_name=live.site_name,
        device_model=dialect.device_model,
        device_serial_number=request.app[SERVICES].device_serial,
        commit=f"panel-gateway {own_version()}",
    )


async def info(request: web.Request) -> web.Response:
    return json_response(about(request))
