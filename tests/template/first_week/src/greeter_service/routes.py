"""Routes that are no RPCs: forms, for people with a browser."""

from typing import Any

from esmerald import Form, Gateway, Request, post

from .lifespan import Resources


@post("/absences")
async def upload_absences(request: Request, data: Any = Form()) -> dict[str, Any]:  # noqa: B008 - the framework's way
    """Take a text file, a name a line: `curl -F by=Ada -F names=@names.txt`."""
    resources: Resources = request.app.state.resources
    names = (await data["names"].read()).decode().split()
    await resources.pool.executemany(
        "INSERT INTO absences (name) VALUES ($1) ON CONFLICT DO NOTHING", [(n,) for n in names]
    )
    return {"absent": len(names), "by": data["by"]}


ROUTES = [Gateway(handler=upload_absences)]
