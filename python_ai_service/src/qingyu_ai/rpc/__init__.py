"""The AIService contract over Connect, gRPC-Web and plain gRPC."""
