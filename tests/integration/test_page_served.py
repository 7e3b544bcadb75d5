"""The page as the whole gateway serves it: what caches keep of it, what is compressed, and what an older page of it gets."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.api_server import BASIC
from tests.support.whole_site import whole_site

BROWSER = {"User-Agent": "Mozilla/5.0", "Accept-Encoding": "gzip"}


async def test_the_page_is_never_kept_its_files_are_for_good_and_data_never(tmp_path: Path) -> None:
    async with whole_site(tmp_path, bound=False) as site:
        page = await site.call("GET", "/", authorization=None)
        assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        script = re.findall(r'src="(/static/[^"]+/main\.js)"', page.text)[0]
        kept = await site.call("GET", script, authorization=None)
        assert (kept.status, kept.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert (await site.call("GET", "/gateway/v1/panels")).headers["Cache-Control"] == "no-store"
        older = await site.call("GET", f"/static/{'0' * 16}/main.js", authorization=None)
        assert (older.status, older.headers["Cache-Control"]) == (404, "no-store")
        for path in (script, "/gateway/v1/openapi.json"):
            for headers, encoding in ((BROWSER, "gzip"), ({"User-Agent": "curl/8", "Accept-Encoding": "gzip"}, None)):
                async with site.session.get(site.url + path, headers={**headers, "Authorization": BASIC}) as answer:
                    assert (answer.status, answer.headers.get("Content-Encoding")) == (200, encoding), path
                    assert await answer.read()
