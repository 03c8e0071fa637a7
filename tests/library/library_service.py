"""A service whose RPCs have REST routes."""

from __future__ import annotations

from typing import Any

from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc


class LibraryService(pb_grpc.LibraryServicer):
    """Answers what it was asked, so that tests see how requests arrive."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_LibraryServicer_to_server(instance, server)

    async def GetBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name, title="a book")

    async def ListBooks(self, request: Any, context: Any) -> Any:
        titles = [request.parent, request.filter.author, *map(str, request.ids)]
        return pb.ListBooksResponse(books=[pb.Book(title=title) for title in titles])

    async def CreateBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=f"{request.parent}/books/1", title=request.book.title)

    async def MoveBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name, title=request.shelf)

    async def GetFile(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name)

    async def ReadPages(self, request: Any, context: Any) -> Any:
        for page in (1, 2):
            yield pb.Book(name=request.name, pages=page)
