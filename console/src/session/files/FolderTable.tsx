import { withVisibleControls } from "../../parts/controls";
import { bytes } from "../../parts/formats";
import { TableHead } from "../../parts/TableHead";
import { Time } from "../../parts/Time";
import { FileLink } from "./FileLink";
import styles from "./FolderView.module.css";
import type { Node } from "./tree";

/** What is in a folder, as rows. */
export function FolderTable({ entries }: { entries: readonly Node[] }) {
  return (
    <table className={styles.entries}>
      <TableHead
        columns={[
          "Name",
          { name: "Size", className: styles.number },
          { name: "Changed", className: styles.number },
        ]}
      />
      <tbody>
        {entries.map(({ path, name, info, children }) => (
          <tr key={path}>
            <th scope="row">
              <FileLink path={path} className={styles.link}>
                {withVisibleControls(children === null ? name : `${name}/`)}
              </FileLink>
              {info?.is_readonly && <span className={styles.note}>read-only</span>}
            </th>
            <td className={styles.number}>
              {children === null ? bytes(info?.size_bytes ?? 0) : `${children.length} entries`}
            </td>
            <td className={styles.number}>{info !== null && <Time at={info.updated_at} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
