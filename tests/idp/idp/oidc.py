"""The API: metadata, keys, device authorization, tokens, userinfo."""

from . import strict
from .answer import NO_STORE, Answer, Refused, json_answer, refuse
from .device import ACR_PASSWORD, ACR_SECOND_FACTOR, MAX_DEVICE_NAME, Pending
from .dpop import ALGORITHMS as DPOP_ALGORITHMS
from .dpop import BadProof
from .idtoken import group_claims, mint, override_claims
from .jwks import key_set
from .keys import ALGORITHMS, b64, b64_json
from .values import merge
from .variants import USERINFO_VARIANTS

SCOPES = ("openid", "profile", "email", "groups", "offline_access")
DEFAULT_MAX_AGE_S = 3600
USER_CODE_PARAMETER = "user_code"


def metadata(provider):
    """OpenID Connect Discovery 3, RFC 8414 2, RFC 8628 4."""
    issuer, base = provider.issuer, provider.issuer + provider.path_prefix()
    methods = ["none", "client_secret_basic", "client_secret_post",
               "private_key_jwt"]
    return {
        "issuer": issuer,
        "device_authorization_endpoint": base + "/device_authorization",
        "token_endpoint": base + "/token",
        "userinfo_endpoint": base + "/userinfo",
        "jwks_uri": base + "/jwks",
        "revocation_endpoint": base + "/revoke",
        "introspection_endpoint": base + "/introspect",
        "scopes_supported": list(SCOPES),
        "response_types_supported": [],
        "grant_types_supported": list(strict.GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
        "acr_values_supported": [ACR_PASSWORD, ACR_SECOND_FACTOR],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr",
            "preferred_username", "name", "email", "email_verified", "groups"],
    }


def cached(provider):
    max_age = provider.quirks.get("max_age", DEFAULT_MAX_AGE_S)
    return {} if max_age is None else {
        "Cache-Control": f"public, max-age={max_age}"}


async def discovery(exchange):
    provider = exchange.provider
    return json_answer(metadata(provider), headers=cached(provider))


async def jwks(exchange):
    """RFC 7517 5."""
    provider = exchange.provider
    answer = json_answer(key_set(provider.keys, provider.quirks),
                         headers=cached(provider))
    answer.headers.setdefault("Content-Type", "application/json")
    if isinstance(answer.json, str):  # a set that is meant to be no JSON
        answer.text = answer.json
    return answer


def granted_scope(provider, form):
    """The scopes that are known; the others are dropped, or refused."""
    if "scope" not in form and "scope_required" in provider.quirks:
        refuse("invalid_scope", "scope is required here")
    asked = form.get("scope", "").split()
    unknown = [name for name in asked if name not in SCOPES]
    if unknown and provider.quirks.get("unknown_scope") == "refuse":
        refuse("invalid_scope", f"unknown scope {unknown[0]}")
    return [name for name in dict.fromkeys(asked) if name in SCOPES]


async def device_authorization(exchange):
    """RFC 8628 3.1 and 3.2."""
    provider, form = exchange.provider, exchange.form
    quirks = provider.quirks
    device_name = form.get("device_name", "")
    if len(device_name) > MAX_DEVICE_NAME:
        refuse("invalid_request", "device_name is too long")
    grant = provider.devices.issue(
        exchange.client.client_id, granted_scope(provider, form), device_name,
        form.get("acr_values", "").split(),
        int(form["max_age"]) if "max_age" in form else None)
    address = provider.issuer + provider.path_prefix() + "/device"
    answer = {
        "device_code": grant.device_code,
        "user_code": grant.user_code,
        "verification_url" if "verification_url" in quirks
        else "verification_uri": address,
    }
    parameter = quirks.get("verification_uri_complete", USER_CODE_PARAMETER)
    if parameter is not None:
        answer["verification_uri_complete"] = "{}?{}={}".format(
            address, parameter, grant.user_code.replace(" ", "%20"))
    announced = {"expires_in": quirks.get(
        "expires_in", round(grant.expires_at - grant.issued_at)),
        "interval": quirks.get("interval", int(grant.interval))}
    answer.update({name: value for name, value in announced.items()
                   if value is not None})
    return json_answer(answer)


