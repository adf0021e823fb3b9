"""The contract's documents, generated from the messages and topics."""
