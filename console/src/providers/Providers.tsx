import { getRouteApi, Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { Curl } from "../parts/Curl";
import { Head } from "../parts/Head";
import { State } from "../parts/State";
import { AddProvider } from "./AddProvider";
import { Provider } from "./Provider";
import styles from "./Providers.module.css";
import { useProviders } from "./queries";

const route = getRouteApi("/providers");

/** The accounts and servers that answer, with their models. */
export function Providers() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const providers = useProviders();
  const opened = providers.data?.find(({ id }) => id === search.provider);
  const isGone =
    search.add === undefined &&
    search.provider !== undefined &&
    providers.isSuccess &&
    opened === undefined;
  return (
    <>
      <Head title="Providers">
        {search.add === undefined && (
          <Button tone="primary" onClick={() => navigate({ search: { add: "openai" } })}>
            Add a provider
          </Button>
        )}
      </Head>
      <div className={styles.columns}>
        <State
          query={providers}
          rows={4}
          isEmpty={(list) => list.length === 0}
          empty={
            <>
              <p>
                A provider is an account at a model vendor, or a model server of your own. Add one
                first.
              </p>
              <Curl
                method="POST"
                path="/v1/llm-providers"
                body={{ name: "openai", provider_type: "openai", api_key: "sk-…" }}
              />
            </>
          }
        >
          {(list) => <ProviderList providers={list} />}
        </State>
        {search.add !== undefined && <AddProvider key={search.add} type={search.add} />}
        {search.add === undefined && opened !== undefined && (
          <Provider key={opened.id} provider={opened} />
        )}
        {isGone && <p>There is no such provider. It may have been deleted.</p>}
      </div>
    </>
  );
}

function ProviderList({ providers }: { providers: readonly Schemas["Provider"][] }) {
  return (
    <ul className={styles.list} aria-label="Providers">
      {providers.map((provider) => (
        <li key={provider.id}>
          <Link
            to="/providers"
            search={{ provider: provider.id }}
            className={styles.provider}
            activeOptions={{ includeSearch: true }}
          >
            <span className={styles.name}>
              {provider.name}
              {provider.is_default && <span className={styles.badge}>default</span>}
            </span>
            <span className={styles.state}>
              {provider.provider_type}
              {" · "}
              <Standing provider={provider} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Standing({ provider }: { provider: Schemas["Provider"] }) {
  const count = provider.models?.length ?? 0;
  if (provider.status === "disabled") return "disabled";
  if (count === 0) return <span className={styles.bad}>no models</span>;
  return count === 1 ? "1 model" : `${count} models`;
}
