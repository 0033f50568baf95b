"""devauth-idp: an OpenID Provider for devauth's demonstration and tests.

It is written from the text of the RFCs, with other libraries than devauth
itself, so that the two ends of every protocol do not share a mistake.
It knows its accounts' passwords in clear text and misbehaves on request:
never use it in production.
"""
