"""Reading tokens the way an API does: with the keys that the tenant publishes."""

import jwt

from emulator import Emulator


def verified(emulator: Emulator, token: str, audience: str) -> dict:
    """The claims of a token whose signature, audience and times hold; the keys come from discovery's JWKS."""
    keys = jwt.PyJWKClient(f"{emulator.authority}/discovery/v2.0/keys")
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key, algorithms=["RS256"], audience=audience)


def unverified(token: str) -> dict:
    """The claims of a token that only its audience could verify, such as Graph's."""
    return jwt.decode(token, options={"verify_signature": False})