async def token(exchange):
    """RFC 6749 3.2: the grants that are offered."""
    provider = exchange.provider
    jkt = dpop_key(exchange)
    # RFC 9449 8.2: a nonce may come with any answer, errors included.
    nonce = provider.proofs.nonce_headers() if jkt else {}
    try:
        if exchange.form["grant_type"] == strict.DEVICE_CODE_GRANT:
            answer = redeem_device_code(exchange, jkt)
        else:
            answer = refresh(exchange, jkt)
    except Refused as refused:
        refused.answer.headers.update(nonce)
        raise
    answer.headers.update(nonce)
    return answer


def dpop_key(exchange):
    """The key of the request's DPoP proof; None without a proof."""
    provider, request = exchange.provider, exchange.request
    quirks = provider.quirks
    if "DPoP" not in request.headers:
        if "dpop_required" in quirks:
            error = quirks.get("dpop_required")
            refuse("invalid_dpop_proof" if error is True else error,
                   "a DPoP proof is required")
        return None
    if "dpop_downgrade" in quirks:
        return None
    path = request.raw_path.partition("?")[0]
    try:
        return provider.proofs.check(request, provider.issuer_origin + path)
    except BadProof as proof:
        if proof.violation:
            provider.journal.violate(exchange.endpoint.name, f"DPoP: {proof}")
        refuse(proof.error, str(proof), headers=provider.proofs.nonce_headers())


def redeem_device_code(exchange, jkt):
    """RFC 8628 3.4 and 3.5."""
    provider = exchange.provider
    try:
        grant = provider.devices.poll(
            exchange.form["device_code"], exchange.client.client_id)
    except Pending as pending:
        refuse(pending.error, "see RFC 8628 3.5")
    family = provider.tokens.open_family(grant, jkt)
    answer = token_answer(provider, family, family.scope)
    wanted = provider.quirks.get("refresh_token", "offline_access")
    if wanted == "always" or (wanted != "never"
                              and "offline_access" in family.scope):
        answer.json["refresh_token"] = provider.tokens.new_refresh(family)
    if "token_error_and_token" in provider.quirks:
        error = provider.quirks.get("token_error_and_token")
        answer.json["error"] = "access_denied" if error is True else error
    return answer


def refresh(exchange, jkt):
    """RFC 6749 6, with rotation; DPoP-bound as RFC 9449 5 says."""
    provider, form = exchange.provider, exchange.form
    quirks, tokens = provider.quirks, provider.tokens
    family = tokens.use_refresh(
        form["refresh_token"], exchange.client.client_id)
    if family is None:
        refuse("invalid_grant", "this refresh token is not valid")
    if family.jkt and family.jkt != jkt:
        refuse("invalid_dpop_proof", "not the key that the token is bound to")
    if unusable(provider, family.username, "refresh"):
        refuse("invalid_grant", "the account is disabled")
    scope = form["scope"].split() if "scope" in form else family.scope
    if "refresh_ignores_scope" in quirks:
        scope = family.scope
    if not set(scope) <= set(family.scope):
        refuse("invalid_scope", "more than was granted")
    family.refreshes += 1
    answer = token_answer(provider, family, scope)
    if "refresh_no_id_token" in quirks:
        answer.json.pop("id_token", None)
    if "refresh_keeps_token" not in quirks:
        tokens.retire_refresh(form["refresh_token"])
        answer.json["refresh_token"] = tokens.new_refresh(family)
    return answer


def unusable(provider, username, where):
    """Whether the account is disabled, and this place notices it."""
    account = provider.directory.account(username)
    unnoticed = provider.quirks.variants("disabled_unnoticed")
    return account is None or (account.disabled and where not in unnoticed)


