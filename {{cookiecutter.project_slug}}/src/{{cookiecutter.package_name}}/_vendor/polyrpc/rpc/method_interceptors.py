"""Interceptors that are put around an RPC once, at start, and not at every call."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .handlers import RpcFunction
from .method_info import Protocol


class MethodInterceptor(ABC):
    """An interceptor whose decision depends on the RPC alone.

    It costs a call no more than the function that `wrap` has made for its RPC.
    """

    @abstractmethod
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Puts this interceptor around the handler of an RPC; called at start, not at every call.

        The request and the response are not for it to look at: it hands them on as they are.
        Messages are read and written inside `run`, so that a call that is refused is refused before
        its message is looked at, and one whose message cannot be read is observed like any other.

        Args:
            rpc: The gRPC path, such as `/greeter_service.v1.Greeter/SayHello`. Also of RPCs that
                there are not, of which callers can make up any number: nothing is to be kept by
                the name of an RPC.
            protocol: What its callers speak.
            run: What is inside.
        """
