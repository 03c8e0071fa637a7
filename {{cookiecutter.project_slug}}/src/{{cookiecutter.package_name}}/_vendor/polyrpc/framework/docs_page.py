"""The documentation page as HTML: Swagger UI, and the script beside this file that starts it.

Where the service asks for tokens, the page is open all the same: it has a field for the token, with
which the script fetches the document. Nothing on it comes from another host.
"""

from __future__ import annotations

import html
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from string import Template

_SCRIPT = Path(__file__).with_name("docs_page.js")
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="stylesheet" href="$style">
<link rel="icon" href="$icon">
<style>
#authorize, #notice { font: 14px sans-serif; margin: 2em auto 0; max-width: 1460px; }
#token { font: inherit; padding: 0.4em; width: 24em; }
#authorize button { font: inherit; padding: 0.4em 1em; }
</style>
</head>
<body$authorization>
<form id="authorize" hidden>
<label for="token">The document and every call ask for a bearer token:</label>
<input id="token" type="password" autocomplete="off" required>
<button type="submit">Authorize</button>
</form>
<p id="notice" role="status"></p>
<div id="swagger-ui"></div>
<script src="$bundle"></script>
<script>$script</script>
</body>
</html>
""")


def docs_page(
    title: str, *, bundle: str, style: str, icon: str, asks_for_tokens: bool
) -> tuple[bytes, str]:
    """Make the page and its content security policy.

    Args:
        title: Its title.
        bundle: The address of Swagger UI's script, seen from the page.
        style: Of its style sheet.
        icon: Of the page's icon.
        asks_for_tokens: Whether `/openapi.json` is refused without a token: then the page asks for
            one before it asks for that.
    """
    # Line ends as a browser has them when it takes the hash, whatever git made of the file's.
    script = _SCRIPT.read_text(encoding="utf-8")
    page = _PAGE.substitute(
        title=html.escape(title),
        bundle=bundle,
        style=style,
        icon=icon,
        script=script,
        authorization=' data-authorization="bearer"' if asks_for_tokens else "",
    )
    digest = b64encode(sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            # The form is the script's: without it, the token goes nowhere.
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    return page.encode("utf-8"), policy
