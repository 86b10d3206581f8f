import { useMemo, useState } from "react";
import { asFailure } from "../../api/failures";
import { Button } from "../../parts/Button";
import { saveAs } from "../../parts/blobs";
import { withVisibleControls } from "../../parts/controls";
import { bytes } from "../../parts/formats";
import { Failed, State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { FileActions } from "./FileActions";
import { FileContent } from "./FileContent";
import { FileEditor } from "./FileEditor";
import { FileLink } from "./FileLink";
import styles from "./FileView.module.css";
import { isEditable } from "./limits";
import { readBytes, useFile, type WorkspaceFile } from "./queries";
import { type FileInfo, parentOf } from "./tree";

interface FileViewProps {
  workspaceId: string;
  info: FileInfo;
  files: readonly FileInfo[];
}

/** A file: what it is, what is in it, and what can be done with it. */
export function FileView({ workspaceId, info, files }: FileViewProps) {
  const file = useFile(workspaceId, info);
  // The file as it was when editing began, whatever happens to it meanwhile.
  const [opened, setOpened] = useState<WorkspaceFile | null>(null);
  const [failure, setFailure] = useState<Error | null>(null);
  const folder = parentOf(info.path);
  const text = file.data?.encoding === "text" ? (file.data.content ?? "") : "";
  const canEdit = useMemo(() => isEditable(text), [text]);

  async function download() {
    try {
      saveAs(await readBytes(workspaceId, info.path), info.name);
      setFailure(null);
    } catch (error) {
      setFailure(asFailure(error));
    }
  }

  return (
    <article className={styles.file}>
      <header className={styles.head}>
        <h2>
          <FileLink path={folder}>{withVisibleControls(folder)}</FileLink>
          {folder === "/" ? "" : "/"}
          {withVisibleControls(info.name)}
        </h2>
        <p className={styles.about}>
          {bytes(info.size_bytes)}, changed <Time at={info.updated_at} />
          {info.is_readonly && ", read-only"}
          {!canEdit && ", too many lines to edit here"}
        </p>
        {opened === null && (
          <>
            {file.data?.encoding === "text" && (
              <Button
                disabled={info.is_readonly || file.isPlaceholderData || !canEdit}
                onClick={() => setOpened(file.data ?? null)}
              >
                Edit
              </Button>
            )}
            <Button onClick={() => void download()}>Download</Button>
            <FileActions workspaceId={workspaceId} info={info} files={files} />
          </>
        )}
      </header>
      {failure !== null && <Failed error={failure} retry={() => void download()} />}
      {opened === null ? (
        <State query={file} rows={10}>
          {(read) => <FileContent file={read} />}
        </State>
      ) : (
        <FileEditor
          workspaceId={workspaceId}
          opened={opened}
          isChanged={info.updated_at !== opened.updated_at}
          onClose={() => setOpened(null)}
        />
      )}
    </article>
  );
}
