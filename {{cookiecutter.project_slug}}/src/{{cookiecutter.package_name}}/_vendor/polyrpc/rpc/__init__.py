"""What an RPC is, whatever protocol it is called by. Imports no other room."""
