"""The unmodified Graph SDK, pointed at an emulator, and the few steps that many tests begin with."""

from datetime import datetime, timedelta, timezone
from uuid import UUID

from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.add_password.add_password_post_request_body import (
    AddPasswordPostRequestBody,
)
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.api_application import ApiApplication
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.graph_request_adapter import GraphRequestAdapter

from certificate import Certificate
from emulator import GRAPH_APP_ID, GRAPH_SCOPE, Credentials, Emulator


class Graph:
    """A client of one application; `sdk` is Microsoft's, the methods are our steps."""

    def __init__(self, emulator: Emulator, perform, credentials: Credentials, scopes=(GRAPH_SCOPE,)):
        self.perform = perform
        self._credential = ClientSecretCredential(
            emulator.tenant,
            credentials.client_id,
            credentials.secret,
            authority=emulator.base,
            disable_instance_discovery=True,
        )
        adapter = GraphRequestAdapter(
            AzureIdentityAuthenticationProvider(self._credential, scopes=list(scopes))
        )
        adapter.base_url = f"{emulator.base}/v1.0"
        self._adapter = adapter
        self.sdk = GraphServiceClient(request_adapter=adapter)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.perform(self._adapter._http_client.aclose())
        self._credential.close()

    def create(self, name: str, **properties) -> Application:
        """Registers an application that gets V2 tokens."""
        properties.setdefault("sign_in_audience", "AzureADMyOrg")
        wanted = Application(
            display_name=name, api=ApiApplication(requested_access_token_version=2), **properties
        )
        return self.perform(self.sdk.applications.post(wanted))

    def upsert(self, key: str, wanted: Application) -> Application | None:
        """Creates the application named `key` and answers it, or updates it and answers nothing."""
        configuration = RequestConfiguration()
        configuration.headers.add("Prefer", "create-if-missing")
        item = self.sdk.applications_with_unique_name(key)
        return self.perform(item.patch(wanted, configuration))

    def principal_of(self, application: Application) -> ServicePrincipal:
        """Creates an application's service principal."""
        wanted = ServicePrincipal(app_id=application.app_id)
        return self.perform(self.sdk.service_principals.post(wanted))

    def add_secret(self, application: Application, life: timedelta) -> PasswordCredential:
        """Adds a secret; the answer is the only place where its text is shown."""
        wanted = PasswordCredential(
            display_name="interop", end_date_time=datetime.now(timezone.utc) + life
        )
        return self.perform(
            self.sdk.applications.by_application_id(application.id).add_password.post(
                AddPasswordPostRequestBody(password_credential=wanted)
            )
        )

    def trust(self, application: Application, certificate: Certificate) -> None:
        """Makes `certificate` the application's credential."""
        credential = KeyCredential(
            type="AsymmetricX509Cert",
            usage="Verify",
            display_name="interop",
            key=certificate.der,
        )
        self.perform(
            self.sdk.applications.by_application_id(application.id).patch(
                Application(key_credentials=[credential])
            )
        )

    def client(self, name: str, life=timedelta(days=1)) -> tuple[Application, Credentials]:
        """An application with a service principal and a secret: all it takes to get tokens."""
        application = self.create(name)
        self.principal_of(application)
        secret = self.add_secret(application, life)
        return application, Credentials(application.app_id, secret.secret_text)

    def graph_principal(self) -> ServicePrincipal:
        """Microsoft Graph's own service principal."""
        return self.perform(self.sdk.service_principals_with_app_id(GRAPH_APP_ID).get())

    def assign(self, resource: ServicePrincipal, role: AppRole, client: ServicePrincipal) -> AppRoleAssignment:
        """Gives `client` an application role of `resource`: an administrator's consent."""
        wanted = AppRoleAssignment(
            app_role_id=role.id, principal_id=UUID(client.id), resource_id=UUID(resource.id)
        )
        return self.perform(
            self.sdk.service_principals.by_service_principal_id(resource.id).app_role_assigned_to.post(wanted)
        )
