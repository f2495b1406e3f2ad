"""Media types that schemathesis does not know: they are sent as they are."""
import schemathesis


@schemathesis.serializer("application/jwt", "application/jose", "application/x-ndjson")
def plain(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
