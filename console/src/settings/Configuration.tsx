import type { Schemas } from "../api/client";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import styles from "./Settings.module.css";

type Setting = Schemas["ShownSetting"];

/** How the server is configured. It is read when the server starts, so it is not changed here. */
export function Configuration({ settings }: { settings: readonly Setting[] }) {
  const changed = settings.filter((setting) => !setting.is_default);
  return (
    <section className={styles.section}>
      <h2>Configuration</h2>
      <p className={styles.quiet}>
        Flags, <code>EVERRUNS_*</code> variables and a TOML file set it when the server starts.{" "}
        {changed.length === 0
          ? "Every setting has its default."
          : `${changed.length} of ${settings.length} settings differ from their defaults.`}
      </p>
      {changed.length > 0 && <SettingsTable label="Changed settings" settings={changed} />}
      <details>
        <summary>All settings</summary>
        <SettingsTable label="All settings" settings={settings} />
      </details>
    </section>
  );
}

function SettingsTable({ label, settings }: { label: string; settings: readonly Setting[] }) {
  return (
    <Table label={label}>
      <TableHead columns={["Setting", "Value", "Meaning"]} />
      <tbody>
        {settings.map((setting) => (
          <tr key={setting.name}>
            <th scope="row">
              <code>{setting.name}</code>
            </th>
            <td className={styles.value}>
              <code>{shownValue(setting)}</code>
            </td>
            <td className={styles.quiet}>{setting.description}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function shownValue(setting: Setting): string {
  if (setting.is_secret) return setting.is_set ? "set" : "not set";
  if (setting.value === null || setting.value === undefined) return "–";
  return typeof setting.value === "string" ? setting.value : JSON.stringify(setting.value);
}
