"""What providers send, or might send: the texts behind the named variants."""

OK_BODY = '{"error":"authorization_pending"}'
OK_ANSWER = (
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(OK_BODY)}\r\n\r\n{OK_BODY}")

RAW_ANSWERS = {
    "continue_flood": "HTTP/1.1 100 Continue\r\n\r\n" * 10000,
    "http09": OK_BODY,
    "http2": "\0\0\x12\x04\0\0\0\0\0" + "\0\x03\0\0\0\x64\0\x04\0\xa0\0\0"
             "\0\x02\0\0\0\0",
    "two_answers": OK_ANSWER + "HTTP/1.1 200 OK\r\nContent-Type: application/"
                   "json\r\nContent-Length: 25\r\n\r\n"
                   "{\"access_token\":\"second\"}",
    "two_lengths": OK_ANSWER.replace(
        "Content-Length", "Content-Length: 2\r\nContent-Length", 1),
    "bad_status_line": "HTTP/1.1 twohundred OK\r\n\r\n",
    "bad_chunk": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "huge_chunk": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "folded_header": OK_ANSWER.replace(
        "Content-Type", "X-Folded: a\r\n b\r\nContent-Type", 1),
    "nul_in_header": OK_ANSWER.replace(
        "Content-Type", "X-Nul: a\0b\r\nContent-Type", 1),
    "endless_line": "HTTP/1.1 200 " + "A" * 2 ** 22,
}

UNKNOWN_MEMBERS = {
    "x_unknown": {"nested": [1, None, True, {"deeper": ["Ω", "\\\"/"]}]},
    "": "empty name", "x_float": 1.5e-3, "x_null_list": [None],
    "Error": "not an error", "x_big": 2 ** 70,
}

DISCOVERY_VARIANTS = {
    "wrong_issuer": {"issuer": "https://elsewhere.example"},
    "issuer_slash": {"issuer": "$ISSUER/"},
    "issuer_case": {"issuer": "$ISSUER_UPPER"},
    "issuer_missing": {"issuer": None},
    "issuer_array": {"issuer": ["$ISSUER"]},
    "no_token_endpoint": {"token_endpoint": None},
    "no_device_endpoint": {"device_authorization_endpoint": None},
    "no_jwks_uri": {"jwks_uri": None},
    "minimal": {name: None for name in (
        "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint",
        "grant_types_supported", "token_endpoint_auth_methods_supported",
        "scopes_supported", "claims_supported", "acr_values_supported",
        "dpop_signing_alg_values_supported", "response_types_supported")},
    "http_token_endpoint": {"token_endpoint": "$HTTP/token"},
    "http_device_endpoint": {
        "device_authorization_endpoint": "$HTTP/device_authorization"},
    "http_jwks_uri": {"jwks_uri": "$HTTP/jwks"},
    "other_host_token_endpoint": {
        "token_endpoint": "https://elsewhere.example/token"},
    "other_host_device_endpoint": {
        "device_authorization_endpoint": "https://elsewhere.example/device"},
    "other_host_jwks_uri": {"jwks_uri": "https://elsewhere.example/jwks"},
    "userinfo_in_endpoint": {"token_endpoint": "https://localhost@elsewhere."
                                               "example/token"},
    "file_jwks_uri": {"jwks_uri": "file:///etc/passwd"},
    "relative_endpoint": {"token_endpoint": "/token"},
    "number_endpoint": {"token_endpoint": 443},
    "endpoint_with_query": {"token_endpoint": "$ISSUER/token?tenant=a"},
    "endpoint_with_fragment": {"token_endpoint": "$ISSUER/token#a"},
    "endpoint_with_control": {"token_endpoint": "$ISSUER/token\r\nX-Evil: 1"},
    "algorithms_without_key": {"id_token_signing_alg_values_supported": [
        "HS256", "none", "ES512", "RS512", "ES256", "RS256"]},
}

