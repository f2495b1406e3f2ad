"""Serializers for media types that schemathesis does not know: values are sent unchanged."""
import schemathesis


@schemathesis.serializer("application/jwt", "application/jose", "application/x-ndjson")
def plain(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
