import { Button } from "../../parts/Button";
import { useBlobUrl } from "../../parts/blobs";
import { bytes } from "../../parts/formats";
import { CrossIcon } from "../../parts/icons";
import styles from "./AttachedFiles.module.css";
import type { Attached } from "./attachments";

interface AttachedFilesProps {
  files: readonly Attached[];
  onRemove: (file: Attached) => void;
}

/** What will go with the message. */
export function AttachedFiles({ files, onRemove }: AttachedFilesProps) {
  if (files.length === 0) return null;
  return (
    <ul className={styles.files} aria-label="Attached">
      {files.map((file) => (
        <li key={file.key} className={styles.file}>
          {file.kind === "image" && <Thumbnail file={file} />}
          <span className={styles.name}>{file.name}</span>
          <small>{bytes(file.sizeBytes)}</small>
          <Button tone="quiet" aria-label={`Remove ${file.name}`} onClick={() => onRemove(file)}>
            <CrossIcon />
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Thumbnail({ file }: { file: Attached }) {
  const url = useBlobUrl(file.base64, file.mediaType);
  return url === null ? null : <img src={url} alt="" className={styles.thumbnail} />;
}
