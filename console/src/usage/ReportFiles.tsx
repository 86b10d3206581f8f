import { Button } from "../parts/Button";
import type { useUsageFile } from "./queries";
import styles from "./Usage.module.css";

/** Buttons that save a report as a file. */
export function ReportFiles({ file }: { file: ReturnType<typeof useUsageFile> }) {
  return (
    <span className={styles.files}>
      <Button tone="quiet" isBusy={file.isPending} onClick={() => file.mutate("csv")}>
        CSV
      </Button>
      <Button tone="quiet" isBusy={file.isPending} onClick={() => file.mutate("parquet")}>
        Parquet
      </Button>
    </span>
  );
}
