"""The route that tells a caller what the deployment is, and what the caller may do.

Source: docs/contract.md, "Deployment".
"""

from importlib.metadata import version

from fastapi import Request

from everruns.api.http.exposure import find_exposure
from everruns.api.http.key_ring import KeyRing
from everruns.api.http.parameters import TheKeys
from everruns.api.http.routes import Routes
from everruns.api.http.senders import ThePrincipal
from everruns.domain.deployment import CallerAccess, CallerKind, Deployment, OwnKey, ShownSetting
from everruns.domain.rights import RIGHTS, Principal
from everruns.ids import format_time
from everruns.settings import Settings

routes = Routes("deployment")


@routes.add("GET /deployment", is_for_all=True)
async def get_deployment(request: Request, principal: ThePrincipal, keys: TheKeys) -> Deployment:
    """Read what this deployment is, and what the credential of this request may do."""
    settings: Settings = request.app.state.settings
    is_owner = principal.grant is None
    may_read = principal.grant is None or "read" in principal.grant.rights
    sees_all = is_owner and find_exposure(request.scope, settings) is None
    return Deployment(
        version=version("everruns"),
        auth=settings.auth,
        docs=settings.docs,
        usage=settings.archive and may_read,
        sql=settings.archive and sees_all,
        caller=_access_of(principal, keys),
        settings=_shown(settings) if sees_all else None,
    )


def _access_of(principal: Principal, keys: KeyRing) -> CallerAccess:
    grant = principal.grant
    expires_ms = principal.expires_ms
    return CallerAccess(
        kind=_kind(principal),
        has_limits=grant is not None,
        rights=list(RIGHTS) if grant is None else grant.rights,
        agent_ids=[] if grant is None else grant.agent_ids,
        session_id=grant and grant.session_id,
        end_user=grant and grant.end_user,
        expires_at=None if expires_ms is None else format_time(expires_ms),
        key=_own_key(principal, keys),
    )


def _kind(principal: Principal) -> CallerKind:
    if principal.has_token:
        return "access_token"
    return "anybody" if principal.key_id is None else "api_key"


def _own_key(principal: Principal, keys: KeyRing) -> OwnKey | None:
    """Return the API key of a sender; who shows an access token is not told whose key made it."""
    if principal.key_id is None or principal.has_token:
        return None
    key = keys.known(principal.key_id)
    return key and OwnKey.model_validate(dict(key))


def _shown(settings: Settings) -> list[ShownSetting]:
    """Return all settings, those without secrets with their values."""
    public = settings.public()
    shown: list[ShownSetting] = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        is_secret = name in Settings.secret_names()
        shown.append(
            ShownSetting(
                name=name,
                description=field.description or "",
                value=None if is_secret else public.get(name),
                is_set=value not in (None, (), {}),
                is_default=value == field.default,
                is_secret=is_secret,
            )
        )
    return shown