def token_answer(provider, family, scope):
    """RFC 6749 5.1 with OpenID Connect Core 3.1.3.3."""
    text, lifetime = provider.tokens.new_access(family, scope)
    answer = {"access_token": text,
              "token_type": "DPoP" if family.jkt else "Bearer",
              "expires_in": lifetime, "scope": " ".join(scope)}
    if lifetime is None:
        del answer["expires_in"]
    if "openid" in scope:
        account = provider.directory.account(family.username)
        id_token = mint(provider, account, family, text)
        if id_token is not None:
            answer["id_token"] = id_token
    return json_answer(answer)


async def userinfo(exchange):
    """OpenID Connect Core 5.3."""
    provider = exchange.provider
    scheme, text = exchange.examination.bearer(exchange.request)
    if text is None:
        return exchange.examination.refusal
    access = provider.tokens.access(text)
    if access is None or unusable(
            provider, access.family.username, "userinfo"):
        refuse("invalid_token", "this access token is not valid", 401,
               {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    check_binding(exchange, scheme, text, access.family.jkt)
    account = provider.directory.account(access.family.username)
    claims = {"sub": account.sub, **account.profile_claims(),
              **group_claims(provider, account)}
    override_claims(provider, account, claims)
    return userinfo_variant(
        provider, account, claims, access.family.client_id)


def check_binding(exchange, scheme, text, jkt):
    """RFC 9449 7.1: a bound token needs a proof with its key."""
    provider = exchange.provider
    if jkt is None:
        if scheme != "bearer":
            exchange.examination.fault("DPoP scheme for a Bearer token")
            refuse("invalid_token", "this token is a Bearer token", 401)
        return
    challenge = {"WWW-Authenticate": 'DPoP algs="ES256"'}
    try:
        if scheme != "dpop" or "DPoP" not in exchange.request.headers:
            raise BadProof("a DPoP-bound token without a proof")
        path = exchange.request.raw_path
        if jkt != provider.proofs.check(
                exchange.request, provider.issuer_origin + path, text):
            raise BadProof("not the key that the token is bound to")
    except BadProof as proof:
        if proof.violation:
            provider.journal.violate("userinfo", f"DPoP: {proof}")
        refuse(proof.error, str(proof), 401,
               {**challenge, **provider.proofs.nonce_headers()})


def userinfo_variant(provider, account, claims, client_id):
    variant = provider.quirks.get("userinfo")
    if variant == "array":
        return json_answer([claims])
    if variant == "string":
        return json_answer(account.sub)
    if variant == "jwt":
        key = provider.keys.signing("ES256")
        signed = b64_json({"alg": key.alg, "kid": key.kid}) + "." + b64_json(
            {"iss": provider.issuer, "aud": client_id, **claims})
        return Answer(
            text=signed + "." + b64(key.sign(signed.encode())),
            headers={"Content-Type": "application/jwt", **NO_STORE})
    return json_answer(merge(claims, USERINFO_VARIANTS.get(variant, {}), {}))


async def revoke(exchange):
    """RFC 7009 2.2: 200 for tokens unknown, too."""
    provider = exchange.provider
    provider.tokens.revoke(
        exchange.form["token"], exchange.client.client_id)
    return Answer(text="", headers={
        "Content-Type": "application/json", **NO_STORE})


async def introspect(exchange):
    """RFC 7662 2.2, for a client's own tokens."""
    provider, text = exchange.provider, exchange.form["token"]
    access = provider.tokens.access(text)
    family = access.family if access else provider.tokens.refresh_family(text)
    if (family is None or family.client_id != exchange.client.client_id
            or unusable(provider, family.username, "introspect")):
        return json_answer({"active": False})
    account = provider.directory.account(family.username)
    answer = {"active": True, "iss": provider.issuer, "sub": account.sub,
              "client_id": family.client_id, "username": family.username,
              "scope": " ".join(access.scope if access else family.scope)}
    if access:
        answer["exp"] = int(access.expires_at)
        answer["token_type"] = "DPoP" if family.jkt else "Bearer"
    if family.jkt:
        answer["cnf"] = {"jkt": family.jkt}
    return json_answer(answer)
