import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { brief } from "../parts/formats";
import { Table } from "../parts/Table";
import { ACTIONS, TableHead } from "../parts/TableHead";
import styles from "./Providers.module.css";

interface ModelsProps {
  models: readonly Schemas["OfferedModel"][];
  onTest: (model: string) => void;
  isTesting: boolean;
}

/** The models of a provider, with what is known of them. */
export function Models({ models, onTest, isTesting }: ModelsProps) {
  if (models.length === 0) return <p className={styles.quiet}>This provider offers no models.</p>;
  return (
    <Table label="Models">
      <TableHead
        columns={[
          "Model",
          { name: "Context", isNumber: true, title: "Tokens that fit into a request" },
          { name: "Input $/M", isNumber: true, title: "US dollars per million tokens" },
          { name: "Output $/M", isNumber: true, title: "US dollars per million tokens" },
          "Supports",
          ACTIONS,
        ]}
      />
      <tbody>
        {models.map((model) => (
          <tr key={model.id}>
            <th scope="row" title={model.id}>
              <code>{model.model_id}</code>
              {model.is_default && <span className={styles.badge}>default</span>}
            </th>
            <td data-number>{size(model)}</td>
            <td data-number>{price(model.profile?.cost?.input)}</td>
            <td data-number>{price(model.profile?.cost?.output)}</td>
            <td className={styles.quiet}>{model.capabilities?.join(", ").replaceAll("_", " ")}</td>
            <td>
              <Button tone="quiet" isBusy={isTesting} onClick={() => onTest(model.id)}>
                Test
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function size(model: Schemas["OfferedModel"]): string {
  const context = model.profile?.limits?.context;
  return context == null ? "–" : brief(context);
}

function price(dollars: number | undefined): string {
  if (dollars === undefined) return "–";
  return dollars === 0 ? "0" : dollars.toFixed(dollars < 0.1 ? 3 : 2);
}