LONG = 65536
USER_CODE_VARIANTS = {
    "missing": None,
    "number": 12345678,
    "array": ["WDJB", "MJHT"],
    "empty": "",
    "huge": "B" * LONG,
    "escape": "WDJB\x1b[2J\x1b]52;c;ZXZpbA==\x07",
    "c1": "WDJB\x9b2J",
    "newline": "WDJB\r\nPassword: ",
    "nul": "WDJB\0MJHT",
    "bidi": "WDJB\u202eMJHT\u2066",
    "zero_width": "WD\u200bJB\u2060MJ\ufeffHT",
    "combining": "W" + "\u0301" * 10000,
    "percent": "%n%s%x%s%n",
}
USER_CODE_STYLES = {
    "dash": "WDJB-MJHT", "plain": "WDJBMJHT", "space": "WDJB MJHT",
    "lower": "wdjb-mjht", "digits": "123456789", "digits_dash": "123-456-789",
}
VERIFICATION_URI_VARIANTS = {
    "missing": None,
    "number": 443,
    "empty": "",
    "http": "http://localhost/device",
    "javascript": "javascript:alert(1)",
    "userinfo": "https://localhost@elsewhere.example/device",
    "other_host": "https://elsewhere.example/device",
    "idn": "https://lоgin.example.com/device",  # a Cyrillic letter
    "punycode": "https://xn--lgin-vqe.example.com/device",
    "escape": "https://localhost/\x1b]8;;https://elsewhere.example\x07device",
    "newline": "https://localhost/device\r\nPassword: ",
    "space": "https://localhost/device https://elsewhere.example/",
    "huge": "https://localhost/" + "a" * LONG,
    "bidi": "https://localhost/\u202eecived",
    "percent": "https://localhost/%n%s%x",
    "backslash": "https:\\\\elsewhere.example\\device",
}
URI_MEMBERS = ("verification_uri", "verification_uri_complete")

ERROR_DESCRIPTIONS = {
    "crlf": "denied\r\nSet-Cookie: a=b\r\n\r\nPassword: ",
    "html": "<script>alert(1)</script><b>&amp;",
    "escape": "\x1b[2J\x1b]0;owned\x07 Enter code: EVIL-CODE",
    "percent": "%n%s%x%n",
    "huge": "x" * LONG,
    "not_a_string": {"nested": ["no", "string"]},
}
ERROR_BODIES = {
    "empty": "",
    "html": "<!doctype html><title>Error</title><p>Something went wrong",
    "text": "authorization_pending",
    "number": "42",
    "array": '["authorization_pending"]',
    "error_number": '{"error": 400}',
    "error_object": '{"error": {"code": "authorization_pending"}}',
    "error_null": '{"error": null}',
    "truncated": '{"error": "authorization_pen',
    "bom": '\ufeff{"error": "authorization_pending"}',
}
HOSTILE_HEADERS = {
    "Set-Cookie": ["session=evil; Path=/", "second=evil"],
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Alt-Svc": 'h3=":443"; ma=86400',
    "WWW-Authenticate": ["NTLM", "Negotiate", 'Digest realm="x", nonce="y"'],
    "Link": "<https://elsewhere.example/>; rel=preconnect",
    "Refresh": "0; url=https://elsewhere.example/",
}
DPOP_NONCE_VARIANTS = {
    "required": "a nonce is required and given (RFC 9449 8)",
    "rotate": "required, and another one with every answer",
    "absent": "use_dpop_nonce without a DPoP-Nonce header",
    "doubled": "two DPoP-Nonce headers",
    "huge": "a nonce of 64 KiB",
    "crlf": "a nonce with CR LF and a header of its own",
    "endless": "use_dpop_nonce for ever, with a fresh nonce each time",
}
USERINFO_VARIANTS = {
    "sub_mismatch": {"sub": "idp-somebody-else"},
    "sub_missing": {"sub": None},
    "sub_number": {"sub": 42},
    "array": "an array instead of an object",
    "string": "a string instead of an object",
    "jwt": "a signed JWT (application/jwt), which nobody asked for",
}
