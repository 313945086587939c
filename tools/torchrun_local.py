"""torchrun for processes on this machine that cannot be reached from outside.

    python tools/torchrun_local.py [--port N] --nproc-per-node 2 SCRIPT ...

torchrun's store, through which processes find each other, listens on all addresses of a machine and
does what any client asks. Here it listens on 127.0.0.1, and Gloo and NCCL connect there as well
(GLOO_SOCKET_IFNAME, NCCL_SOCKET_IFNAME, if they are not set). Without --port a free one is used.
tools/dist_train.sh and tools/dist_test.sh use this for runs on one machine.
"""

from __future__ import annotations

import datetime
import os
import re
import socket
import sys

from torch.distributed import PrefixStore, TCPStore
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)
from torch.distributed.run import main as torchrun

ADDRESS = '127.0.0.1'
TIMEOUT = datetime.timedelta(minutes=15)


class LoopbackRendezvous(RendezvousHandler):
    """Rendezvous on one machine, without other nodes to wait for.

    Args:
        listener: Socket that the store listens on.
        run_id: Id of the run, for the names in the store.
    """

    def __init__(self, listener: socket.socket, run_id: str) -> None:
        self.run_id = run_id
        self.port = listener.getsockname()[1]
        self.store = TCPStore(
            ADDRESS,
            self.port,
            1,
            is_master=True,
            timeout=TIMEOUT,
            master_listen_fd=listener.detach(),
        )

    def get_backend(self) -> str:
        return 'loopback'

    @property
    def use_agent_store(self) -> bool:
        return True

    def next_rendezvous(self) -> RendezvousInfo:
        return RendezvousInfo(
            PrefixStore(self.run_id, self.store), 0, 1, RendezvousStoreInfo(ADDRESS, self.port)
        )

    def is_closed(self) -> bool:
        return False

    def set_closed(self) -> None:
        pass

    def num_nodes_waiting(self) -> int:
        return 0

    def get_run_id(self) -> str:
        return self.run_id

    def shutdown(self) -> bool:
        return True


def main() -> None:
    args, port = sys.argv[1:], 0
    if args[:1] == ['--port']:
        value, args = ''.join(args[1:2]), args[2:]
        if not re.fullmatch('[0-9]{1,5}', value) or (port := int(value)) > 65535:
            raise SystemExit(
                f'error: --port {value!r}: must be a number from 0 to 65535, 0 for any'
            )
    try:
        listener = socket.create_server((ADDRESS, port))
    except OSError as error:
        raise SystemExit(
            f'error: port {port} of {ADDRESS} cannot be used ({os.strerror(error.errno)}): set '
            'PORT to another one, or leave it out for a free one'
        ) from None

    def handler(parameters: RendezvousParameters) -> RendezvousHandler:
        return LoopbackRendezvous(listener, parameters.run_id)

    rendezvous_handler_registry.register('loopback', handler)
    interface = next((name for _, name in socket.if_nameindex() if name in ('lo', 'lo0')), None)
    if interface is not None:
        os.environ.setdefault('GLOO_SOCKET_IFNAME', interface)
        os.environ.setdefault('NCCL_SOCKET_IFNAME', interface)
    torchrun(['--rdzv-backend=loopback', f'--rdzv-endpoint={ADDRESS}:{port}', *args])


if __name__ == '__main__':
    main()
